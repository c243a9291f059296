"""A serial line without hardware: both ends in this process, joined by a socket pair."""

import socket

from hw.errors import DeviceError

BUFFER_BYTES = 4096


class FakePort:
    """A BytePort; the device at its other end is `sent`, `deliver`, `unplug` and `plug_in`."""

    def __init__(self) -> None:
        self._near: socket.socket | None = None
        self._far: socket.socket | None = None
        self._is_plugged = True

    # --- the device's end ---

    def plug_in(self) -> None:
        self._is_plugged = True

    def unplug(self) -> None:
        self._is_plugged = False
        if self._far is not None:
            self._far.close()
            self._far = None

    def deliver(self, data: bytes) -> None:
        """The device sends; lost when nobody has the port open."""
        if self._far is not None:
            self._far.sendall(data)

    def sent(self) -> bytes:
        """What was written to the device since the last call."""
        if self._far is None:
            return b""
        try:
            return self._far.recv(1 << 20)
        except BlockingIOError:
            return b""

    # --- our end ---

    def open(self) -> None:
        self.close()
        if not self._is_plugged:
            raise DeviceError("fake port: not there")
        self._near, self._far = socket.socketpair()
        for end in (self._near, self._far):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)

    def fileno(self) -> int:
        return self._opened().fileno()

    def read(self) -> bytes:
        try:
            data = self._opened().recv(BUFFER_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise DeviceError("fake port: unplugged") from error
        if not data:
            raise DeviceError("fake port: unplugged")
        return data

    def write(self, data: bytes) -> int:
        try:
            return self._opened().send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise DeviceError("fake port: unplugged") from error

    def close(self) -> None:
        for end in (self._near, self._far):
            if end is not None:
                end.close()
        self._near = self._far = None

    def _opened(self) -> socket.socket:
        if self._near is None:
            raise DeviceError("fake port: not open")
        return self._near
