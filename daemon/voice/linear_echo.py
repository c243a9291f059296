"""The linear part of the echo taken out, sample by sample, by a model of the room that is learnt all the time. Pure.

A partitioned-block frequency-domain Kalman filter (G. Enzner and P. Vary, "Frequency-domain adaptive Kalman filter for
acoustic echo control in hands-free telephones", Signal Processing 86, 2006; partitioned as in F. Kuech et al., ICASSP
2014). It knows how sure it is of each coefficient, so it stops learning by itself while the near voice speaks. It adds
no delay, and nothing to the near voice; what it leaves, of a loudspeaker that is not linear, is for a suppressor.
"""

import numpy as np
import numpy.typing as npt

from hw.audio.ports import BLOCK_SAMPLES, Samples

PARTITIONS = 16  # of a block each: 160 ms of room
FORGETTING = 0.9995  # of the room, a block: it changes
NEAR_SMOOTHING = 0.8  # of the near voice's power, a block
FIRST_UNCERTAINTY = 1.0
LEAST_UNCERTAINTY = 1e-9
LEAST_POWER = 1e-10

_Spectra = npt.NDArray[np.complex64]
_Powers = npt.NDArray[np.float32]


class LinearEchoCanceller:
    """Blocks of BLOCK_SAMPLES; used by one thread."""

    def __init__(self) -> None:
        shape = (PARTITIONS, BLOCK_SAMPLES + 1)
        self._far: _Spectra = np.zeros(shape, np.complex64)  # of the newest block first
        self._room: _Spectra = np.zeros(shape, np.complex64)
        self._uncertainty: _Powers = np.full(shape, FIRST_UNCERTAINTY, np.float32)
        self._near_power: _Powers = np.full(shape[1], 1e-2, np.float32)
        self._last_far: Samples = np.zeros(BLOCK_SAMPLES, np.float32)

    def process(self, near: Samples, far: Samples) -> Samples:
        """`near` without what the room makes of `far`."""
        self._far = np.roll(self._far, 1, axis=0)
        self._far[0] = np.fft.rfft(np.concatenate((self._last_far, far)))
        self._last_far = far.copy()
        echo = np.fft.irfft((self._far * self._room).sum(0))[BLOCK_SAMPLES:]
        rest: Samples = (near - echo).astype(np.float32)
        self._learn(rest)
        return rest

    def _learn(self, rest: Samples) -> None:
        error = np.fft.rfft(np.concatenate((np.zeros(BLOCK_SAMPLES, np.float32), rest)))
        self._near_power += (1 - NEAR_SMOOTHING) * (np.abs(error) ** 2 - self._near_power)
        far_power = np.abs(self._far) ** 2
        explained = (far_power * self._uncertainty).sum(0)
        gain = self._uncertainty / (explained + 2 * self._near_power + LEAST_POWER)
        change = np.fft.irfft(gain * self._far.conj() * error, axis=1)
        change[:, BLOCK_SAMPLES:] = 0  # a partition is a block long
        self._room += np.fft.rfft(change, axis=1).astype(np.complex64)
        kept = FORGETTING**2
        self._uncertainty *= kept * (1 - 0.5 * gain * far_power)
        self._uncertainty += (1 - kept) * np.abs(self._room) ** 2 + LEAST_UNCERTAINTY
