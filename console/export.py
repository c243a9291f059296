"""The history as lines of JSON on standard output."""

import sys
import time

import msgspec

from console.config import Config
from console.errors import UsageError
from console.history import DAY_S, History


def export(config: Config, what: str, device: str | None, days: int, limit: int) -> None:
    """Raises ConsoleError."""
    if what == "minutes" and device is None:
        raise UsageError("minutes are exported by device", "add --device SITE/DEVICE")
    history = History(config.history.url, config.history.keep_days)
    history.open()
    try:
        match what:
            case "minutes":
                rows = history.minutes(device or "", int(time.time()) - days * DAY_S)[-limit:]
            case "cases":
                rows = history.cases(device, limit)
            case "commands":
                rows = history.commands(device, limit)
            case _:
                rows = history.events(device, limit)
    finally:
        history.close()
    for row in rows:
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
