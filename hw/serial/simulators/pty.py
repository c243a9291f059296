"""A simulated device on a pseudo-terminal: a port that pyserial, or any other program, opens by its path."""

import contextlib
import os
import select
import termios
import time
import tty

from hw.serial.simulators.ports import SimulatedDevice

READ_BYTES = 4096


class SimulatedPort:
    """`path` can be opened, closed and opened again for as long as this lives. Also a context manager."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device
        self._ours, theirs = os.openpty()
        # Our own hold on the other end: without it, reading ours fails whenever no program has the port open.
        self._theirs = theirs
        tty.setraw(theirs, termios.TCSANOW)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(theirs)

    def __enter__(self) -> "SimulatedPort":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._ours

    def close(self) -> None:
        """The device is unplugged: whoever has the port open is told."""
        for end in (self._ours, self._theirs):
            with contextlib.suppress(OSError):
                os.close(end)

    def step(self, longest_s: float, *also: int) -> list[int]:
        """One turn of the device: waits for its timer, its line, or `also` (descriptors), at most `longest_s`.

        Returns which of `also` can be read.
        """
        until_timer_s = (self._device.timer_ns - time.monotonic_ns()) / 1e9
        ready, _, _ = select.select([self._ours, *also], [], [], max(0.0, min(longest_s, until_timer_s)))
        if self._ours in ready:
            with contextlib.suppress(BlockingIOError):
                self._device.receive(os.read(self._ours, READ_BYTES), time.monotonic_ns())
        self._device.tick(time.monotonic_ns())
        self.flush()
        return [descriptor for descriptor in ready if descriptor != self._ours]

    def flush(self) -> None:
        """What the device says goes out; lost when the line takes nothing, as on a wire that nobody listens to."""
        output = self._device.take_output()
        if output:
            with contextlib.suppress(BlockingIOError):
                os.write(self._ours, output)
