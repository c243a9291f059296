"""What the sources have in common: `close` may come from another thread while `read` waits or decodes."""

import contextlib
import os
import select
import threading
import weakref
from abc import ABC, abstractmethod

from hw.errors import DeviceError
from hw.ports import CapturedFrame, CaptureTiming

CLOSED = "the capture device is closed"


class CaptureSource(ABC):
    """A CaptureDevice whose parts are touched by one thread at a time.

    `close` first sets `_closing`, which ends every wait, then waits its turn to release the parts. So nobody frees what
    a decoder in another thread is using.
    """

    def __init__(self) -> None:
        self._in_use = threading.Lock()
        self._closing = threading.Event()
        self._is_open = False

    def open(self) -> CaptureTiming:
        with self._in_use:
            self._release()
            self._is_open = False
            try:
                timing = self._open()
            except BaseException:
                self._release()
                raise
            self._is_open = True
            return timing

    def read(self, timeout_s: float) -> CapturedFrame | None:
        with self._in_use:
            if not self._is_open:
                raise DeviceError(CLOSED)
            try:
                frame = self._read(timeout_s)
            except DeviceError:
                self._release()
                self._is_open = False
                raise
            if frame is None and self._closing.is_set():
                raise DeviceError(CLOSED)
            return frame

    def close(self) -> None:
        self._closing.set()
        self._wake()
        with self._in_use:
            self._release()
            self._is_open = False
            self._closing.clear()

    @abstractmethod
    def _open(self) -> CaptureTiming: ...

    @abstractmethod
    def _read(self, timeout_s: float) -> CapturedFrame | None:
        """As `CaptureDevice.read`; returns None early when `_closing` is set."""

    @abstractmethod
    def _release(self) -> None:
        """Give everything back; also called when nothing or only a part is held."""

    def _wake(self) -> None:  # noqa: B027 - most sources have nothing to do here
        """End a wait that does not look at `_closing`. Called by any thread, also when the device is not open."""


class ReadableWait:
    """Waits until a file descriptor can be read, or until `wake` is called from another thread.

    It lives as long as its device, so that `wake` can never write into a descriptor that was closed and given out anew.
    """

    def __init__(self) -> None:
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        weakref.finalize(self, os.close, self._wake_fd)
        self._poll = select.poll()
        self._poll.register(self._wake_fd, select.POLLIN)
        self._fd = -1

    def watch(self, fd: int, *, also_urgent: bool = False) -> None:
        """From now on it is about `fd`; `also_urgent`: and about what comes out of band (POLLPRI)."""
        self._fd = fd
        self._poll.register(fd, select.POLLIN | (select.POLLPRI if also_urgent else 0))

    def forget(self) -> None:
        """Before the descriptor is closed. A `wake` of before is forgotten, too."""
        if self._fd >= 0:
            self._poll.unregister(self._fd)
            self._fd = -1
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)

    def wait(self, timeout_s: float) -> bool:
        """True when there is something to read, which may be the end of the file or an error."""
        return self.events(timeout_s) != 0

    def events(self, timeout_s: float) -> int:
        """What poll(2) tells of the descriptor; 0 when nothing came in time, or `wake` did."""
        ready = dict(self._poll.poll(max(0.0, timeout_s) * 1000))
        return 0 if self._wake_fd in ready else ready.get(self._fd, 0)

    def wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)
