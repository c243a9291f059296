"""Which source is sent: the operator's order, and the expert's wish, which the operator grants.

    expert: `cathlink source 3` --- WISH 3 ---> panel asks the operator: button, or `cathlink source accept`
    expert's status            <--- answer ---  switched / refused / nobody answered / why it failed

One wish waits at a time, a newer one replaces it; nothing is ever switched by the expert alone. No clock, no socket.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from daemon.config import Role
from daemon.errors import UsageError
from hw.errors import DeviceError
from hw.serial.ports import ButtonPressed, InputChanged, PanelEvent, SelectFailed

WISH_LIMIT_NS = 30_000_000_000  # for the operator to answer
SWITCH_LIMIT_NS = 10_000_000_000  # for the switcher to have answered
ANSWER_LIMIT_NS = 60_000_000_000  # for the expert to wait

_PAYLOAD = struct.Struct("!BB")


class Word(IntEnum):
    """The first byte of a message of kind SOURCE; the second is the input's number."""

    WISH = 1  # expert to operator
    SWITCHED = 2  # the others are answers
    REFUSED = 3
    NOBODY_ANSWERED = 4
    FAILED = 5


_ANSWERS = {
    Word.SWITCHED: "switched",
    Word.REFUSED: "the operator refuses",
    Word.NOBODY_ANSWERED: "the operator did not answer",
    Word.FAILED: "the switcher did not do it",
}


def pack(word: Word, number: int) -> bytes:
    return _PAYLOAD.pack(word, number)


def parse(payload: bytes) -> tuple[Word, int] | None:
    """None: nothing that we know."""
    try:
        word, number = _PAYLOAD.unpack(payload)
        return (Word(word), number) if number else None
    except (struct.error, ValueError):
        return None


class SourceSwitch(Protocol):
    """What is asked of the serial devices."""

    @property
    def source(self) -> int | None: ...

    def switch_source(self, number: int) -> None:
        """Raises DeviceError."""
        ...


class SourceDesk:
    """`tell_peer` sends a payload of kind SOURCE; `note_event` gets (what, cause)."""

    def __init__(
        self,
        role: Role,
        switch: SourceSwitch,
        *,
        tell_peer: Callable[[bytes], None],
        note_event: Callable[[str, str], None],
    ) -> None:
        self._role = role
        self._switch = switch
        self._tell_peer = tell_peer
        self._note_event = note_event
        self._asked: int | None = None  # at the operator: what the expert wishes
        self._granted: int | None = None  # ... and what the switcher has been told since
        self._wished: int | None = None  # at the expert: what was asked for
        self._until_ns = 0
        self.words = ""

    @property
    def question(self) -> str:
        """For the panel; empty: none."""
        return f"EXPERT: INPUT {self._asked}?" if self._asked is not None else ""

    def obey(self, words: str, now_ns: int) -> None:
        """The status socket's "source 3", "source accept", "source refuse". Raises UsageError, DeviceError."""
        if words in ("accept", "refuse"):
            if self._asked is None:
                raise UsageError("no source is asked for")
            self._answer_asked(is_granted=words == "accept", now_ns=now_ns)
            return
        if not (words.isascii() and words.isdecimal() and 1 <= int(words) <= 99):
            raise UsageError(f"source {words!r} is unknown", "an input's number from 1 to 99, 'accept' or 'refuse'")
        number = int(words)
        if self._role is Role.SENDER:
            self._switch.switch_source(number)
            return
        self._wished, self._until_ns = number, now_ns + ANSWER_LIMIT_NS
        self._say(number, "the operator is asked")
        self._tell_peer(pack(Word.WISH, number))

    def hear(self, payload: bytes, now_ns: int) -> None:
        """A message of kind SOURCE."""
        match parse(payload):
            case (Word.WISH, number) if self._role is Role.SENDER:
                self._asked, self._until_ns = number, now_ns + WISH_LIMIT_NS
                self._say(number, "the expert asks for it")
            case (Word() as word, number) if self._role is Role.RECEIVER and word in _ANSWERS:
                if number == self._wished:
                    self._wished = None
                    self._say(number, _ANSWERS[word])

    def press(self, event: PanelEvent, now_ns: int) -> bool:
        """The panel's button grants what is asked for. False: nothing is, the button means something else."""
        if self._asked is None or not isinstance(event, ButtonPressed):
            return False
        self._answer_asked(is_granted=True, now_ns=now_ns)
        return True

    def note_switched(self, event: InputChanged | SelectFailed) -> None:
        """What the switcher did, by whoever's wish."""
        if event.number != self._granted:
            return
        self._granted = None
        self._reply(Word.SWITCHED if isinstance(event, InputChanged) else Word.FAILED, event.number)

    def tick(self, now_ns: int) -> None:
        """Time has passed."""
        if now_ns < self._until_ns:
            return
        if self._asked is not None:
            number, self._asked = self._asked, None
            self._reply(Word.NOBODY_ANSWERED, number)
        if self._granted is not None:
            number, self._granted = self._granted, None
            self._reply(Word.FAILED, number)
        if self._wished is not None:
            number, self._wished = self._wished, None
            self._say(number, "no answer came")

    def _answer_asked(self, *, is_granted: bool, now_ns: int) -> None:
        number, self._asked = self._asked, None
        assert number is not None
        if not is_granted:
            self._reply(Word.REFUSED, number)
        elif self._switch.source == number:
            self._reply(Word.SWITCHED, number)
        else:
            self._granted, self._until_ns = number, now_ns + SWITCH_LIMIT_NS
            try:
                self._switch.switch_source(number)
            except DeviceError:
                self._granted = None
                self._reply(Word.FAILED, number)

    def _reply(self, word: Word, number: int) -> None:
        self._tell_peer(pack(word, number))
        self._say(number, _ANSWERS[word])

    def _say(self, number: int, words: str) -> None:
        self.words = f"input {number}: {words}"
        self._note_event(f"source wish, input {number}", words)
