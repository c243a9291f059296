"""The kinds of reliable small messages: which process reads them, how long one is worth sending, whether each counts.

To add a kind, add a line to `MessageKind` and one to `RULES`, and its payload to docs/wire-format.md.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAX_PAYLOAD_BYTES: Final = 1024


class MessageKind(IntEnum):
    """The number on the wire."""

    POINTER = 1  # where the finger is now
    BOARD = 2  # strokes, freezing, and what keeps two boards equal
    SOURCE = 4  # the expert's wish for another source, and the operator's answer


class Reader(IntEnum):
    """The process that a kind is for, at either end."""

    VIDEO = 1
    SUPERVISOR = 2


@dataclass(frozen=True, slots=True)
class KindRules:
    reader: Reader
    lifetime_ns: int  # after which it is not sent again
    only_newest: bool = False  # a newer one replaces it; an older one that comes late is dropped


RULES: Final = {
    MessageKind.POINTER: KindRules(Reader.VIDEO, 300_000_000, only_newest=True),
    MessageKind.BOARD: KindRules(Reader.VIDEO, 5_000_000_000),
    MessageKind.SOURCE: KindRules(Reader.SUPERVISOR, 5_000_000_000),
}


def reader_of(kind: int) -> Reader | None:
    """None: this build does not know the kind."""
    try:
        return RULES[MessageKind(kind)].reader
    except ValueError:
        return None
