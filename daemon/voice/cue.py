"""Short tones that tell what becomes of the call, for eyes that are on the picture. Pure."""

from collections.abc import Sequence
from enum import Enum

import numpy as np

from hw.audio.ports import RATE_HZ, Samples

AMPLITUDE = 0.15
_FADE_SAMPLES = RATE_HZ // 200


def _tone(hertz: float, milliseconds: int) -> Samples:
    count = RATE_HZ * milliseconds // 1000
    edge = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / _FADE_SAMPLES)
    tone: Samples = (AMPLITUDE * edge * np.sin(2 * np.pi * hertz * np.arange(count) / RATE_HZ)).astype(np.float32)
    return tone


def _melody(notes: Sequence[tuple[float, int]]) -> Samples:
    """(hertz, milliseconds); 0 Hz is a pause."""
    return np.concatenate([_tone(hertz, milliseconds) for hertz, milliseconds in notes])


class Cue(Enum):
    """Rising: connected. Falling: lost or over. Ringing at both ends goes on for as long as it is asked for."""

    CONNECTED = "connected"
    LOST = "lost"
    BACK = "back"
    ENDED = "ended"
    RING = "ring"  # of this end
    RING_BACK = "ring_back"  # of the other end

    @property
    def samples(self) -> Samples:
        return _SAMPLES[self]


_SAMPLES = {
    Cue.CONNECTED: _melody([(660, 90), (880, 130)]),
    Cue.LOST: _melody([(440, 120), (0, 60), (330, 200)]),
    Cue.BACK: _melody([(880, 120)]),
    Cue.ENDED: _melody([(660, 90), (440, 150)]),
    Cue.RING: _melody([(880, 150), (0, 50), (1100, 150), (0, 1650)]),
    Cue.RING_BACK: _melody([(425, 400), (0, 1600)]),
}


class CuePlayer:
    """Mixes one cue at a time into what the speaker plays; the newest wins."""

    def __init__(self) -> None:
        self._left = np.zeros(0, np.float32)
        self._repeated: Cue | None = None

    def play(self, cue: Cue) -> None:
        self._left = cue.samples

    def repeat(self, cue: Cue | None) -> None:
        """Again and again, until another one or None is asked for."""
        if cue is not self._repeated:
            self._repeated = cue
            self._left = np.zeros(0, np.float32)

    def mix(self, block: Samples) -> None:
        if not len(self._left) and self._repeated is not None:
            self._left = self._repeated.samples
        count = min(len(block), len(self._left))
        block[:count] += self._left[:count]
        self._left = self._left[count:]
