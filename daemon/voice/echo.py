"""What is done to the microphone's voice before it is encoded: the speaker's echo taken out, its level evened.

The speaker and the microphone may have clocks of their own. `FarReference` brings what was played to the microphone's
clock, so that the canceller sees one clock and a constant delay.
"""

from collections import deque
from typing import Protocol

import numpy as np
from pywebrtc_audio import AudioProcessor

from daemon.voice.resample import SteeredResampler
from hw.audio.ports import BLOCK_SAMPLES, PLAYED_SAMPLES, RATE_HZ, Samples

HIGHEST_GAIN_DB = 24.0

REFERENCE_SAMPLES = 9 * BLOCK_SAMPLES // 4  # that wait; less than what any sound card holds, so never too late
REFERENCE_LIMIT_SAMPLES = 8 * BLOCK_SAMPLES
REFERENCE_GAIN_PER_S = 0.5
SMOOTHING = 0.02  # of the number that waits, a block


class MicrophoneProcessor(Protocol):
    """Used by one thread."""

    def process(self, near: Samples, far: Samples) -> Samples:
        """A block of the microphone's, and what was played meanwhile; returns a block of the near voice alone."""
        ...


class WebRtcProcessor:
    """AEC3 and AGC2 of WebRTC's audio processing module."""

    def __init__(self, *, headset: bool) -> None:
        self._cancels = not headset
        self._processor = AudioProcessor(
            RATE_HZ,
            1,
            echo_cancellation=self._cancels,
            high_pass_filter=True,
            auto_gain_control=True,
            agc_max_gain_db=HIGHEST_GAIN_DB,
        )

    def process(self, near: Samples, far: Samples) -> Samples:
        return self._processor.process(near, far if self._cancels else None)


class FarReference:
    """What was played, block by block on the microphone's clock. The owner locks."""

    def __init__(self) -> None:
        self._played: deque[Samples] = deque(maxlen=REFERENCE_LIMIT_SAMPLES // PLAYED_SAMPLES)
        self._resampler = SteeredResampler()
        self._is_running = False
        self._mean_waiting = 0.0
        self.jumps = 0

    def note_played(self, block: Samples) -> None:
        """A block went to the speaker."""
        self._played.append(block.copy())

    def take(self) -> Samples:
        """The block that belongs to the microphone's next one; silence while nothing is played."""
        while self._played:
            self._resampler.push(self._played.popleft())
        waiting = self._resampler.waiting
        if not self._is_running:
            if waiting < REFERENCE_SAMPLES:
                return np.zeros(BLOCK_SAMPLES, np.float32)
            self._resampler.drop(int(waiting - REFERENCE_SAMPLES))
            self._is_running, self._mean_waiting = True, REFERENCE_SAMPLES
        self._mean_waiting += SMOOTHING * (waiting - self._mean_waiting)
        speed = 1.0 + REFERENCE_GAIN_PER_S * (self._mean_waiting - REFERENCE_SAMPLES) / RATE_HZ
        if waiting > REFERENCE_LIMIT_SAMPLES or self._resampler.missing(BLOCK_SAMPLES, speed) > 0:
            self._is_running = False  # a card stood still: begin again
            self.jumps += 1
            return np.zeros(BLOCK_SAMPLES, np.float32)
        return self._resampler.pull(BLOCK_SAMPLES, speed)
