"""A serial line by pyserial, found by its udev name, so that it is the same device in whatever socket it is plugged.

Reading and writing go to the descriptor itself: pyserial's own `write` spins while a full line takes nothing.
"""

import contextlib
import os
import select
import termios
from pathlib import Path

import serial

from hw.errors import DeviceError

BY_ID = Path("/dev/serial/by-id")
READ_BYTES = 4096


def port_path(name: str) -> Path:
    """`name` is a path, or the name of a link in /dev/serial/by-id."""
    return Path(name) if "/" in name else BY_ID / name


class UsbSerialPort:
    """A BytePort. One process at a time has it: a second one is refused."""

    def __init__(self, name: str, baud_rate: int) -> None:
        self._path = port_path(name)
        self._baud_rate = baud_rate
        self._serial: serial.Serial | None = None

    def open(self) -> None:
        self.close()
        try:
            self._serial = serial.Serial(str(self._path), self._baud_rate, timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
            raise DeviceError(f"{self._path}: {_reason(self._path, error)}") from error

    def fileno(self) -> int:
        return self._opened().fileno()

    def read(self) -> bytes:
        try:
            data = os.read(self.fileno(), READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost() from error
        if not data and self._is_hung_up():
            raise self._lost()
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost() from error

    def close(self) -> None:
        port, self._serial = self._serial, None
        if port is not None:
            with contextlib.suppress(OSError, termios.error):
                port.reset_output_buffer()  # closing waits for what is not sent yet, half a minute on a stuck line
            port.close()

    def _is_hung_up(self) -> bool:
        """An empty read does not tell a quiet line from one that is gone (VMIN is 0)."""
        poll = select.poll()
        poll.register(self.fileno(), 0)
        return bool(poll.poll(0))

    def _opened(self) -> serial.Serial:
        if self._serial is None:
            raise DeviceError(f"{self._path}: not open")
        return self._serial

    def _lost(self) -> DeviceError:
        return DeviceError(f"{self._path}: unplugged")


def _reason(path: Path, error: Exception) -> str:
    if not path.exists():
        return "not there"
    if isinstance(error, serial.SerialException) and "lock" in str(error):
        return "in use by another program"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error)
