"""Frames come at their time for hours, and a stall is followed by no burst."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.capture.pacing import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, SECOND_NS, Pacer
from hw.fake import ManualClock

NEVER = threading.Event()
rates = st.floats(0.5, HIGHEST_RATE_HZ)


@given(st.floats(LOWEST_RATE_HZ, HIGHEST_RATE_HZ), st.integers(0, 10_000_000))
def test_due_times_do_not_drift(rate_hz: float, sequence: int) -> None:
    clock = ManualClock()
    pacer = Pacer(rate_hz, clock)
    assert abs(pacer.due_ns(sequence) - clock.now_ns() - sequence * SECOND_NS / rate_hz) < 1000


@given(rates, st.lists(st.floats(0, 10), max_size=30))
def test_after_any_stalls_the_frame_is_never_early_and_never_old(rate_hz: float, stalls_s: list[float]) -> None:
    clock = ManualClock()
    pacer = Pacer(rate_hz, clock)
    last = -1
    for stall_s in stalls_s:
        clock.advance(stall_s)
        sequence = pacer.next_sequence()
        assert sequence > last
        assert pacer.wait(sequence, NEVER, timeout_s=10)
        late_ns = clock.now_ns() - pacer.due_ns(sequence)
        assert 0 <= late_ns <= SECOND_NS / rate_hz + 2
        last = sequence


@given(rates, st.lists(st.floats(0, 1), max_size=30))
def test_a_prompt_reader_misses_nothing(rate_hz: float, busy: list[float]) -> None:
    clock = ManualClock()
    pacer = Pacer(rate_hz, clock)
    for expected, share in enumerate(busy):
        sequence = pacer.next_sequence()
        assert sequence == expected
        assert pacer.wait(sequence, NEVER, timeout_s=10)
        clock.advance(share * 0.99 / rate_hz)


def test_waiting_ends_at_the_timeout() -> None:
    clock = ManualClock()
    pacer = Pacer(10, clock)
    start_ns = clock.now_ns()
    assert pacer.wait(0, NEVER, timeout_s=0.0)
    assert not pacer.wait(1, NEVER, timeout_s=0.03)
    assert clock.now_ns() - start_ns == 30_000_000
    assert pacer.next_sequence() == 1
    assert pacer.wait(1, NEVER, timeout_s=0.08)
    assert clock.now_ns() - start_ns == 100_000_000


@pytest.mark.parametrize("sequence", [0, 1])
def test_waiting_ends_when_it_is_woken(sequence: int) -> None:
    woken = threading.Event()
    woken.set()
    clock = ManualClock()
    assert not Pacer(10, clock).wait(sequence, woken, timeout_s=1.0)
