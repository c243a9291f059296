"""Preset, then filter, then images are given up, one step at a time, and come back with patience. In simulated time."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.pressure import (
    COMFORT_NS,
    HEAT_STEP_NS,
    LONGEST_COMFORT_NS,
    LOWEST_RATE_HZ,
    SECOND_NS,
    Pressure,
    Relief,
)

MS = 1_000_000
PRESET, FILTER, HALF, QUARTER = Relief
Work = Callable[[tuple[Relief, ...]], float]


class Sender:
    """A source at 30 images a second; what an image takes depends on what is given up."""

    def __init__(self, reliefs: tuple[Relief, ...] = tuple(Relief), rate_hz: float = 30.0) -> None:
        self.pressure = Pressure(reliefs)
        self.now_ns = 0
        self.rate_hz = rate_hz
        self.changes: list[tuple[int, tuple[Relief, ...]]] = []

    def run(self, seconds: float, work_ms: Work) -> None:
        until_ns = self.now_ns + int(seconds * SECOND_NS)
        while self.now_ns < until_ns:
            work_ns = int(work_ms(self.pressure.given_up) * MS)
            limit_hz = self.pressure.rate_limit_hz(self.rate_hz) or self.rate_hz
            self.now_ns += max(int(SECOND_NS / limit_hz), work_ns)
            if self.pressure.note_image(self.now_ns, work_ns, self.rate_hz):
                assert self.pressure.cause
                self.changes.append((self.now_ns, self.pressure.given_up))

    @property
    def given_up(self) -> tuple[Relief, ...]:
        return self.pressure.given_up


def always(ms: float) -> Work:
    return lambda given_up: ms


def of_a_slow_box(given_up: tuple[Relief, ...]) -> float:
    """Too slow for preset and filter, fast enough without them."""
    return 30 - 12 * (PRESET in given_up) - 4 * (FILTER in given_up)


def test_a_box_that_suffices_gives_up_nothing() -> None:
    sender = Sender()
    sender.run(60, always(25))
    assert not sender.changes


def test_one_image_that_takes_long_is_no_pressure() -> None:
    sender = Sender()
    for _ in range(10):
        sender.run(0.9, always(10))
        sender.run(0.01, always(80))
    assert not sender.changes


def test_steps_come_in_their_order_and_stop_when_there_is_room() -> None:
    sender = Sender()
    sender.run(5, of_a_slow_box)
    assert sender.given_up == (PRESET,)
    sender = Sender()
    sender.run(20, lambda given_up: 50 - 18 * (PRESET in given_up) - 4 * (FILTER in given_up))
    assert sender.given_up == (PRESET, FILTER, HALF)
    assert [given_up for _, given_up in sender.changes] == [(PRESET,), (PRESET, FILTER), (PRESET, FILTER, HALF)]


def test_the_first_step_is_there_within_a_second() -> None:
    sender = Sender()
    sender.run(5, of_a_slow_box)
    assert sender.changes[0][0] <= SECOND_NS


def test_an_image_longer_than_a_source_interval_is_noticed() -> None:
    sender = Sender()
    sender.run(10, always(200))
    assert sender.given_up == tuple(Relief)


def test_the_rate_falls_to_half_and_quarter_and_not_below_the_lowest() -> None:
    sender = Sender()
    assert sender.pressure.rate_limit_hz(30) is None
    sender.run(10, always(200))
    assert sender.pressure.rate_limit_hz(60) == 15
    assert sender.pressure.rate_limit_hz(15) == LOWEST_RATE_HZ
    half = Pressure((HALF,))
    for number in range(30):
        half.note_image(number * 30 * MS, 30 * MS, 30.0)
    assert half.rate_limit_hz(30) == 15


def test_what_was_given_up_comes_back_in_reverse_after_the_comfort_time() -> None:
    sender = Sender()
    sender.run(10, always(200))
    began_ns = sender.now_ns
    sender.run(60, always(5))
    assert [given_up for _, given_up in sender.changes[-4:]] == [
        (PRESET, FILTER, HALF),
        (PRESET, FILTER),
        (PRESET,),
        (),
    ]
    times_ns = [began_ns, *(at_ns for at_ns, _ in sender.changes[-4:])]
    assert all(later - at >= COMFORT_NS * 0.99 for at, later in pairwise(times_ns))


def test_a_step_back_that_was_wrong_is_tried_ever_more_rarely() -> None:
    """Without the preset there is room, with it there is not: the box must not go to and fro."""
    sender = Sender((PRESET,))
    sender.run(1500, lambda given_up: 11 if given_up else 30)
    back_ns = [at_ns for at_ns, given_up in sender.changes if not given_up]
    pauses_ns = [later - at for at, later in pairwise(back_ns)]
    assert pauses_ns == sorted(pauses_ns)
    assert pauses_ns[-1] >= LONGEST_COMFORT_NS
    assert len(back_ns) < 15


def test_heat_takes_preset_and_filter_but_no_image() -> None:
    sender = Sender()
    for second in range(100):
        sender.pressure.note_heat(second * SECOND_NS, is_throttled=True)
    assert sender.given_up == (PRESET, FILTER)
    assert "heat" in sender.pressure.cause


def test_heat_steps_keep_their_distance() -> None:
    pressure = Pressure(Relief)
    assert pressure.note_heat(0, is_throttled=True)
    assert not pressure.note_heat(HEAT_STEP_NS - 1, is_throttled=True)
    assert pressure.note_heat(HEAT_STEP_NS, is_throttled=True)


def test_nothing_comes_back_while_it_is_hot() -> None:
    sender = Sender((PRESET,))
    sender.pressure.note_heat(0, is_throttled=True)
    sender.run(60, always(2))
    assert sender.given_up == (PRESET,)
    sender.pressure.note_heat(sender.now_ns, is_throttled=False)
    sender.run(11, always(2))
    assert sender.given_up == ()


@pytest.mark.parametrize("rate_hz", [7.5, 15.0, 30.0, 60.0])
@given(works_ms=st.lists(st.floats(0.5, 400), min_size=1, max_size=20))
def test_whatever_happens_steps_are_single_and_in_order(rate_hz: float, works_ms: list[float]) -> None:
    sender = Sender(rate_hz=rate_hz)
    for work_ms in works_ms:
        before = len(sender.given_up)
        sender.run(0.5, always(work_ms))
        assert sender.given_up == tuple(Relief)[: len(sender.given_up)]
        assert abs(len(sender.given_up) - before) <= 2
    for (_, before), (_, after) in pairwise(sender.changes):
        assert abs(len(after) - len(before)) == 1
