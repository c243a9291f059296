"""The seam between our Video4Linux2 code and the kernel: four system calls and a wait.

Everything above it runs as well on `hw.capture.v4l2_fake`, which plays a card whose cable is pulled.
"""

import contextlib
import errno
import fcntl
import mmap
import os
from ctypes import Structure
from typing import Protocol

import numpy as np

from hw.capture.base import ReadableWait
from hw.ports import FrameBytes


class Mapping(Protocol):
    """A driver's buffer in our address space. `data` is valid until `close`, shape (bytes,)."""

    data: FrameBytes

    def close(self) -> None: ...


class Kernel(Protocol):
    """All methods raise OSError with the kernel's number, and none other."""

    def open(self, path: str) -> int:
        """A descriptor whose calls never block."""
        ...

    def close(self, fd: int) -> None: ...

    def ioctl(self, fd: int, request: int, argument: Structure) -> None:
        """`argument` is what the driver made of it, also when it raises."""
        ...

    def map(self, fd: int, length: int, offset: int) -> Mapping: ...

    def wait(self, fd: int, timeout_s: float) -> int:
        """The descriptor's poll(2) events (POLLIN, POLLPRI, ...); 0 after `timeout_s`, or once `wake` was called."""
        ...

    def wake(self) -> None:
        """From any thread, also when nothing is open: ends a `wait`."""
        ...


class LinuxKernel:
    """The real one. For one open device at a time."""

    def __init__(self) -> None:
        self._readable = ReadableWait()

    def open(self, path: str) -> int:
        self._readable.forget()  # a `wake` that found nothing open
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._readable.watch(fd, also_urgent=True)
        return fd

    def close(self, fd: int) -> None:
        self._readable.forget()
        with contextlib.suppress(OSError):  # of a device that is gone; the descriptor is free all the same
            os.close(fd)

    def ioctl(self, fd: int, request: int, argument: Structure) -> None:
        while True:
            try:
                fcntl.ioctl(fd, request, argument, True)  # gives up Python's lock: they are all under 1024 bytes
            except InterruptedError:
                continue
            return

    def map(self, fd: int, length: int, offset: int) -> Mapping:
        return _LinuxMapping(fd, length, offset)

    def wait(self, fd: int, timeout_s: float) -> int:
        return self._readable.events(timeout_s)

    def wake(self) -> None:
        self._readable.wake()


class _LinuxMapping:
    def __init__(self, fd: int, length: int, offset: int) -> None:
        try:
            self._map = mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
        except (ValueError, OverflowError) as error:  # a length or offset that no driver should give
            raise OSError(errno.EINVAL, str(error)) from error
        self.data: FrameBytes = np.frombuffer(self._map, np.uint8)

    def close(self) -> None:
        self.data = np.empty(0, np.uint8)  # or the map counts as used
        self._map.close()
