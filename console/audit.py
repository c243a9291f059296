"""Checks a device's audit log: JSON lines, each with the SHA-256 of the line before (docs/mqtt.md).

A changed or missing line breaks the chain. An end that was cut off shows by the head that the device told in its
newest signed answer.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from console.errors import ConsoleError, UsageError

FIRST_PREVIOUS = "0" * 64


class _Line(msgspec.Struct, frozen=True):
    n: int
    previous: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last line: its number, and its SHA-256 in hex. `lines`: how many were checked."""

    n: int
    hash: str
    lines: int


def verify(paths: Iterable[Path], expected_head: str | None) -> Head:
    """The oldest file first. Raises ConsoleError that names the first line that is not as it was written."""
    head = Head(0, FIRST_PREVIOUS, 0)
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
        for number, text in enumerate(content.splitlines(), 1):
            head = _follow(head, text, f"{path}:{number}")
    if expected_head is not None and head.hash != expected_head.lower():
        raise ConsoleError(f"the log ends at line {head.n} with {head.hash}", "lines after it were taken away")
    return head


def _follow(head: Head, text: bytes, where: str) -> Head:
    try:
        line = msgspec.json.decode(text, type=_Line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ConsoleError(f"{where}: not a line of an audit log ({error})") from error
    is_first = head.lines == 0
    if is_first and line.n == 1 and line.previous != FIRST_PREVIOUS:
        raise ConsoleError(f"{where}: line 1 names one before it", "the log was changed")
    if not is_first and (line.n, line.previous) != (head.n + 1, head.hash):
        raise ConsoleError(f"{where}: does not follow the line before it", "lines were changed or taken away")
    return Head(line.n, hashlib.sha256(text).hexdigest(), head.lines + 1)
