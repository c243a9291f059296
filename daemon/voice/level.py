"""How loud it is: for the meters at both ends."""

import math

import numpy as np

from daemon.link.voice_status import SILENCE_DBFS
from hw.audio.ports import Samples


class LevelMeter:
    """The loudest block (root mean square) since the last reading."""

    def __init__(self) -> None:
        self._loudest = 0.0

    def note(self, block: Samples) -> None:
        self._loudest = max(self._loudest, float(np.mean(np.square(block))))

    def read_dbfs(self) -> int:
        """SILENCE_DBFS .. 0."""
        loudest, self._loudest = self._loudest, 0.0
        return max(SILENCE_DBFS, min(0, round(10 * math.log10(loudest)))) if loudest > 0 else SILENCE_DBFS
