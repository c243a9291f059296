"""`file:` a recorded clip, played in real time and over and over, as if it were a source."""

import dataclasses
import os
import threading
from collections.abc import Generator

from hw.capture.base import CaptureSource
from hw.capture.clip import Clip, is_dicom
from hw.capture.pacing import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MONOTONIC_CLOCK, Clock, Pacer
from hw.capture.ring import FrameRing
from hw.capture.signal import AS_THE_DEVICE_SAYS, Signal
from hw.errors import DeviceAddressError, DeviceError
from hw.ports import CapturedFrame, CaptureTiming


class FileCapture(CaptureSource):
    """The clip at `path`, at `rate_hz` or, when that is None, at the clip's own rate.

    The next picture is decoded before it is due, and `capture_ns` is when it is due. Who reads too late misses frame
    times, not pictures: the clip goes on where it was. With `loop` off, `read` raises DeviceError after the last
    picture. A file that is missing or holds no clip raises DeviceAddressError, from here or from `open`.
    """

    def __init__(
        self,
        path: str,
        rate_hz: float | None,
        *,
        loop: bool,
        signal: Signal = AS_THE_DEVICE_SAYS,
        clock: Clock = MONOTONIC_CLOCK,
    ) -> None:
        super().__init__()
        self._signal = signal
        self._path = path
        self._rate_hz = rate_hz
        self._loop = loop
        self._clock = clock
        self._player: _Player | None = None
        _require_file(path)

    def _open(self) -> CaptureTiming:
        clip = find_clip(self._path)
        rate_hz = self._rate_hz or clip.timing.rate_hz
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            raise DeviceAddressError(
                f"{self._path!r} does not say a usable rate", "add one, as in file:clip.mkv?rate=15"
            )
        self._player = _Player(clip, rate_hz, self._clock, loop=self._loop)
        return self._signal.over(dataclasses.replace(clip.timing, rate_hz=rate_hz))

    def _read(self, timeout_s: float) -> CapturedFrame | None:
        assert self._player is not None
        return self._player.read(self._closing, timeout_s)

    def _release(self) -> None:
        if self._player is not None:
            self._player.close()
            self._player = None


class _Player:
    """A clip that is playing; its first picture is decoded and due."""

    def __init__(self, clip: Clip, rate_hz: float, clock: Clock, *, loop: bool) -> None:
        self._ring = FrameRing(clip.timing.width, clip.timing.height, clip.timing.pixel_format)
        self._pictures = _play(clip, self._ring, loop=loop)
        self._is_prepared = False
        self._prepare()
        self._pacer = Pacer(rate_hz, clock)

    def read(self, closing: threading.Event, timeout_s: float) -> CapturedFrame | None:
        self._prepare()
        sequence = self._pacer.next_sequence()
        if not self._pacer.wait(sequence, closing, timeout_s):
            return None
        self._is_prepared = False
        return CapturedFrame(self._ring.commit(), self._pacer.due_ns(sequence), sequence)

    def close(self) -> None:
        self._pictures.close()

    def _prepare(self) -> None:
        """Decodes the next picture into the ring's slot, if that is not done yet."""
        if not self._is_prepared:
            next(self._pictures)
            self._is_prepared = True


def _play(clip: Clip, ring: FrameRing, *, loop: bool) -> Generator[int]:
    while True:
        count = yield from clip.play(ring)
        if count == 0:
            raise DeviceAddressError("the clip holds no picture", "give a video file or a DICOM XA file")
        if not loop:
            raise DeviceError("end of clip")


def find_clip(path: str) -> Clip:
    """The clip in the file at `path`. Raises DeviceAddressError when it holds none, DeviceError."""
    _require_file(path)
    try:
        dicom = is_dicom(path)
    except OSError as error:
        raise DeviceError(f"{path!r} cannot be read ({error.strerror})", "give cathlink read access") from error
    if dicom:
        # Either kind brings a large library with it; most boxes need neither.
        from hw.capture.clip_dicom import DicomClip

        return DicomClip(path)
    from hw.capture.clip_video import VideoClip

    return VideoClip(path)


def _require_file(path: str) -> None:
    if not os.path.isfile(path):
        raise DeviceAddressError(f"there is no file {path!r}", "check the path in the address")
