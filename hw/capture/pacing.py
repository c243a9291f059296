"""When the frames of a source without a clock of its own are due."""

import threading
import time
from typing import Protocol

SECOND_NS = 1_000_000_000
LOWEST_RATE_HZ = 0.01
HIGHEST_RATE_HZ = 240.0


class Clock(Protocol):
    """Monotonic time and waiting for it, so that tests need no real time."""

    def now_ns(self) -> int: ...

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        """Waits until `wake` is set (True) or `seconds` have passed (False)."""
        ...


class MonotonicClock:
    """CLOCK_MONOTONIC."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        return wake.wait(seconds)


MONOTONIC_CLOCK = MonotonicClock()


class Pacer:
    """Frame 0 is due when the pacer is made, frame n comes n / rate later, computed afresh, so that it never drifts.

    Who is late by more than a frame goes on with the newest frame that is due: the ones between are lost, as those of a
    live signal would be, and show as a gap in the sequence numbers.
    """

    def __init__(self, rate_hz: float, clock: Clock) -> None:
        self._rate_hz = rate_hz
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._last_sequence = -1

    def due_ns(self, sequence: int) -> int:
        return self._start_ns + round(sequence * SECOND_NS / self._rate_hz)

    def next_sequence(self) -> int:
        """The frame to wait for."""
        newest_due = int((self._clock.now_ns() - self._start_ns) * self._rate_hz / SECOND_NS)
        return max(self._last_sequence + 1, newest_due)

    def wait(self, sequence: int, wake: threading.Event, timeout_s: float) -> bool:
        """True when `sequence` is due: it counts as delivered. False after `timeout_s`, or once `wake` is set."""
        if wake.is_set():
            return False
        remaining_s = (self.due_ns(sequence) - self._clock.now_ns()) / SECOND_NS
        if remaining_s > timeout_s:
            self._clock.wait(wake, timeout_s)
            return False
        if remaining_s > 0 and self._clock.wait(wake, remaining_s):
            return False
        self._last_sequence = sequence
        return True
