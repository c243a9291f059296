"""Speech for tests, from espeak-ng: always the same."""

import io
import subprocess
import wave
from functools import cache

import numpy as np

from hw.audio.ports import RATE_HZ, Samples

_FAR = (
    "The guide wire has passed the lesion in the left anterior descending artery. Please inflate the balloon slowly to "
    "eight atmospheres, and then show me the result in two projections."
)
_NEAR = "I see the wire now. Wait a moment, there is a small dissection at the distal edge of the stent."


@cache
def spoken(text: str, voice: str) -> Samples:
    """Peak 1.0."""
    said = subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "--stdout", text], check=True, capture_output=True)
    with wave.open(io.BytesIO(said.stdout)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(1 << 24), np.int16) / 32768
    times = np.arange(int(len(samples) * RATE_HZ / rate)) * rate / RATE_HZ
    speech = np.interp(times, np.arange(len(samples)), samples)
    return np.ascontiguousarray(speech / np.abs(speech).max(), np.float32)


def far_speech(seconds: float) -> Samples:
    return np.resize(spoken(_FAR, "en"), int(seconds * RATE_HZ))


def near_speech(seconds: float) -> Samples:
    return np.resize(spoken(_NEAR, "en+f3"), int(seconds * RATE_HZ))
