"""The local status socket: what `cathlink status` asks, and where commands come in ("voice mute").

One line of JSON for each line it is sent: the status, or why a command could not be followed.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daemon.errors import LinkError
from daemon.health import describe_health
from daemon.serial_devices import describe_serial
from daemon.voice.desk import describe_voice
from hw.errors import CathlinkError
from hw.serial.ports import XrayState

Snapshot = dict[str, object]
Obey = Callable[[str], None]
WATCH_EVERY_S = 0.5


class StatusServer:
    """Answers on a Unix socket that only this user and group can open.

    `commands` are told the rest of a line that begins with their name; one may raise CathlinkError.
    """

    def __init__(self, path: str, snapshot: Callable[[], Snapshot], commands: Mapping[str, Obey] | None = None) -> None:
        self._path = Path(path)
        self._snapshot = snapshot
        self._commands = commands or {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises LinkError when another daemon answers at this path, or the path cannot be made."""
        if _somebody_answers(self._path):
            raise LinkError(f"{self._path}: another cathlink runs with this configuration", "stop it first")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, path=self._path)
            os.chmod(self._path, 0o660)
        except OSError as error:
            raise LinkError(
                f"status.socket: {self._path} cannot be made ({error.strerror})", "choose a writable place"
            ) from error

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line.decode(errors="replace"))).encode() + b"\n")
                await writer.drain()
        writer.close()

    def _answer(self, line: str) -> Snapshot:
        name, _, rest = line.strip().partition(" ")
        obey = self._commands.get(name)
        if obey is not None:
            try:
                obey(rest)
            except CathlinkError as error:
                return {"error": str(error)}
        return self._snapshot()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)


def _somebody_answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


class StatusClient:
    """Asks a running daemon. Raises CathlinkError when none runs."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(2.0)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise CathlinkError(
                f"no cathlink answers at {path} ({error.strerror})", "start it with 'cathlink run --config FILE'"
            ) from error
        self._file = self._socket.makefile("rwb")

    def ask(self, line: str = "status") -> dict[str, Any]:
        """The status; another line is a command, after which it is the same. Raises CathlinkError."""
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            answer: dict[str, Any] = json.loads(self._file.readline())
        except (OSError, ValueError) as error:
            raise CathlinkError(f"the daemon stopped answering ({error})") from error
        if "error" in answer:
            raise CathlinkError(answer["error"])
        return answer

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a question that the daemon did not live to read
            self._file.close()
        self._socket.close()


def print_status(path: str, *, as_json: bool, watch: bool) -> None:
    """The command `cathlink status`."""
    client = StatusClient(path)
    try:
        while True:
            answer = client.ask()
            text = json.dumps(answer) if as_json else describe(answer)
            if watch and not as_json and sys.stdout.isatty():
                text = "\033[H\033[2J" + text
            print(text, flush=True)
            if not watch:
                return
            time.sleep(WATCH_EVERY_S)
    finally:
        client.close()


def describe(answer: dict[str, Any]) -> str:
    """The status for a person, a dozen lines at most."""
    picture = answer["picture"]
    lines = [f"{answer['role']}: {picture['state']}" + (f" - {picture['cause']}" if picture["cause"] else "")]
    if picture["age_ms"] is not None:
        lines.append(f"  age of the picture  {picture['age_ms']} ms")
    if picture["latency_ms"] is not None:
        lines.append(f"  glass to glass      {picture['latency_ms']} ms ±{picture['latency_bound_ms']}")
    if answer.get("voice"):
        lines += describe_voice(answer["voice"])
    if answer["xray"] != XrayState.NOT_WATCHED.words:
        lines.append(f"  X-ray               {answer['xray']}")
    if answer.get("source_wish"):
        lines.append(f"  source wish         {answer['source_wish']}")
    for name, worker in answer["workers"].items():
        lines.append(f"  {name}: pid {worker['pid']}, restarts {worker['restarts']}")
        lines += [f"    {what:<28}{words}" for what, words in worker["words"].items() if words]
        for figure, value in worker["figures"].items():
            lines.append(f"    {figure:<28}{value:g}")
    if answer.get("serial"):
        lines += describe_serial(answer["serial"])
    if answer.get("health"):
        lines += describe_health(answer["health"])
    return "\n".join(lines)
