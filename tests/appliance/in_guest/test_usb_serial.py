"""Serial ports on real USB adapters (FTDI's driver), joined like two ends of one cable by the guest's machine."""

import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hw.errors import DeviceError
from hw.serial.port import BY_ID, UsbSerialPort

NEAR, FAR = (f"usb-QEMU_QEMU_USB_SERIAL_{end}-if00-port0" for end in ("near", "far"))
BAUD_RATE = 9600
DEADLINE_S = 30.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


@pytest.fixture
def ends() -> Iterator[tuple[UsbSerialPort, UsbSerialPort]]:
    wait_until(lambda: (BY_ID / NEAR).exists() and (BY_ID / FAR).exists())
    near, far = UsbSerialPort(NEAR, BAUD_RATE), UsbSerialPort(FAR, BAUD_RATE)
    near.open()
    far.open()
    yield near, far
    near.close()
    far.close()


def receive(port: UsbSerialPort, count: int) -> bytes:
    data = b""
    deadline = time.monotonic() + DEADLINE_S
    while len(data) < count and time.monotonic() < deadline:
        select.select([port.fileno()], [], [], 0.1)
        data += port.read()
    return data


def send(port: UsbSerialPort, data: bytes) -> None:
    while data:
        data = data[port.write(data) :]
        select.select([], [port.fileno()], [], 0.1)


def authorize(name: str, *, is_plugged: bool) -> None:
    """The kernel lets go of the device, as if it were unplugged, or takes it again."""
    for product in Path("/sys/bus/usb/devices").glob("*/serial"):
        if product.read_text().strip() == name:
            (product.parent / "authorized").write_text(str(int(is_plugged)))
            return
    raise AssertionError(f"no USB device {name}")


def test_bytes_pass_both_ways(ends: tuple[UsbSerialPort, UsbSerialPort]) -> None:
    data = os.urandom(2000)  # control characters of terminals among them
    for sender, receiver in (ends, ends[::-1]):
        send(sender, data)
        assert receive(receiver, len(data)) == data
        assert receiver.read() == b""


def test_a_port_in_use_is_refused(ends: tuple[UsbSerialPort, UsbSerialPort]) -> None:
    with pytest.raises(DeviceError, match="in use by another program"):
        UsbSerialPort(NEAR, BAUD_RATE).open()


def test_unplugged_and_plugged_in_again(ends: tuple[UsbSerialPort, UsbSerialPort]) -> None:
    near, far = ends
    authorize("near", is_plugged=False)
    with pytest.raises(DeviceError, match="unplugged"):
        receive(near, 1)
    near.close()
    wait_until(lambda: not (BY_ID / NEAR).exists())
    with pytest.raises(DeviceError, match="not there"):
        near.open()
    authorize("near", is_plugged=True)
    wait_until((BY_ID / NEAR).exists)
    near.open()
    send(far, b"again")
    assert receive(near, 5) == b"again"


def test_writing_to_what_is_unplugged_is_told(ends: tuple[UsbSerialPort, UsbSerialPort]) -> None:
    authorize("near", is_plugged=False)
    with pytest.raises(DeviceError, match="unplugged"):
        send(ends[0], b"x")
    authorize("near", is_plugged=True)
