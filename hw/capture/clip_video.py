"""Clips that PyAV can decode: Matroska, MP4, AVI, ... with any codec that its FFmpeg knows."""

from collections.abc import Generator

import av
import av.error
from av.container import InputContainer

from hw.capture.decoded import FrameCopier, timing_of
from hw.capture.pacing import SECOND_NS
from hw.capture.ring import FrameRing
from hw.errors import DeviceAddressError, DeviceError


class VideoClip:
    """The first video stream of the file at `path`. Raises DeviceAddressError when there is none that we can decode."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            with _open(path) as container:
                video = next(iter(container.streams.video), None)
                if video is None or video.codec_context.width <= 0:
                    raise _not_a_clip(path, "it holds no video")
                rate_hz = float(video.average_rate or video.guessed_rate or 0)
                self.timing = timing_of(video.codec_context, rate_hz)
        except PermissionError as error:
            raise DeviceError(f"{path!r} cannot be read ({error.strerror})", "give cathlink read access") from error
        except (av.error.FFmpegError, ValueError) as error:
            raise _not_a_clip(path, str(error)) from error

    def play(self, ring: FrameRing) -> Generator[int, None, int]:
        count = 0
        copier = FrameCopier(self.timing)
        first_s: float | None = None
        try:
            # Opened anew for each pass (under a millisecond): a seek to the start is not exact in every format.
            with _open(self._path) as container:
                for frame in container.decode(video=0):
                    copier.copy(frame, ring.slot)
                    time_s = frame.time if frame.time is not None else count / (self.timing.rate_hz or 1.0)
                    first_s = time_s if first_s is None else first_s
                    yield round((time_s - first_s) * SECOND_NS)
                    count += 1
        except (av.error.FFmpegError, ValueError) as error:
            raise DeviceError(f"{self._path!r} cannot be played on ({error})", "check the file") from error
        return count


def _open(path: str) -> InputContainer:
    # With the protocol named, a colon in the path is only a colon.
    return av.open(f"file:{path}")


def _not_a_clip(path: str, reason: str) -> DeviceAddressError:
    return DeviceAddressError(f"{path!r} is not a clip ({reason})", "give a video file or a DICOM XA file")
