"""`v4l2:` a camera or capture card of Linux (Video4Linux2), through FFmpeg's input device.

Waiting is done here, on the device's own file descriptor: FFmpeg would wait in an ioctl that nobody can end when the
signal stops. It is asked for a packet only when the driver has a frame ready.
"""

import errno
import os
import stat
import time
from contextlib import suppress

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame

from hw.capture.base import CaptureSource, ReadableWait
from hw.capture.decoded import FFMPEG_NAMES, FrameCopier, timing_of
from hw.capture.pacing import MONOTONIC_CLOCK, SECOND_NS, Clock
from hw.capture.ring import FrameRing
from hw.capture.signal import AS_THE_DEVICE_SAYS, Signal
from hw.errors import DeviceError
from hw.ports import CapturedFrame, CaptureTiming, PixelFormat

OPEN_DESCRIPTORS = "/proc/self/fd"
DEFAULT_RATE_HZ = 30.0  # of a driver that does not say

CAUSES = {
    errno.ENOENT: ("is not there", "plug the device in, or correct the path"),
    errno.ENXIO: ("is not there", "plug the device in, or correct the path"),
    errno.ENODEV: ("is gone", "plug the device in again"),
    errno.EACCES: ("may not be opened", "let cathlink's user into the group 'video'"),
    errno.EPERM: ("may not be opened", "let cathlink's user into the group 'video'"),
    errno.EBUSY: ("is in use", "end the other program that captures from it"),
    errno.ENOTTY: ("is not a capture device", "give one such as /dev/video0"),
    errno.EISDIR: ("is not a capture device", "give one such as /dev/video0"),
    errno.ENOLINK: ("has no signal", "check the cable and the source"),
    errno.ENODATA: ("has no signal", "check the cable and the source"),
    errno.EINVAL: ("does not take these settings", "leave out size and rate, or give others"),
}


class V4l2Capture(CaptureSource):
    """The device at `path`, at its own size and rate or near those given, as the driver can.

    `capture_ns` is when the frame was fetched from the driver, which had it ready. A frame that is damaged is left out;
    frames that the driver lost show as a gap in the sequence numbers.
    """

    def __init__(
        self,
        path: str,
        size: tuple[int, int] | None,
        rate_hz: float | None,
        *,
        pixel_format: PixelFormat | None = None,
        signal: Signal = AS_THE_DEVICE_SAYS,
        clock: Clock = MONOTONIC_CLOCK,
    ) -> None:
        super().__init__()
        self._path = path
        self._clock = clock
        self._options = {"fflags": "nobuffer"}  # packets that were read to probe are dropped, not queued as delay
        if size is not None:
            self._options["video_size"] = f"{size[0]}x{size[1]}"
        if rate_hz is not None:
            self._options["framerate"] = f"{rate_hz:g}"
        if pixel_format is not None:
            self._options["input_format"] = FFMPEG_NAMES[pixel_format]
        self._signal = signal
        self._readable = ReadableWait()
        self._session: _Session | None = None

    def _open(self) -> CaptureTiming:
        try:
            self._session = _Session(av.open(self._path, format="v4l2", options=self._options))
            self._readable.watch(_descriptor_of(self._path))
        except (av.error.FFmpegError, OSError) as error:
            raise self._device_error(error) from error
        return self._signal.over(self._session.timing)

    def _read(self, timeout_s: float) -> CapturedFrame | None:
        assert self._session is not None
        deadline_ns = time.monotonic_ns() + int(timeout_s * SECOND_NS)
        while not self._closing.is_set():
            if not self._readable.wait((deadline_ns - time.monotonic_ns()) / SECOND_NS):
                return None
            try:
                frame = self._session.fetch(self._clock)
            except (av.error.FFmpegError, StopIteration) as error:
                raise self._device_error(error) from error
            if frame is not None:
                return frame
        return None

    def _release(self) -> None:
        self._readable.forget()
        if self._session is not None:
            self._session.container.close()
            self._session = None

    def _wake(self) -> None:
        self._readable.wake()

    def _device_error(self, error: Exception) -> DeviceError:
        number = error.errno if isinstance(error, OSError) else None
        problem, remedy = CAUSES.get(number or 0, (f"fails ({error})", ""))
        return DeviceError(f"capture device {self._path!r} {problem}", remedy)


class _Session:
    """One opening of the device."""

    def __init__(self, container: InputContainer) -> None:
        self.container = container
        stream = container.streams.video[0]
        rate_hz = float(stream.average_rate or stream.guessed_rate or DEFAULT_RATE_HZ)
        self.timing = timing_of(stream.codec_context, rate_hz)
        self._stream = stream
        self._ring = FrameRing(self.timing.width, self.timing.height, self.timing.pixel_format)
        self._copier = FrameCopier(self.timing)
        self._last_stamp_s: float | None = None
        self._last_sequence = -1

    def fetch(self, clock: Clock) -> CapturedFrame | None:
        """The frame that the driver has ready; None when there is none after all, or a damaged one."""
        try:
            packet = next(self.container.demux(self._stream))  # anew each time: an error ends the iterator
            fetched_ns = clock.now_ns()
            frames = packet.decode()
        except (av.error.BlockingIOError, av.error.InvalidDataError):
            return None
        if not frames:
            return None
        self._copier.copy(frames[0], self._ring.slot)
        self._count(frames[0])
        return CapturedFrame(self._ring.commit(), fetched_ns, self._last_sequence)

    def _count(self, frame: VideoFrame) -> None:
        """The driver's time stamps tell of frames that it lost."""
        stamp_s = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
        steps = 1
        if stamp_s is not None and self._last_stamp_s is not None:
            steps = max(1, round((stamp_s - self._last_stamp_s) * self.timing.rate_hz))
        self._last_stamp_s = stamp_s
        self._last_sequence += steps


def _descriptor_of(path: str) -> int:
    """The file descriptor that FFmpeg opened for the device at `path`, which it does not tell. Raises OSError."""
    device = os.stat(path).st_rdev
    for fd in sorted(map(int, os.listdir(OPEN_DESCRIPTORS)), reverse=True):
        with suppress(OSError):  # the descriptor of the listing itself is closed by now
            status = os.fstat(fd)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == device:
                return fd
    raise OSError(errno.EBADF, f"no open descriptor of {path}")
