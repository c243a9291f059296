"""Raw pictures for another program: each new picture whole, one after the other, nothing between them.

As 8-bit grey, which of a colour source is its luma; or as BGRX, whatever the source.

Pictures leave at once and uncopied, so that what a reader measures is the corridor and not this display. A reader that
is slow loses whole pictures instead of seeing ever older ones, and never a part of one.
"""

import errno
import os
import select
import stat
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from hw.errors import DeviceError
from hw.overlay import NOTHING_OVER, Input, Overlay
from hw.pipe import enlarge_pipe, has_room_for
from hw.ports import Banner, Picture, PixelFormat, luma_of

STANDARD_OUTPUT = "-"
WRITE_PATIENCE_S = 0.02  # how long `show` waits for a reader to take the rest of a picture that does not fit the pipe


class RawDisplay:
    """`path` is a file, a named pipe that somebody reads, or "-" for the standard output."""

    def __init__(self, path: str, pixel_format: PixelFormat = PixelFormat.GRAY8) -> None:
        self._path = path
        self._pixels_of: Callable[[Picture], npt.NDArray[Any]] = luma_of
        if pixel_format is PixelFormat.BGRX:
            from hw.display.bgrx import bgrx_of  # brings numba with it

            self._pixels_of = bgrx_of
        self._fd = -1
        self._is_pipe = False
        self._was_blocking = True
        self._unwritten = b""  # the rest of a picture that the pipe cut
        self.dropped_pictures = 0

    def open(self) -> None:
        """Raises DeviceError when nobody reads the pipe, or the path cannot be written."""
        self.close()
        try:
            self._fd = self._open_path()
            self._is_pipe = stat.S_ISFIFO(os.fstat(self._fd).st_mode)
            self._was_blocking = os.get_blocking(self._fd)
            os.set_blocking(self._fd, False)
        except OSError as error:
            self.close()
            raise self._mapped(error) from error
        if os.isatty(self._fd):
            self.close()
            raise DeviceError("raw pictures would go to a terminal", "send the output to a program or a file")
        if self._is_pipe:
            enlarge_pipe(self._fd)

    def _open_path(self) -> int:
        if self._path == STANDARD_OUTPUT:
            return os.dup(1)
        # O_NONBLOCK: a named pipe without a reader is an error now instead of a wait for ever.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        return os.open(self._path, flags, 0o600)

    def show(self, picture: Picture | None, banner: Banner, *, is_new: bool, overlay: Overlay = NOTHING_OVER) -> None:
        """Write `picture` if it is new, or count it as dropped when the reader has not taken the one before last.

        Raises DeviceError when the reader is gone.
        """
        if self._fd < 0:
            raise DeviceError("raw display is not open")
        try:
            if self._unwritten:
                self._write(memoryview(self._unwritten))
            if picture is None or not is_new:
                return
            pixels = self._pixels_of(picture)
            if self._unwritten or (self._is_pipe and not has_room_for(self._fd, pixels.nbytes)):
                self.dropped_pictures += 1
                return
            self._write(pixels.data.cast("B"))
        except OSError as error:
            raise self._mapped(error) from error

    def _write(self, rest: memoryview) -> None:
        """Write `rest`; keep what the reader does not take in time, so that pictures stay whole."""
        give_up_s = time.monotonic() + WRITE_PATIENCE_S
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                patience_s = give_up_s - time.monotonic()
                if patience_s <= 0 or not self._reader_takes_more(patience_s):
                    break
        self._unwritten = bytes(rest)

    def _reader_takes_more(self, within_s: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(within_s * 1000))

    def take_inputs(self) -> Sequence[Input]:
        """Nobody can touch it."""
        return ()

    def close(self) -> None:
        if self._fd >= 0:
            if self._path == STANDARD_OUTPUT:
                os.set_blocking(self._fd, self._was_blocking)  # others may hold the same open file
            os.close(self._fd)
        self._fd = -1
        self._unwritten = b""

    def _mapped(self, error: OSError) -> DeviceError:
        where = "standard output" if self._path == STANDARD_OUTPUT else self._path
        if isinstance(error, BrokenPipeError):
            return DeviceError(f"raw display: the reader of {where} is gone")
        if error.errno == errno.ENXIO:
            return DeviceError(f"raw display: nobody reads {where}", "start the reader first")
        return DeviceError(f"raw display: cannot write {where}: {error.strerror}")
