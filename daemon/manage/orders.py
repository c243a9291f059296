"""The commands: who may give them, and what each does. They have passed the gate when they come here."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from daemon.errors import ManageError
from daemon.manage.audit import Audit
from daemon.manage.box import Box
from daemon.manage.gate import Rule
from daemon.manage.schema import Command, Role
from daemon.manage.settings_desk import SettingsDesk
from hw.errors import DeviceError

Result = dict[str, Any]
LONGEST_IDENTIFY_S = 120
LINES_LIMIT = 100
LINES_BYTES = 20_000
REBOOT_UNIT = Path("/etc/systemd/system/cathlink-reboot.path")
REBOOT_WISH = Path("/run/cathlink/reboot")  # the unit's PathExists

RULES = {
    "status": Rule(Role.OPERATOR),
    "identify": Rule(Role.OPERATOR),
    "selftest": Rule(Role.OPERATOR),
    "source": Rule(Role.ENGINEER, disruptive=True),
    "logs": Rule(Role.ENGINEER),
    "restart": Rule(Role.ENGINEER, disruptive=True),
    "reboot": Rule(Role.ENGINEER, disruptive=True),
    "set": Rule(Role.ENGINEER, disruptive=True),
}
TAKES_A_WHILE = ("selftest", "set")


class Orders:
    """`execute` one command. What it raises, a ManageError, is the reason of `failed`."""

    def __init__(self, box: Box, audit: Audit, settings: SettingsDesk) -> None:
        self._box = box
        self._audit = audit
        self._settings = settings
        self._by_name: dict[str, Callable[[dict[str, Any]], Awaitable[Result]]] = {
            "status": self._status,
            "identify": self._identify,
            "selftest": self._selftest,
            "source": self._source,
            "logs": self._logs,
            "restart": self._restart,
            "reboot": self._reboot,
            "set": self._set,
        }

    async def execute(self, command: Command) -> Result:
        arguments = dict(command.arguments)
        try:
            return await self._by_name[command.command](arguments)
        except DeviceError as error:
            raise ManageError(str(error)) from error

    async def _status(self, arguments: dict[str, Any]) -> Result:
        _none_left(arguments)
        return {name: part for name, part in self._box.snapshot().items() if name not in ("events", "pid")}

    async def _identify(self, arguments: dict[str, Any]) -> Result:
        seconds = _whole(arguments, "seconds", 1, LONGEST_IDENTIFY_S, 10)
        _none_left(arguments)
        self._box.identify(seconds)
        return {"seconds": seconds}

    async def _selftest(self, arguments: dict[str, Any]) -> Result:
        _none_left(arguments)
        return await self._box.self_test()

    async def _source(self, arguments: dict[str, Any]) -> Result:
        number = _whole(arguments, "input", 1, 64)
        _none_left(arguments)
        self._box.switch_source(number)
        return {"input": number}

    async def _logs(self, arguments: dict[str, Any]) -> Result:
        what = arguments.pop("what", "events")
        count = _whole(arguments, "lines", 1, LINES_LIMIT, 50)
        _none_left(arguments)
        if what == "audit":
            lines = self._audit.last_lines(count)
        elif what == "events":
            lines = [f"{event.at_ns} {event.what}: {event.cause}" for event in list(self._box.events)[-count:]]
        else:
            raise ManageError(f"what: {what!r}", "'events' or 'audit'")
        while sum(map(len, lines)) > LINES_BYTES:
            lines.pop(0)
        return {"what": what, "lines": lines}

    async def _restart(self, arguments: dict[str, Any]) -> Result:
        what = str(arguments.pop("what", ""))
        _none_left(arguments)
        if what == "daemon":
            self._box.restart_program()
            return {"what": what}
        try:
            self._box.restart_worker(what)
        except KeyError:
            raise ManageError(f"what: {what!r}", "'daemon' or the name of a worker, as in restarts of health") from None
        return {"what": what}

    async def _reboot(self, arguments: dict[str, Any]) -> Result:
        _none_left(arguments)
        if not REBOOT_UNIT.exists():
            raise ManageError("nothing on this box reboots it for cathlink", f"install {REBOOT_UNIT.name}")
        try:
            REBOOT_WISH.touch()
        except OSError as error:
            raise ManageError(f"{REBOOT_WISH}: {error.strerror}") from error
        return {}

    async def _set(self, arguments: dict[str, Any]) -> Result:
        if not arguments:
            raise ManageError("nothing to set", "name a key and its value")
        settings = {**self._settings.settings, **arguments}
        await self._settings.try_out(settings, self._settings.revision)
        return {"settings": settings}


def _whole(arguments: dict[str, Any], name: str, least: int, most: int, default: int | None = None) -> int:
    value = arguments.pop(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ManageError(f"{name}: {value!r}", f"a whole number from {least} to {most}")
    return value


def _none_left(arguments: dict[str, Any]) -> None:
    if arguments:
        raise ManageError(f"{next(iter(arguments))}: no such argument")
