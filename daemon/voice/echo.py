"""What is done to the microphone's voice before it is encoded: the speaker's echo taken out, its level evened.

The speaker and the microphone may have clocks of their own. `FarReference` brings what was played to the microphone's
clock, so that the canceller sees one clock and a constant delay.
"""

from collections import deque
from typing import Protocol

import numpy as np
from pywebrtc_audio import AudioProcessor

from daemon.voice.device_clock import DeviceClock
from daemon.voice.linear_echo import LinearEchoCanceller
from daemon.voice.resample import SteeredResampler
from hw.audio.ports import BLOCK_SAMPLES, PLAYED_SAMPLES, RATE_HZ, Samples

HIGHEST_GAIN_DB = 24.0

# of the gate; powers, for each block of 10 ms
FAR_SPEAKS = 1e-5
ECHO_SHARE = 10 ** (-15 / 10)  # of what the microphone heard
GATED_GAIN = 0.2
GATE_CLOSING = 0.5
GATE_RELEASE, GATE_HOLD = 0.7, 0.93

REFERENCE_SAMPLES = 9 * BLOCK_SAMPLES // 4  # that wait; less than what any sound card holds, so never too late
REFERENCE_LIMIT_SAMPLES = 8 * BLOCK_SAMPLES
REFERENCE_GAIN_PER_S = 0.5


class MicrophoneProcessor(Protocol):
    """Used by one thread."""

    def process(self, near: Samples, far: Samples) -> Samples:
        """A block of the microphone's, and what was played meanwhile; returns a block of the near voice alone."""
        ...


class HeadsetProcessor:
    """WebRTC's AGC2 and high-pass filter; nothing of the speaker reaches the microphone."""

    def __init__(self) -> None:
        self._gain = AudioProcessor(
            RATE_HZ, 1, high_pass_filter=True, auto_gain_control=True, agc_max_gain_db=HIGHEST_GAIN_DB
        )

    def process(self, near: Samples, far: Samples) -> Samples:
        return self._gain.process(near)


class _ResidualGate:
    """Lowers what is left while the far voice speaks alone: so much less than the microphone heard can only be echo."""

    def __init__(self) -> None:
        self._heard = self._far = 0.0
        self._gain = 1.0

    def process(self, rest: Samples, near: Samples, far: Samples) -> Samples:
        """`rest` of `near`, after all else."""
        self._heard = max(float(np.mean(np.square(near))), GATE_RELEASE * self._heard)
        self._far = max(float(np.mean(np.square(far))), GATE_HOLD * self._far)
        is_echo = self._far > FAR_SPEAKS and float(np.mean(np.square(rest))) < ECHO_SHARE * self._heard
        before, aim = self._gain, GATED_GAIN if is_echo else 1.0
        self._gain = aim if aim > before else before + GATE_CLOSING * (aim - before)
        return rest * np.linspace(before, self._gain, len(rest), dtype=np.float32)


class RoomProcessor:
    """The linear echo is taken out first, then WebRTC's AEC3 suppresses what a loudspeaker that is not linear left.

    AEC3 alone suppresses the near voice with the echo when both speak and the echo is the louder one; of the little
    that is left for it here it needs not. `evens_level`: AGC2 follows.
    """

    def __init__(self, *, evens_level: bool = True) -> None:
        self._linear = LinearEchoCanceller()
        self._gate = _ResidualGate()
        self._suppressor = AudioProcessor(RATE_HZ, 1, echo_cancellation=True)
        self._gain = HeadsetProcessor() if evens_level else None

    def process(self, near: Samples, far: Samples) -> Samples:
        rest = self._suppressor.process(self._linear.process(near, far), far)
        voice = self._gate.process(rest, near, far)
        return self._gain.process(voice, far) if self._gain else voice


class FarReference:
    """What was played, block by block on the microphone's clock. The owner locks.

    How much waits is known to the sample, not to the block: both cards' times are filtered (`DeviceClock`), so that
    the reference moves smoothly against the microphone, or not at all.
    """

    def __init__(self) -> None:
        self._played: deque[Samples] = deque(maxlen=REFERENCE_LIMIT_SAMPLES // PLAYED_SAMPLES)
        self._resampler = SteeredResampler()
        self._speaker = DeviceClock(PLAYED_SAMPLES * 1e9 / RATE_HZ)
        self._microphone = DeviceClock(BLOCK_SAMPLES * 1e9 / RATE_HZ)
        self._is_running = False
        self._aim = 0.0  # samples that shall wait
        self.jumps = 0

    def note_played(self, block: Samples, now_ns: int) -> None:
        """A block went to the speaker."""
        self._speaker.note(now_ns)
        self._played.append(block.copy())

    def take(self, now_ns: int) -> Samples:
        """The block that belongs to the one that the microphone delivered at `now_ns`; silence while nothing plays."""
        self._microphone.note(now_ns)
        while self._played:
            self._resampler.push(self._played.popleft())
        waiting = self._resampler.waiting
        level = waiting + (self._microphone.time_ns - self._speaker.time_ns) * RATE_HZ / 1e9
        if not self._is_running:
            if waiting < REFERENCE_SAMPLES:
                return np.zeros(BLOCK_SAMPLES, np.float32)
            self._resampler.drop(int(waiting - REFERENCE_SAMPLES))
            self._is_running, self._aim = True, level - int(waiting - REFERENCE_SAMPLES)
        speed = 1.0 + REFERENCE_GAIN_PER_S * (level - self._aim) / RATE_HZ
        if waiting > REFERENCE_LIMIT_SAMPLES or self._resampler.missing(BLOCK_SAMPLES, speed) > 0:
            self._is_running = False  # a card stood still: begin again
            self.jumps += 1
            return np.zeros(BLOCK_SAMPLES, np.float32)
        return self._resampler.pull(BLOCK_SAMPLES, speed)
