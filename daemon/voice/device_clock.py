"""When a sound card's blocks really begin: the jitter of the calls filtered out. Pure.

A delay-locked loop of second order (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005).
"""

import math

FIRST_BANDWIDTH_HZ = 1.0  # and then less and less, with time
LEAST_BANDWIDTH_HZ = 0.05
RESET_NS = 100_000_000  # further off, and the card stood still


class DeviceClock:
    """`note` each block's call; `time_ns` is the filtered time of the newest one."""

    def __init__(self, block_ns: float) -> None:
        self._nominal_ns = block_ns
        self._blocks = 0
        self._period_ns = block_ns
        self.time_ns = 0.0

    def note(self, now_ns: int) -> None:
        predicted_ns = self.time_ns + self._period_ns
        error_ns = now_ns - predicted_ns
        if self._blocks == 0 or abs(error_ns) > RESET_NS:
            self._blocks, self._period_ns, self.time_ns = 1, self._nominal_ns, float(now_ns)
            return
        bandwidth_hz = max(LEAST_BANDWIDTH_HZ, FIRST_BANDWIDTH_HZ / (1 + self._blocks * self._nominal_ns / 1e9))
        omega = 2 * math.pi * bandwidth_hz * self._nominal_ns / 1e9
        self._blocks += 1
        self.time_ns = predicted_ns + math.sqrt(2) * omega * error_ns
        self._period_ns += omega * omega * error_ns
