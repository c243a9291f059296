"""Resampling by a ratio near one that may change from block to block: how two sound cards' clocks are made one. Pure.

Band-limited interpolation (J. O. Smith, "Digital Audio Resampling", 2002): a Kaiser-windowed sinc of TAPS samples,
tabled at PHASES positions between two samples, and linear interpolation in the table.
"""

import math

import numpy as np

from hw.audio.ports import Samples

TAPS = 32
PHASES = 256
LATENCY_SAMPLES = TAPS // 2
CUTOFF = 0.95  # of half the sampling rate
_KAISER_BETA = 8.0


def _table() -> Samples:
    """Row p: the taps for a point p / PHASES after tap TAPS / 2 - 1; each row sums to one."""
    distance = np.arange(TAPS)[None, :] - (TAPS // 2 - 1) - np.arange(PHASES + 1)[:, None] / PHASES
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (distance / (TAPS / 2)) ** 2, 0, None))) / np.i0(_KAISER_BETA)
    taps = np.sinc(CUTOFF * distance) * window
    return np.ascontiguousarray(taps / taps.sum(1, keepdims=True), np.float32)


_TABLE = _table()
_TAP = np.arange(TAPS)


class SteeredResampler:
    """Push samples in, pull blocks out; `speed` is how many input samples pass for each output sample."""

    def __init__(self) -> None:
        self._input = np.zeros(TAPS - 1, np.float32)
        self._position = 0.0  # of the next output sample in `_input`, between its first two taps' halves

    @property
    def waiting(self) -> float:
        """Input samples that are here and not yet played."""
        return len(self._input) - (TAPS - 1) - self._position

    def push(self, samples: Samples) -> None:
        self._input = np.concatenate((self._input, samples))

    def missing(self, count: int, speed: float) -> int:
        """How many more input samples `pull` of `count` needs; 0 or less: it has them."""
        return math.floor(self._position + (count - 1) * speed) + TAPS + 1 - len(self._input)

    def pull(self, count: int, speed: float) -> Samples:
        """The next `count` output samples; there must be enough (`missing`)."""
        positions = self._position + speed * np.arange(count)
        whole = positions.astype(np.int64)
        phase = (positions - whole) * PHASES
        row = phase.astype(np.int64)
        part = (phase - row).astype(np.float32)[:, None]
        taps = _TABLE[row] * (1 - part) + _TABLE[row + 1] * part
        output: Samples = np.einsum("ij,ij->i", taps, self._input[whole[:, None] + _TAP])
        end = self._position + speed * count
        used = int(end)
        self._input = self._input[used:]
        self._position = end - used
        return output

    def drop(self, count: int) -> None:
        """Leave out the next `count` input samples (at most `waiting`)."""
        self._input = self._input[count:]

    def clear(self) -> None:
        self._input = np.zeros(TAPS - 1, np.float32)
        self._position = 0.0
