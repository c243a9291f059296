"""Two ends of a call, joined without a link; words get lost and come late."""

import random
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.voice_status import VoiceStatus
from daemon.messages import VoiceWish
from daemon.voice.call import FORGOTTEN_NS, RING_LIMIT_NS, Call, CallState

TICK_NS = 100_000_000


class Pair:
    """Each end tells its state every tick; `hears` says which words arrive."""

    def __init__(self, *, auto_answer: bool = False) -> None:
        ids = count(1)
        self.ends = [Call(new_id=lambda: next(ids)), Call(auto_answer=auto_answer, new_id=lambda: next(ids))]
        self.sequences = [0, 0]
        self.now_ns = 10**12
        self.events: list[tuple[int, str]] = []
        self.is_cut = False

    @property
    def states(self) -> tuple[CallState, CallState]:
        return self.ends[0].state, self.ends[1].state

    def word(self, end: int) -> VoiceStatus:
        self.sequences[end] += 1
        call = self.ends[end]
        return VoiceStatus(self.sequences[end], self.now_ns, call.id, call.state)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_ns += TICK_NS
            words = [self.word(0), self.word(1)]
            for end, call in enumerate(self.ends):
                if not self.is_cut:
                    call.note_peer(words[1 - end], self.now_ns)
                call.poll(self.now_ns)
                self.events += [(end, what) for what, _ in call.take_events()]

    def wish(self, end: int, wish: VoiceWish) -> None:
        self.ends[end].wish(wish, self.now_ns)


IDLE, CALLING, RINGING, IN_CALL = CallState


def test_ring_answer_end() -> None:
    pair = Pair()
    pair.wish(0, VoiceWish.CALL)
    pair.tick()
    assert pair.states == (CALLING, RINGING)
    pair.wish(1, VoiceWish.ACCEPT)
    pair.tick()
    assert pair.states == (IN_CALL, IN_CALL)
    assert pair.ends[0].id == pair.ends[1].id
    pair.wish(1, VoiceWish.END)
    pair.tick(3)
    assert pair.states == (IDLE, IDLE)
    pair.tick(3)
    assert "missed call" not in [what for _, what in pair.events]


def test_a_box_may_answer_by_itself() -> None:
    pair = Pair(auto_answer=True)
    pair.wish(0, VoiceWish.CALL)
    pair.tick(2)
    assert pair.states == (IN_CALL, IN_CALL)


@pytest.mark.parametrize("gives_up", ["the caller", "time"])
def test_a_call_that_nobody_answers_is_a_missed_call(gives_up: str) -> None:
    pair = Pair()
    pair.wish(0, VoiceWish.CALL)
    pair.tick()
    if gives_up == "the caller":
        pair.wish(0, VoiceWish.END)
        pair.tick(2)
    else:
        pair.tick(RING_LIMIT_NS // TICK_NS + 2)
    assert pair.states == (IDLE, IDLE)
    assert (1, "missed call") in pair.events
    pair.tick(20)
    assert pair.states == (IDLE, IDLE)


def test_a_declined_call_ends_at_the_caller() -> None:
    pair = Pair()
    pair.wish(0, VoiceWish.CALL)
    pair.tick()
    pair.wish(1, VoiceWish.END)
    pair.tick(2)
    assert pair.states == (IDLE, IDLE)


def test_both_ring_at_once() -> None:
    pair = Pair()
    pair.wish(0, VoiceWish.CALL)
    pair.wish(1, VoiceWish.CALL)
    pair.tick(2)
    assert pair.states == (IN_CALL, IN_CALL)
    assert pair.ends[0].id == pair.ends[1].id


def test_the_button_pressed_on_a_call_that_rings_answers_it() -> None:
    pair = Pair()
    pair.wish(0, VoiceWish.CALL)
    pair.tick()
    pair.wish(1, VoiceWish.CALL)
    pair.tick()
    assert pair.states == (IN_CALL, IN_CALL)


def test_a_call_outlasts_an_outage() -> None:
    pair = Pair(auto_answer=True)
    pair.wish(0, VoiceWish.CALL)
    pair.tick(2)
    pair.is_cut = True
    pair.tick(3000)
    assert pair.states == (IN_CALL, IN_CALL)
    pair.is_cut = False
    pair.tick()
    assert pair.states == (IN_CALL, IN_CALL)


def test_an_end_that_was_told_into_an_outage_is_told_after_it() -> None:
    pair = Pair(auto_answer=True)
    pair.wish(0, VoiceWish.CALL)
    pair.tick(2)
    pair.is_cut = True
    pair.wish(0, VoiceWish.END)
    pair.tick(100)
    pair.is_cut = False
    pair.tick()
    assert pair.states == (IDLE, IDLE)


def test_a_voice_process_that_began_anew_resumes_its_call() -> None:
    pair = Pair(auto_answer=True)
    pair.wish(0, VoiceWish.CALL)
    pair.tick(2)
    call_id = pair.ends[1].id
    pair.ends[1], pair.sequences[1] = Call(), -1
    pair.tick(2)
    assert pair.states == (IN_CALL, IDLE)  # until it is told what it was in the middle of
    pair.ends[1].resume(call_id, pair.now_ns)
    pair.tick(200)
    assert pair.states == (IN_CALL, IN_CALL)


def test_a_box_that_forgot_the_call_ends_it() -> None:
    pair = Pair(auto_answer=True)
    pair.wish(0, VoiceWish.CALL)
    pair.tick(2)
    pair.ends[1], pair.sequences[1] = Call(), -1
    pair.tick(FORGOTTEN_NS // TICK_NS - 1)
    assert pair.states[0] is IN_CALL
    pair.tick(5)
    assert pair.states == (IDLE, IDLE)


def test_the_late_word_of_a_call_that_is_over_rings_nobody() -> None:
    pair = Pair(auto_answer=True)
    pair.wish(0, VoiceWish.CALL)
    late = pair.word(0)
    pair.tick(2)
    pair.wish(1, VoiceWish.END)
    pair.tick(2)
    assert pair.states == (IDLE, IDLE)
    pair.ends[1].note_peer(late, pair.now_ns)
    assert pair.states == (IDLE, IDLE)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(list(VoiceWish)), st.integers(0, 20)), max_size=12),
    st.integers(0, 2**32),
)
def test_whatever_is_pressed_and_lost_both_ends_agree_in_the_end(
    presses: list[tuple[int, VoiceWish, int]], seed: int
) -> None:
    draw = random.Random(seed)
    pair = Pair()
    for end, wish, ticks in presses:
        pair.wish(end, wish)
        for _ in range(ticks):
            pair.is_cut = draw.random() < 0.5
            pair.tick()
    pair.is_cut = False
    pair.tick(RING_LIMIT_NS // TICK_NS + FORGOTTEN_NS // TICK_NS + 10)
    assert pair.states in ((IDLE, IDLE), (IN_CALL, IN_CALL))
    if pair.states == (IN_CALL, IN_CALL):
        assert pair.ends[0].id == pair.ends[1].id
