"""Joins a serial device's protocol to its port in the supervisor's loop: reads, writes, timers, and opens again.

Nothing here can hold the loop: the port's descriptor does not block, and opening and closing it, which may take seconds
where a USB device is dying, happens in a thread.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from hw.errors import DeviceError
from hw.serial.ports import BytePort, SerialDevice, SerialEvent

logger = logging.getLogger(__name__)

REOPEN_AFTER_S = 0.5  # a port that is not there: it may be plugged in at any time
LONGEST_REOPEN_AFTER_S = 10.0  # one that is lost again and again: it must not keep the box busy
SHORT_LIFE_S = 5.0
MOST_DOUBLINGS = 5
MOST_BYTES_A_SECOND = 64 * 1024  # five times what the fastest line carries; USB may bring a hundred times that
MOST_UNWRITTEN_BYTES = 4096
LONGEST_WAIT_S = 1.0


class SerialLine:
    """One device. `tell` gets each of its events; `note_event` what a person reads: (what, cause)."""

    def __init__(
        self,
        name: str,
        port: BytePort,
        device: SerialDevice,
        *,
        tell: Callable[[SerialEvent], None],
        note_event: Callable[[str, str], None],
    ) -> None:
        self.name = name
        self._port = port
        self._device = device
        self._tell = tell
        self._note_event = note_event
        self._wake = asyncio.Event()
        self._unwritten = b""
        self._failure: Exception | None = None
        self._short_lives = 0
        self._second_ns = 0
        self._bytes_this_second = 0
        self.is_open = False
        self.problem = "not opened yet"

    def wake(self) -> None:
        """The device has been told something that may have output or events."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled, whatever happens to the port."""
        try:
            while True:
                try:
                    await asyncio.to_thread(self._port.open)
                    await self._serve()
                except DeviceError as error:
                    self._note_problem(str(error))
                except Exception:  # a fault of ours in one device's protocol must not cost the others
                    logger.exception("%s: internal fault", self.name)
                    self._note_problem("internal fault, see the log")
                await asyncio.to_thread(self._port.close)
                await asyncio.sleep(min(REOPEN_AFTER_S * 2**self._short_lives, LONGEST_REOPEN_AFTER_S))
        finally:
            self._port.close()

    def _note_problem(self, problem: str) -> None:
        """Once, not at each of a thousand tries."""
        if problem != self.problem or self.is_open:
            self._note_event(f"{self.name} not connected", problem)
        self.is_open, self.problem = False, problem

    async def _serve(self) -> None:
        """Until the port is lost, which raises DeviceError."""
        loop, descriptor = asyncio.get_running_loop(), self._port.fileno()
        self.is_open, self.problem, self._failure, self._unwritten = True, "", None, b""
        self._note_event(f"{self.name} connected", "")
        opened_ns = time.monotonic_ns()
        self._device.note_open(opened_ns)
        loop.add_reader(descriptor, self._read)
        try:
            while self._failure is None:
                self._device.tick(time.monotonic_ns())
                self._write()
                self._tell_events()
                await self._wait()
            raise self._failure
        finally:
            loop.remove_reader(descriptor)
            loop.remove_writer(descriptor)
            is_short = time.monotonic_ns() - opened_ns < SHORT_LIFE_S * 1e9
            self._short_lives = min(self._short_lives + 1, MOST_DOUBLINGS) if is_short else 0
            self._device.note_closed(time.monotonic_ns())
            self._tell_events()

    async def _wait(self) -> None:
        """For bytes, for room to write, for the device's timer, or for somebody who has told the device something.

        Not by asyncio.wait_for, which before Python 3.12 loses a cancellation that comes together with a wake.
        """
        until_timer_s = (self._device.timer_ns - time.monotonic_ns()) / 1e9
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(until_timer_s, LONGEST_WAIT_S))):
                await self._wake.wait()
        self._wake.clear()

    def _read(self) -> None:
        try:
            data, now_ns = self._port.read(), time.monotonic_ns()
            self._check_rate(len(data), now_ns)
            self._device.receive(data, now_ns)
        except Exception as error:  # told, and the port opened anew, by `run`
            self._failure = error
            asyncio.get_running_loop().remove_reader(self._port.fileno())
        self._wake.set()

    def _check_rate(self, count: int, now_ns: int) -> None:
        """Raises DeviceError for a device that floods: reading all of it would be the supervisor's only work."""
        if now_ns - self._second_ns >= 1_000_000_000:
            self._second_ns, self._bytes_this_second = now_ns, 0
        self._bytes_this_second += count
        if self._bytes_this_second > MOST_BYTES_A_SECOND:
            raise DeviceError("it floods the line")

    def _write(self) -> None:
        self._unwritten += self._device.take_output()
        if not self._unwritten:
            return
        loop, descriptor = asyncio.get_running_loop(), self._port.fileno()
        self._unwritten = self._unwritten[self._port.write(self._unwritten) :]
        if len(self._unwritten) > MOST_UNWRITTEN_BYTES:
            raise DeviceError("it takes no data")
        if self._unwritten:
            loop.add_writer(descriptor, self._wake.set)
        else:
            loop.remove_writer(descriptor)

    def _tell_events(self) -> None:
        for event in self._device.take_events():
            self._tell(event)
