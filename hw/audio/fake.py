"""A sound card without hardware, for tests: what is said into it is given, what it plays is kept, time is told."""

import numpy as np

from hw.audio.ports import PLAYED_SAMPLES, Fill, Samples, Take
from hw.errors import DeviceError


class FakeMicrophone:
    """`say` delivers a block, as a card's thread would."""

    def __init__(self) -> None:
        self.is_plugged = True
        self.xruns = 0
        self._take: Take | None = None

    def open(self, take: Take) -> None:
        if not self.is_plugged:
            raise DeviceError("no microphone is plugged in")
        self._take = take

    @property
    def is_alive(self) -> bool:
        return self._take is not None and self.is_plugged

    def say(self, block: Samples) -> None:
        if self._take is not None and self.is_plugged:
            self._take(block)

    def close(self) -> None:
        self._take = None


class FakeSpeaker:
    """`play` asks for a block, as a card's thread would, and returns it."""

    def __init__(self) -> None:
        self.is_plugged = True
        self.xruns = 0
        self._fill: Fill | None = None

    def open(self, fill: Fill) -> None:
        if not self.is_plugged:
            raise DeviceError("no speaker is plugged in")
        self._fill = fill

    @property
    def is_alive(self) -> bool:
        return self._fill is not None and self.is_plugged

    def play(self) -> Samples:
        block = np.zeros(PLAYED_SAMPLES, np.float32)
        if self._fill is not None and self.is_plugged:
            self._fill(block)
        return block

    def close(self) -> None:
        self._fill = None


class FakeAudioDevices:
    def __init__(self) -> None:
        self.microphone = FakeMicrophone()
        self.speaker = FakeSpeaker()
        self.news = False
        self.rescans = 0

    def has_news(self) -> bool:
        return self.news

    def rescan(self) -> None:
        self.news = False
        self.rescans += 1
