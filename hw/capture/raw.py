"""`raw:` whole grey frames, one after the other without any header, from a pipe, a file or standard input.

A pipe is live: a frame is taken as soon as its last byte is there, straight into its buffer. A regular file has no time
of its own and is read at `rate_hz`.
"""

import contextlib
import fcntl
import os
import stat
import time

from hw.capture.base import CaptureSource, ReadableWait
from hw.capture.pacing import MONOTONIC_CLOCK, SECOND_NS, Clock, Pacer
from hw.capture.ring import FrameRing
from hw.errors import DeviceError
from hw.ports import CapturedFrame, CaptureTiming, GrayPicture, PixelFormat

STANDARD_INPUT = "-"
STANDARD_INPUT_FD = 0
PIPE_BYTES_WANTED = (4 << 20, 1 << 20)  # several frames, or what an unprivileged process may have by default


class RawCapture(CaptureSource):
    """Frames of `width` * `height` bytes, PixelFormat.GRAY8, from `path` ("-": standard input).

    `read` raises DeviceError at the end of the input. Of a FIFO that is when its last writer has gone; opened again it
    waits for the next one.
    """

    def __init__(self, path: str, width: int, height: int, rate_hz: float, clock: Clock = MONOTONIC_CLOCK) -> None:
        super().__init__()
        self._path = path
        self._timing = CaptureTiming(width, height, rate_hz, PixelFormat.GRAY8)
        self._clock = clock
        self._readable = ReadableWait()
        self._fd = -1
        self._frames: _Frames | None = None
        self._pacer: Pacer | None = None  # of a regular file
        self._next_sequence = 0

    def _open(self) -> CaptureTiming:
        try:
            self._fd = self._open_input()
            mode = os.fstat(self._fd).st_mode
        except OSError as error:
            raise DeviceError(f"{self._path!r} cannot be read ({error.strerror})", "check the path") from error
        if stat.S_ISDIR(mode):
            raise DeviceError(f"{self._path!r} is a folder", "name a file or a named pipe")
        if stat.S_ISFIFO(mode):
            _enlarge_pipe(self._fd)
        self._readable.watch(self._fd)
        self._frames = _Frames(self._fd, FrameRing(self._timing.width, self._timing.height))
        self._pacer = Pacer(self._timing.rate_hz, self._clock) if stat.S_ISREG(mode) else None
        self._next_sequence = 0
        return self._timing

    def _open_input(self) -> int:
        if self._path == STANDARD_INPUT:
            return STANDARD_INPUT_FD
        # non-blocking, or opening a FIFO would wait for its writer
        return os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def _read(self, timeout_s: float) -> CapturedFrame | None:
        assert self._frames is not None
        deadline_ns = time.monotonic_ns() + int(timeout_s * SECOND_NS)
        while not self._frames.is_complete:
            if self._closing.is_set() or not self._readable.wait((deadline_ns - time.monotonic_ns()) / SECOND_NS):
                return None
            self._frames.read_on()
        complete_ns = self._clock.now_ns()
        sequence = self._next_sequence
        if self._pacer is not None:
            sequence = self._pacer.next_sequence()
            if not self._pacer.wait(sequence, self._closing, timeout_s):
                return None
            complete_ns = self._pacer.due_ns(sequence)
        self._next_sequence = sequence + 1
        return CapturedFrame(self._frames.take(), complete_ns, sequence)

    def _release(self) -> None:
        self._readable.forget()
        if self._fd >= 0 and self._path != STANDARD_INPUT:
            os.close(self._fd)
        self._fd = -1
        self._frames = None

    def _wake(self) -> None:
        self._readable.wake()


class _Frames:
    """Puts frames together from the pieces that `fd` gives, in the buffers of `ring`."""

    def __init__(self, fd: int, ring: FrameRing) -> None:
        self._fd = fd
        self._ring = ring
        self._views = [buffer.reshape(-1).data for buffer in ring.buffers]
        self._filled_bytes = 0

    @property
    def is_complete(self) -> bool:
        return self._filled_bytes == self._ring.slot.size

    def read_on(self) -> None:
        """Reads what is there, up to the end of the frame. Raises DeviceError at the end of the input."""
        try:
            count = os.readv(self._fd, [self._views[self._ring.index][self._filled_bytes :]])
        except BlockingIOError:
            return
        except OSError as error:
            raise DeviceError(f"reading the input failed ({error.strerror})") from error
        if count == 0:
            raise DeviceError("end of input")
        self._filled_bytes += count

    def take(self) -> GrayPicture:
        """The complete frame; the next bytes belong to the next one."""
        self._filled_bytes = 0
        return self._ring.commit()


def _enlarge_pipe(fd: int) -> None:
    """So that the writer of a whole frame need not wait for its reader. It works without, too."""
    for wanted_bytes in PIPE_BYTES_WANTED:
        with contextlib.suppress(OSError):
            if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < wanted_bytes:
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, wanted_bytes)
            return
