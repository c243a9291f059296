"""`raw:` whole frames, one after the other without any header, from a pipe, a file or standard input.

A pipe is live: a frame is taken as soon as its last byte is there, straight into its buffer, and by a single system
call where it can be: a process that is killed leaves no half of a frame to its successor on the same standard input. A
regular file has no time of its own and is read at `rate_hz`.
"""

import os
import stat
import time

from hw.capture.base import CaptureSource, ReadableWait
from hw.capture.pacing import MONOTONIC_CLOCK, SECOND_NS, Clock, Pacer
from hw.capture.ring import FrameRing
from hw.errors import DeviceError
from hw.pipe import enlarge_pipe, unread_bytes
from hw.ports import CapturedFrame, CaptureTiming, FrameBytes

STANDARD_INPUT = "-"
STANDARD_INPUT_FD = 0
REST_CHECKS = 10  # a writer that is slower than all of these gives its frame in pieces ...
REST_CHECK_S = 0.0002  # ... for a pipe tells when it has something, not when it has enough


class RawCapture(CaptureSource):
    """Frames of `timing`, as its pixel format lays them out, from `path` ("-": standard input).

    `read` raises DeviceError at the end of the input. Of a FIFO that is when its last writer has gone; opened again it
    waits for the next one.
    """

    def __init__(self, path: str, timing: CaptureTiming, clock: Clock = MONOTONIC_CLOCK) -> None:
        super().__init__()
        self._path = path
        self._timing = timing
        self._clock = clock
        self._readable = ReadableWait()
        self._fd = -1
        self._is_pipe = False
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
        self._is_pipe = stat.S_ISFIFO(mode)
        if self._is_pipe:
            enlarge_pipe(self._fd)
        self._readable.watch(self._fd)
        self._frames = _Frames(self._fd, FrameRing(self._timing.width, self._timing.height, self._timing.pixel_format))
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
            if self._is_pipe and self._frames.is_empty:
                self._let_the_rest_come()
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

    def _let_the_rest_come(self) -> None:
        assert self._frames is not None
        for _ in range(REST_CHECKS):
            if unread_bytes(self._fd) >= self._frames.frame_bytes:
                return
            self._closing.wait(REST_CHECK_S)

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
    def frame_bytes(self) -> int:
        return self._ring.slot.size

    @property
    def is_empty(self) -> bool:
        return self._filled_bytes == 0

    @property
    def is_complete(self) -> bool:
        return self._filled_bytes == self.frame_bytes

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

    def take(self) -> FrameBytes:
        """The complete frame; the next bytes belong to the next one."""
        self._filled_bytes = 0
        return self._ring.commit()
