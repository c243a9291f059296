"""Sound cards through PortAudio (sounddevice): found by name, at 48 kHz, in short blocks.

PortAudio knows the devices that were there when it was initialised. What is plugged in later is seen after `rescan`,
which needs all streams closed; so it is done when the kernel's list of cards has changed, and not on suspicion.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hw.audio.ports import BLOCK_SAMPLES, PLAYED_SAMPLES, RATE_HZ, Fill, Take
from hw.errors import CathlinkError, DeviceError

CARDS = Path("/proc/asound/cards")
SILENCE_LIMIT_S = 1.0  # without a call from the device: it is gone
START_ALLOWANCE_S = 4.0  # before its first call: some sound servers take two seconds


def _portaudio() -> Any:
    """The module, imported when a device is wanted. Raises CathlinkError without the PortAudio library."""
    try:
        import sounddevice
    except OSError as error:
        raise CathlinkError("voice needs the PortAudio library", "install the package libportaudio2") from error
    return sounddevice


class _Stream:
    """One direction. `kind` is PortAudio's word, `what` a person's."""

    kind: str
    what: str
    block_samples: int
    blocks_held: int  # by the card

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: Any = None
        self._called_s = 0.0
        self._xruns = 0

    def _open(self, make: Callable[..., Any], work: Callable[[Any], None]) -> None:
        self.close()
        portaudio = _portaudio()

        def called(data: Any, frames: int, times: Any, status: Any) -> None:
            self._called_s = time.monotonic()
            if status:
                self._xruns += 1
            work(data[:, 0])

        try:
            self._stream = make(
                samplerate=RATE_HZ,
                blocksize=self.block_samples,
                device=self._find(portaudio),
                channels=1,
                dtype="float32",
                latency=self.blocks_held * self.block_samples / RATE_HZ,
                callback=called,
            )
            self._called_s = time.monotonic() + START_ALLOWANCE_S - SILENCE_LIMIT_S
            self._stream.start()
        except portaudio.PortAudioError as error:
            self.close()
            raise DeviceError(f"{self.what} {self._name or 'by default'}: {error}") from error

    def _find(self, portaudio: Any) -> int | None:
        """The device whose name is, or else contains, the configured one; None: the default. Raises DeviceError."""
        if not self._name:
            return None
        usable = [d for d in portaudio.query_devices() if d[f"max_{self.kind}_channels"] > 0]
        wanted = self._name.casefold()
        for matches in (lambda name: name == wanted, lambda name: wanted in name):
            for device in usable:
                if matches(device["name"].casefold()):
                    return int(device["index"])
        seen = ", ".join(device["name"] for device in usable) or "none"
        raise DeviceError(f"no {self.what} named {self._name!r} is plugged in", f"there are: {seen}")

    @property
    def is_alive(self) -> bool:
        return self._stream is not None and time.monotonic() - self._called_s < SILENCE_LIMIT_S

    @property
    def xruns(self) -> int:
        return self._xruns

    def close(self) -> None:
        if self._stream is None:
            return
        with contextlib.suppress(Exception):  # of a card that was pulled out
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
        self._stream = None


class SoundMicrophone(_Stream):
    kind, what = "input", "microphone"
    block_samples, blocks_held = BLOCK_SAMPLES, 2

    def open(self, take: Take) -> None:
        self._open(_portaudio().InputStream, take)


class SoundSpeaker(_Stream):
    kind, what = "output", "speaker"
    block_samples, blocks_held = PLAYED_SAMPLES, 3

    def open(self, fill: Fill) -> None:
        self._open(_portaudio().OutputStream, fill)


class SoundDevices:
    """`sound:NAME`. An empty name is the system's default device."""

    def __init__(self, microphone: str, speaker: str) -> None:
        self.microphone = SoundMicrophone(microphone)
        self.speaker = SoundSpeaker(speaker)
        self._cards = _cards()

    def has_news(self) -> bool:
        return _cards() != self._cards

    def rescan(self) -> None:
        portaudio = _portaudio()
        self._cards = _cards()
        with contextlib.suppress(portaudio.PortAudioError):  # the next `open` says what is wrong
            portaudio._terminate()
        with contextlib.suppress(portaudio.PortAudioError):
            portaudio._initialize()


def _cards() -> str:
    try:
        return CARDS.read_text()
    except OSError:  # a machine without sound
        return ""
