"""What a console does with a message: the fleet takes it, the history keeps it, pages are told of it."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from console.accounts import Role
from console.broker import Broker
from console.config import Config
from console.errors import ConsoleError, SignatureError, UsageError
from console.fleet import Device, Fleet
from console.history import CASES, COMMANDS, EVENTS, MINUTES, History
from console.keys import Devices
from console.messages import Acknowledgement, Command, Event, Health, Signed, decode
from console.minutes import CaseLog, Minutes

logger = logging.getLogger(__name__)

TICK_S = 0.25  # how often pages are told at most
ANSWERS_KEPT = 500
FORGET_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command, with the serial number by which pages ask for newer ones."""

    serial: int
    device: str
    acknowledgement: Acknowledgement
    problem: str  # why it is not to be believed; empty: signed by the device


class Console:
    """All of a console but its pages. Belongs to one event loop."""

    def __init__(self, config: Config) -> None:
        """Raises ConsoleError."""
        self.fleet = Fleet()
        self.history = History(config.history.url, config.history.keep_days)
        self.broker = Broker(config.broker, self._take)
        try:
            self._devices = Devices(Path(config.broker.authority).read_bytes())
        except OSError as error:
            raise UsageError(f"broker.authority: cannot be read ({error.strerror})") from error
        self.answers: deque[Answer] = deque(maxlen=ANSWERS_KEPT)
        self.received = 0
        self.answers_count = 0  # ever: the serial number of the last
        self._minutes = Minutes()
        self._cases = CaseLog()
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Raises ConsoleError when the history cannot be used."""
        await asyncio.to_thread(self.history.open)
        self._cases = CaseLog(await asyncio.to_thread(self.history.cases_under_way))
        tasks = [asyncio.create_task(work()) for work in (self.broker.run, self._tick, self._forget)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self.history.close)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.fleet.note_time(time.monotonic_ns())
            news, self._news = self._news, asyncio.Event()
            news.set()

    async def _forget(self) -> None:
        while True:
            await asyncio.to_thread(self.history.forget_old, int(time.time()))
            await asyncio.sleep(FORGET_EVERY_S)

    async def wait_for_news(self) -> None:
        """Until the next tick, a quarter of a second at most."""
        await self._news.wait()

    # --- messages in ---

    def _take(self, topic: str, payload: bytes) -> None:
        self.received += 1
        said = self.fleet.take(topic, payload, time.monotonic_ns())
        if said is None:
            return
        device, now_s = said.device, int(time.time())
        match said.message:
            case Health() as health:
                if row := self._minutes.take(device.key, health, now_s):
                    self.history.put(MINUTES, row)
                if row := self._cases.take(device.key, health, now_s):
                    self.history.put(CASES, row)
            case Event() as event:
                self.history.put(EVENTS, _event_row(device.key, said.detail, event, now_s))
            case bytes() as reply:
                self._take_reply(device, reply, now_s)

    def _take_reply(self, device: Device, reply: bytes, now_s: int) -> None:
        problem = ""
        try:
            certificate = device.reported.certificate if device.reported else ""
            answer = self._devices.acknowledgement(reply, device.name, certificate, datetime.now(UTC))
        except SignatureError as error:
            # It is shown, as what it is: somebody answers in the device's name.
            logger.warning("%s: answer not believed: %s", device.key, error)
            problem, answer = str(error), Acknowledgement(device.name, "", "", "", "", "")
        except ConsoleError as error:
            logger.warning("%s: answer not understood: %s", device.key, error)
            return
        self.answers_count += 1
        self.answers.append(Answer(self.answers_count, device.key, answer, problem))
        row = _command_row(device.key, answer.nonce, answer.outcome, answer.command, "", now_s)
        self.history.put(COMMANDS, {**row, "reason": problem or answer.reason, "is_authentic": not problem})

    # --- commands out ---

    async def send(self, device: Device, payload: str, who: str, role: Role) -> Command:
        """Pass on what an operator has signed. Raises ConsoleError when it cannot be what they meant.

        The checks here spare a detour; the device makes them all again, and it alone decides.
        """
        command = decode(decode(payload, Signed).signed, Command)
        if command.device != device.name:
            raise UsageError(f"signed for {command.device}, sent to {device.name}")
        if device.state is None or command.challenge != device.state.challenge:
            raise UsageError("signed for another session of the device", "load the page again and repeat it")
        if not role.covers(Role.OPERATOR):
            raise UsageError("your role may look, and not command")
        await self.broker.send_command(device.site, device.name, command.command, command.nonce, payload.encode())
        row = _command_row(device.key, command.nonce, "sent", command.command, who, int(time.time()))
        arguments = msgspec.json.encode(command.arguments).decode() if command.arguments else ""
        self.history.put(COMMANDS, {**row, "reason": arguments, "is_authentic": True})
        return command


def _event_row(device: str, kind: str, event: Event, now_s: int) -> dict[str, object]:
    return {
        "device": device,
        "log": event.log,
        "id": event.id,
        "at": event.at.utc,
        "kind": kind,
        "what": event.what,
        "cause": event.cause,
        "received_s": now_s,
    }


def _command_row(device: str, nonce: str, outcome: str, command: str, who: str, now_s: int) -> dict[str, object]:
    return {"device": device, "nonce": nonce, "outcome": outcome, "command": command, "who": who, "at_s": now_s}
