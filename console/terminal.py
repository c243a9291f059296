"""The fleet in a terminal: a list, a live table, one device, and a command with its answer."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console as Screen
from rich.live import Live
from rich.table import Table

from console.broker import Broker
from console.config import Config
from console.errors import ConsoleError, SignatureError, UsageError
from console.fleet import Device, Fleet, Presence
from console.keys import Devices, OperatorKeyFile, compose, joined

CONNECT_LIMIT_S = 10.0
QUIET_S = 0.4  # retained messages come in one go: when nothing came for so long, all have come
COLLECT_LIMIT_S = 10.0
FIRST_HEALTH_S = 5.5
REDRAW_S = 0.5
COLOURS = {"good": "green", "idle": "dim", "notice": "yellow", "alarm": "bold red"}


class _Feed:
    """The fleet as the broker tells it, and the answers of devices."""

    def __init__(self, config: Config) -> None:
        self.fleet = Fleet()
        self.broker = Broker(config.broker, self._take)
        self.replies: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(1000)
        self._heard = time.monotonic()

    def _take(self, topic: str, payload: bytes) -> None:
        self._heard = time.monotonic()
        said = self.fleet.take(topic, payload, time.monotonic_ns())
        if said is not None and isinstance(said.message, bytes):
            with contextlib.suppress(asyncio.QueueFull):
                self.replies.put_nowait((said.device.key, said.message))

    async def collect(self) -> None:
        """Until all that is retained has come."""
        began = time.monotonic()
        while time.monotonic() - max(began, self._heard) < QUIET_S and time.monotonic() - began < COLLECT_LIMIT_S:
            await asyncio.sleep(QUIET_S / 4)


@contextlib.asynccontextmanager
async def _connected(config: Config) -> AsyncIterator[_Feed]:
    feed = _Feed(config)
    task = asyncio.create_task(feed.broker.run())
    try:
        try:
            await asyncio.wait_for(feed.broker.connected.wait(), CONNECT_LIMIT_S)
        except TimeoutError:
            raise ConsoleError(
                f"no connection to the broker ({feed.broker.problem})", "check [broker] in the configuration"
            ) from None
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def list_fleet(config: Config, *, as_json: bool) -> int:
    async with _connected(config) as feed:
        await feed.collect()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_all_have_health(feed.fleet), FIRST_HEALTH_S)
    if as_json:
        for device in feed.fleet:
            if device.glance:
                print(msgspec.json.encode(device.glance._asdict()).decode())
        return 0
    Screen().print(_table(feed.fleet))
    return 0


async def _all_have_health(fleet: Fleet) -> None:
    while any(device.presence is Presence.ONLINE and device.health is None for device in fleet):
        await asyncio.sleep(0.1)


async def watch_fleet(config: Config) -> int:
    async with _connected(config) as feed:
        with Live(_table(feed.fleet), refresh_per_second=1 / REDRAW_S, screen=sys.stdout.isatty()) as live:
            while True:
                await asyncio.sleep(REDRAW_S)
                feed.fleet.note_time(time.monotonic_ns())
                live.update(_table(feed.fleet))


def _table(fleet: Fleet) -> Table:
    table = Table("device", "role", "state", "latency", "loss", "case", "cause", box=None, header_style="dim")
    order = ["alarm", "notice", "good", "idle"]
    for device in sorted(fleet, key=lambda d: (order.index(d.glance.alert) if d.glance else 9, d.key)):
        if device.glance is None:
            continue
        glance, health = device.glance, device.health if device.presence is Presence.ONLINE else None
        state = glance.picture if health else glance.presence
        table.add_row(
            device.key,
            glance.role,
            f"[{COLOURS[glance.alert]}]{state}[/]",
            "" if health is None or health.picture.latency_ms is None else f"{health.picture.latency_ms} ms",
            "" if health is None else f"{health.path.get('loss_percent', 0.0):g} %",
            "case" if glance.in_case else "",
            glance.cause,
        )
    return table


async def show_device(config: Config, name: str, *, as_json: bool) -> int:
    async with _connected(config) as feed:
        await feed.collect()
        device = _find(feed.fleet, name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_all_have_health(feed.fleet), FIRST_HEALTH_S)
    names = ("key", "presence", "state", "health", "reported")
    text = msgspec.json.encode({name: getattr(device, name) for name in names})
    print(text.decode() if as_json else msgspec.json.format(text, indent=2).decode())
    return 0


def _find(fleet: Fleet, name: str) -> Device:
    found = [device for device in fleet if name in (device.key, device.name)]
    if not found:
        raise ConsoleError(f"{name}: no such device has said anything", "see 'cathlink-console list'")
    if len(found) > 1:
        raise UsageError(f"{name}: at {len(found)} sites", "write it as SITE/DEVICE")
    return found[0]


async def send_command(
    config: Config,
    name: str,
    command: str,
    arguments: dict[str, str | int | float | bool],
    keys: list[OperatorKeyFile],
    *,
    wait_s: float,
    as_json: bool,
) -> int:
    """0 when the device has done it, 1 when it refused or failed. Raises ConsoleError when it does not answer."""
    devices = Devices(Path(config.broker.authority).read_bytes())
    async with _connected(config) as feed:
        await feed.collect()
        device = _find(feed.fleet, name)
        if device.state is None or device.state.challenge is None or device.reported is None:
            raise ConsoleError(f"{device.key} is not online", "see 'cathlink-console list'")
        roles = {operator.key_id: operator.role for operator in device.reported.operators}
        unknown = [key.key_id for key in keys if key.key_id not in roles]
        if unknown:
            raise UsageError(f"{device.key} does not know key {unknown[0]}", "add it to the device's operators.toml")
        now = datetime.now(UTC)
        message = compose(
            device.name, command, arguments, role=roles[keys[0].key_id], challenge=device.state.challenge, now=now
        )
        signed = msgspec.json.encode(joined([key.sign(message) for key in keys]))
        await feed.broker.send_command(device.site, device.name, command, message.nonce, signed)
        try:
            return await asyncio.wait_for(_answer(feed, device, devices, message.nonce, as_json), wait_s)
        except TimeoutError:
            raise ConsoleError(f"{device.key} has not answered within {wait_s:g} s") from None


async def _answer(feed: _Feed, device: Device, devices: Devices, nonce: str, as_json: bool) -> int:
    """Prints each answer to `nonce` up to the last one."""
    while True:
        key, reply = await feed.replies.get()
        if key != device.key or device.reported is None:
            continue
        try:
            answer = devices.acknowledgement(reply, device.name, device.reported.certificate, datetime.now(UTC))
        except SignatureError as error:
            print(f"an answer that is not {device.key}'s: {error}", file=sys.stderr)
            continue
        if answer.nonce != nonce:
            continue
        if as_json:
            print(msgspec.json.encode(answer).decode(), flush=True)
        else:
            result = msgspec.json.format(msgspec.json.encode(answer.result), indent=2).decode() if answer.result else ""
            print(f"{answer.outcome}{': ' + answer.reason if answer.reason else ''}", result, sep="\n", flush=True)
        if answer.outcome != "accepted":
            return 0 if answer.outcome == "done" else 1
