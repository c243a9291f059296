"""What the serial tests share: waiting on a condition, and a pseudo-terminal as the real thing."""

import contextlib
import os
import threading
import time
import tty
from collections.abc import Callable, Iterator

import pytest

from hw.serial.simulators.ports import SimulatedDevice
from hw.serial.simulators.pty import SimulatedPort

DEADLINE_S = 10.0
PlugIn = Callable[[SimulatedDevice], "RunningDevice"]


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        threading.Event().wait(0.002)


class Pty:
    """The far end of a real serial line: a pseudo-terminal, whose other end pyserial opens by its path."""

    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)

    def deliver(self, data: bytes) -> None:
        os.write(self._ours, data)

    def sent(self) -> bytes:
        try:
            return os.read(self._ours, 1 << 20)
        except BlockingIOError:
            return b""

    def unplug(self) -> None:
        for end in (self._ours, self._theirs):
            with contextlib.suppress(OSError):
                os.close(end)


class RunningDevice:
    """A simulated device on a pseudo-terminal, in a thread of its own, which is worked by `press`."""

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device
        self._port = SimulatedPort(device)
        self.path = self._port.path
        self._wake_here, self._wake_there = os.pipe()
        self._is_ending = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_ending:
            ready = self._port.step(DEADLINE_S, self._wake_here)
            if ready:
                os.read(self._wake_here, 64)

    def press(self, keys: str) -> None:
        for key in keys:
            self.device.press(key, time.monotonic_ns())
        os.write(self._wake_there, b"x")

    def unplug(self) -> None:
        """Harmless when it is done twice."""
        if self._is_ending:
            return
        self._is_ending = True
        os.write(self._wake_there, b"x")
        self._thread.join()
        self._port.close()
        os.close(self._wake_here)
        os.close(self._wake_there)


@pytest.fixture
def plug_in() -> Iterator[PlugIn]:
    running: list[RunningDevice] = []

    def make(device: SimulatedDevice) -> RunningDevice:
        running.append(RunningDevice(device))
        return running[-1]

    yield make
    for device in running:
        device.unplug()
