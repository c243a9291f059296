"""The peer's clock: wrong by at most what it says, under delay of any shape, and true to the skew of two crystals."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.link.clock import ANSWER_LIMIT, ASK_EVERY_AT_FIRST_NS, ASK_EVERY_NS, FIRST_EXCHANGES, PeerClock

MS = 1_000_000
SECOND_NS = 1_000_000_000
T0 = 3_600 * SECOND_NS
OFFSET_NS = -77_000 * SECOND_NS


class Peer:
    """A second crystal: `skew` faster than ours."""

    def __init__(self, skew: float = 0.0) -> None:
        self._skew = skew

    def offset_ns(self, now_ns: int) -> int:
        return OFFSET_NS + round((now_ns - T0) * self._skew)

    def now_ns(self, now_ns: int) -> int:
        return now_ns + self.offset_ns(now_ns)


def exchange(clock: PeerClock, peer: Peer, now_ns: int, there_ns: int, think_ns: int, back_ns: int) -> int:
    """One question and its answer; returns the time at which the answer came."""
    identifier, t1_ns = clock.ask(now_ns)
    came_ns = now_ns + there_ns
    left_ns = came_ns + think_ns
    answered_ns = left_ns + back_ns
    assert clock.note_reply(identifier, t1_ns, peer.now_ns(came_ns), peer.now_ns(left_ns), answered_ns)
    return answered_ns


def test_nothing_is_known_before_the_first_answer() -> None:
    clock = PeerClock()
    assert clock.offset_ns(T0) is None
    assert clock.rtt_ns is None
    assert clock.bound_ns == 0


def test_a_symmetric_path_gives_the_exact_offset() -> None:
    clock, peer = PeerClock(), Peer()
    now_ns = exchange(clock, peer, T0, 10 * MS, 3 * MS, 10 * MS)
    assert clock.offset_ns(now_ns) == OFFSET_NS
    assert (clock.rtt_ns, clock.bound_ns) == (20 * MS, 10 * MS)


@given(st.lists(st.tuples(st.integers(0, 400 * MS), st.integers(0, 400 * MS), st.integers(0, 50 * MS)), min_size=1))
def test_without_skew_the_offset_is_within_its_bound_under_any_delay(delays: list[tuple[int, int, int]]) -> None:
    clock, peer = PeerClock(), Peer()
    now_ns = T0
    for there_ns, back_ns, think_ns in delays:
        now_ns = exchange(clock, peer, now_ns + ASK_EVERY_NS, there_ns, think_ns, back_ns)
        offset_ns = clock.offset_ns(now_ns)
        assert offset_ns is not None
        near_best_ns = max(clock.bound_ns // 10, MS)  # a line goes through near ones, which are not quite the best
        assert abs(offset_ns - OFFSET_NS) <= clock.bound_ns + near_best_ns


@pytest.mark.parametrize("ppm", [-100, 0, 100])
def test_skew_is_followed_for_hours_within_the_bound(ppm: int) -> None:
    """Queues come and go in both directions; the shortest way is 10 ms there and 6 back."""
    clock, peer, draw = PeerClock(), Peer(ppm * 1e-6), random.Random(3)
    now_ns, worst_ns = T0, 0
    for number in range(4 * 3600 * 2):
        there_ns = 10 * MS + int(draw.expovariate(1 / (4 * MS)))
        back_ns = 6 * MS + int(draw.expovariate(1 / (4 * MS)))
        exchange(clock, peer, now_ns, there_ns, MS, back_ns)
        now_ns += ASK_EVERY_NS
        offset_ns = clock.offset_ns(now_ns)
        assert offset_ns is not None
        if number > 40:
            worst_ns = max(worst_ns, abs(offset_ns - peer.offset_ns(now_ns)) - clock.bound_ns)
    assert worst_ns <= 0


@pytest.mark.parametrize("ppm", [-100, 100])
def test_an_outage_is_bridged_by_the_skew(ppm: int) -> None:
    clock, peer = PeerClock(), Peer(ppm * 1e-6)
    now_ns = T0
    for _ in range(80):
        exchange(clock, peer, now_ns, 5 * MS, 0, 5 * MS)
        now_ns += ASK_EVERY_NS
    later_ns = now_ns + 60 * SECOND_NS  # the skew alone would make 6 ms of it
    offset_ns = clock.offset_ns(later_ns)
    assert offset_ns is not None
    assert abs(offset_ns - peer.offset_ns(later_ns)) < MS


def test_what_answers_no_open_question_is_refused() -> None:
    clock, peer = PeerClock(), Peer()
    identifier, t1_ns = clock.ask(T0)
    t2_ns = peer.now_ns(T0 + MS)
    assert not clock.note_reply(identifier + 1, t1_ns, t2_ns, t2_ns, T0 + 2 * MS)  # never asked
    identifier, t1_ns = clock.ask(T0)
    assert not clock.note_reply(identifier, t1_ns + 1, t2_ns, t2_ns, T0 + 2 * MS)  # another time
    identifier, t1_ns = clock.ask(T0)
    assert not clock.note_reply(identifier, t1_ns, t2_ns, t2_ns - 1, T0 + 2 * MS)  # left before it came
    identifier, t1_ns = clock.ask(T0)
    assert not clock.note_reply(identifier, t1_ns, t2_ns, t2_ns + 5 * MS, T0 + 2 * MS)  # took longer than it was away
    identifier, t1_ns = clock.ask(T0)
    assert clock.note_reply(identifier, t1_ns, t2_ns, t2_ns, T0 + 2 * MS)
    assert not clock.note_reply(identifier, t1_ns, t2_ns, t2_ns, T0 + 2 * MS)  # twice
    assert clock.offset_ns(T0 + 2 * MS) == OFFSET_NS


def test_lost_questions_are_forgotten() -> None:
    clock, peer = PeerClock(), Peer()
    first, t1_ns = clock.ask(T0)
    for number in range(ANSWER_LIMIT):
        clock.ask(T0 + number)
    t2_ns = peer.now_ns(T0)
    assert not clock.note_reply(first, t1_ns, t2_ns, t2_ns, T0 + MS)


def test_it_asks_often_at_first_and_then_four_times_a_second() -> None:
    clock, peer = PeerClock(), Peer()
    assert clock.question_due(T0)
    now_ns = T0
    for _ in range(FIRST_EXCHANGES):
        exchange(clock, peer, now_ns, MS, 0, MS)
        assert clock.next_timer_ns() == now_ns + ASK_EVERY_AT_FIRST_NS
        now_ns = clock.next_timer_ns()
    exchange(clock, peer, now_ns, MS, 0, MS)
    assert not clock.question_due(now_ns + ASK_EVERY_NS - 1)
    assert clock.question_due(now_ns + ASK_EVERY_NS)


@given(st.integers(0, 1 << 64), *[st.integers(0, (1 << 64) - 1)] * 4)
def test_no_reply_breaks_it(identifier: int, t1_ns: int, t2_ns: int, t3_ns: int, now_ns: int) -> None:
    clock = PeerClock()
    asked, t1_asked_ns = clock.ask(T0)
    clock.note_reply(identifier, t1_ns, t2_ns, t3_ns, now_ns)
    clock.note_reply(asked, t1_asked_ns, t2_ns, t3_ns, now_ns)
    clock.offset_ns(now_ns)
