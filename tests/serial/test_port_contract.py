"""What every serial line keeps to: pyserial's over a pseudo-terminal, and the fake."""

import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from hw.errors import DeviceError
from hw.serial import port as port_module
from hw.serial.fake import FakePort
from hw.serial.port import UsbSerialPort, port_path
from hw.serial.ports import BytePort
from hw.serial.simulators.pty import SimulatedPort
from hw.serial.simulators.switcher_box import SimulatedSwitcher
from tests.serial.conftest import Pty, wait_until


class FarEnd(Protocol):
    """The device."""

    def deliver(self, data: bytes) -> None: ...

    def sent(self) -> bytes: ...

    def unplug(self) -> None: ...


@pytest.fixture(params=["pyserial", "fake"])
def line(request: pytest.FixtureRequest) -> Iterator[tuple[BytePort, FarEnd]]:
    """A port that is open, and the device at its other end."""
    port: BytePort
    far: FarEnd
    if request.param == "pyserial":
        pty = Pty()
        port, far = UsbSerialPort(pty.path, 115_200), pty
    else:
        fake = FakePort()
        port, far = fake, fake
    port.open()
    yield port, far
    port.close()
    far.unplug()


def test_bytes_go_both_ways_unchanged(line: tuple[BytePort, FarEnd]) -> None:
    port, far = line
    every_byte = bytes(range(256))
    far.deliver(every_byte)
    received = b""

    def has_all() -> bool:
        nonlocal received
        received += port.read()
        return len(received) == 256

    wait_until(has_all)
    assert received == every_byte
    assert port.write(every_byte) == 256
    sent = b""

    def was_sent() -> bool:
        nonlocal sent
        sent += far.sent()
        return len(sent) == 256

    wait_until(was_sent)
    assert sent == every_byte


def test_nothing_to_read_is_nothing_and_no_wait(line: tuple[BytePort, FarEnd]) -> None:
    assert line[0].read() == b""


def test_a_line_that_takes_nothing_says_so_and_no_wait(line: tuple[BytePort, FarEnd]) -> None:
    port, _ = line
    for _ in range(1000):
        if port.write(bytes(4096)) == 0:
            return
    pytest.fail("it took four megabytes that nobody read")


def test_an_unplugged_device_is_an_error_of_ours(line: tuple[BytePort, FarEnd]) -> None:
    port, far = line
    far.unplug()
    with pytest.raises(DeviceError, match="unplugged"):
        port.read()
    with pytest.raises(DeviceError, match="unplugged"):
        port.write(b"x")
    port.close()
    with pytest.raises(DeviceError):
        port.open()


def test_a_closed_port_is_an_error_of_ours_and_closing_twice_is_none(line: tuple[BytePort, FarEnd]) -> None:
    port, _ = line
    port.close()
    port.close()
    for use in (port.fileno, port.read, lambda: port.write(b"x")):
        with pytest.raises(DeviceError, match="not open"):
            use()


def test_opened_again_it_works_again(line: tuple[BytePort, FarEnd]) -> None:
    port, far = line
    port.open()
    far.deliver(b"x")
    wait_until(lambda: port.read() == b"x")


# --- pyserial's alone ---


def test_two_programs_do_not_share_a_port() -> None:
    pty = Pty()
    first, second = UsbSerialPort(pty.path, 9600), UsbSerialPort(pty.path, 9600)
    first.open()
    with pytest.raises(DeviceError, match="in use by another program"):
        second.open()
    first.close()
    second.open()
    second.close()
    pty.unplug()


def test_what_came_before_it_was_opened_is_not_taken_for_now() -> None:
    pty = Pty()
    pty.deliver(b"a heartbeat of long ago")
    port = UsbSerialPort(pty.path, 9600)
    port.open()
    pty.deliver(b"now")
    received = b""

    def has_come() -> bool:
        nonlocal received
        received += port.read()
        return len(received) >= 3

    wait_until(has_come)
    assert received == b"now"
    port.close()
    pty.unplug()


def test_a_name_is_found_by_id_whatever_terminal_it_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_module, "BY_ID", tmp_path)
    assert port_path("/dev/ttyS0") == Path("/dev/ttyS0")
    port = UsbSerialPort("usb-panel", 9600)
    with pytest.raises(DeviceError, match="usb-panel: not there"):
        port.open()
    for _ in range(2):  # plugged in, and replugged as another terminal
        pty = Pty()
        (tmp_path / "usb-panel").unlink(missing_ok=True)
        (tmp_path / "usb-panel").symlink_to(pty.path)
        port.open()
        pty.deliver(b"x")
        wait_until(lambda: port.read() == b"x")
        port.close()
        pty.unplug()


def test_what_is_no_terminal_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="file: "):
        UsbSerialPort(str(tmp_path / "file"), 9600).open()


def test_a_simulated_device_that_nobody_listens_to_does_not_hear_itself() -> None:
    """A terminal echoes, and answers control characters, unless it is raw."""
    with SimulatedPort(SimulatedSwitcher(0)) as port, open(port.path, "rb", buffering=0) as terminal:
        assert not termios.tcgetattr(terminal)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
