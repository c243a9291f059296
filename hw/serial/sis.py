"""A video switcher that speaks Extron's Simple Instruction Set: 9600 baud, commands of a few characters, lines back.

From the user guides of the SW HDMI series ("Command and response table for SIS commands": `n!` -> `Inn All`, Esc LS CR
-> `Sig n n*n`), the SW DVI A (`0LS`), the SW AV and SW RGBHV series (`0S`, "Switcher-initiated messages", error
responses), the MPS 409 (`n!` -> `Chnn`) and the IN1508 (`I` -> `Chnn Pchn Stdn`). One command is on its way at a time.

A switcher keeps the beginning of a command for 10 s. A digit that was left there by a line cut in mid-command would
change the next selection into another one ("1", then "2!", is input 12): so after each opening, and after each
command without an answer, the harmless question `I` goes first and takes what is there with it.
"""

import re
from dataclasses import dataclass

from hw.serial.ports import NEVER_NS, Answering, InputChanged, SelectFailed, SerialEvent, SignalsChanged
from hw.serial.splitter import Splitter

BAUD_RATE = 9600
ANSWER_LIMIT_NS = 1_000_000_000
POLL_NS = 5_000_000_000
QUIET_NS = 200_000_000  # after an error: a command of several characters may be answered by several of them
SILENT_AFTER_UNANSWERED = 2
HIGHEST_INPUT = 99
LONGEST_LINE_BYTES = 256

INFORMATION = b"I"
SIGNAL_QUESTIONS = (b"\x1bLS\r", b"0LS", b"0S")  # of newer to older families; which one, the errors tell

ERRORS = {
    "E01": "there is no such input",
    "E06": "not while the switcher chooses the input itself",
    "E09": "not in this mode",
    "E10": "the switcher does not know the command",
    "E13": "a value out of range",
    "E14": "not in this configuration",
}

_SELECTED = re.compile(r"(?:In|Chn|C) ?0*(\d{1,3}) ?(?:All|RGB|Vid)?", re.IGNORECASE)
_INFORMATION = re.compile(r"(?:In|Chn|V|C) ?0*(\d{1,3})\b.*", re.IGNORECASE)
_SIGNALS = re.compile(r"Sig ?([01](?: ?[01])*) ?(?:\*.*)?", re.IGNORECASE)
_ERROR = re.compile(r"E\d\d")
_POWERED_UP = re.compile(r"\(C\) ?Copyright.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Command:
    data: bytes
    selects: int | None = None


class SisSwitcher:
    """A Switcher. `unknown_lines` counts answers that say nothing to us, of which real switchers have many."""

    baud_rate = BAUD_RATE

    def __init__(self) -> None:
        self._splitter = Splitter(b"\n", LONGEST_LINE_BYTES)
        self._signal_questions: tuple[bytes, ...] = SIGNAL_QUESTIONS
        self._begin()
        self._events: list[SerialEvent] = []
        self.input: int | None = None
        self.signals: tuple[bool, ...] = ()
        self.is_answering = False
        self.unknown_lines = 0

    def _begin(self) -> None:
        self._output = b""
        self._asked: _Command | None = None
        self._asked_ns = 0
        self._wanted: int | None = None
        self._has_tried_again = False
        self._is_flushed = False
        self._unanswered = 0
        self._poll_ns = NEVER_NS
        self._asks_signals_next = True
        self._quiet_until_ns = 0

    @property
    def timer_ns(self) -> int:
        if self._asked is not None:
            return self._asked_ns + ANSWER_LIMIT_NS
        return self._quiet_until_ns if self._wanted is not None else max(self._poll_ns, self._quiet_until_ns)

    def note_open(self, now_ns: int) -> None:
        self.note_closed(now_ns)
        self._splitter.reset()
        self._poll_ns = now_ns
        self._go_on(now_ns)

    def note_closed(self, now_ns: int) -> None:
        wanted = self._wanted
        if wanted is None and self._asked is not None:
            wanted = self._asked.selects
        self._begin()
        if wanted is not None:
            self._events.append(SelectFailed(wanted, "the switcher is not connected"))
        self._set_answering(False)
        self.input, self.signals = None, ()

    def select(self, number: int, now_ns: int) -> None:
        if not 1 <= number <= HIGHEST_INPUT:
            self._events.append(SelectFailed(number, ERRORS["E01"]))
        elif self._poll_ns == NEVER_NS:
            self._events.append(SelectFailed(number, "the switcher is not connected"))
        else:
            self._wanted, self._has_tried_again = number, False
            self._go_on(now_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        for line in self._splitter.feed(data):
            text = line.decode("ascii", errors="replace").strip()
            if text:
                self._take(text, now_ns)
        self._go_on(now_ns)

    def _take(self, text: str, now_ns: int) -> None:
        asked = self._asked
        if _ERROR.fullmatch(text):
            self._take_error(text, now_ns)
        elif match := _SIGNALS.fullmatch(text):
            self._set_signals(tuple(mark == "1" for mark in match[1] if mark != " "))
            if asked is not None and asked.data in SIGNAL_QUESTIONS:
                self._note_answer()
        elif match := _SELECTED.fullmatch(text):
            self._set_input(int(match[1]))
            if asked is not None and (asked.selects == self.input or asked.data == INFORMATION):
                self._note_answer()
        elif _POWERED_UP.fullmatch(text):
            self._poll_ns = now_ns
            self._is_flushed = False
        elif asked is not None and asked.data == INFORMATION and (match := _INFORMATION.fullmatch(text)):
            self._set_input(int(match[1]))
            self._note_answer()
        else:
            self.unknown_lines += 1

    def _take_error(self, code: str, now_ns: int) -> None:
        self._quiet_until_ns = now_ns + QUIET_NS
        asked = self._asked
        if asked is None:
            return
        if asked.selects is not None:
            problem = ERRORS.get(code, "the switcher refuses")
            self._events.append(SelectFailed(asked.selects, f"{problem} ({code})"))
        elif asked.data == self._signal_questions[0] and len(self._signal_questions) > 1:
            self._signal_questions = self._signal_questions[1:]
        self._note_answer()

    def _note_answer(self) -> None:
        self._asked = None
        self._is_flushed = True
        self._unanswered = 0
        self._set_answering(True)

    def tick(self, now_ns: int) -> None:
        if self._asked is not None and now_ns >= self.timer_ns:
            self._note_no_answer(self._asked)
        self._go_on(now_ns)

    def _note_no_answer(self, asked: _Command) -> None:
        self._asked = None
        self._is_flushed = asked.data == INFORMATION  # it has taken with it what was there
        self._unanswered += 1
        if self._unanswered >= SILENT_AFTER_UNANSWERED:
            self._set_answering(False)
        if asked.selects is None or self._wanted is not None:
            return
        if self._has_tried_again:
            self._events.append(SelectFailed(asked.selects, "the switcher does not answer"))
        else:
            self._wanted, self._has_tried_again = asked.selects, True

    def _go_on(self, now_ns: int) -> None:
        """The next command, when none is on its way and it is time for one."""
        if self._asked is not None or now_ns < self._quiet_until_ns or self._poll_ns == NEVER_NS:
            return
        if self._wanted is None and now_ns < self._poll_ns:
            return
        if not self._is_flushed:
            self._ask(_Command(INFORMATION), now_ns)
        elif self._wanted is not None:
            self._ask(_Command(b"%d!" % self._wanted, self._wanted), now_ns)
            self._wanted = None
        else:
            self._ask(_Command(self._signal_questions[0] if self._asks_signals_next else INFORMATION), now_ns)
            self._asks_signals_next = not self._asks_signals_next
            self._poll_ns = now_ns + POLL_NS

    def _ask(self, command: _Command, now_ns: int) -> None:
        self._asked, self._asked_ns = command, now_ns
        self._output += command.data

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def take_events(self) -> list[SerialEvent]:
        events, self._events = self._events, []
        return events

    def _set_answering(self, is_answering: bool) -> None:
        if is_answering is not self.is_answering:
            self.is_answering = is_answering
            self._events.append(Answering(is_answering))

    def _set_input(self, number: int) -> None:
        if number != self.input:
            self.input = number
            self._events.append(InputChanged(number))

    def _set_signals(self, present: tuple[bool, ...]) -> None:
        if present != self.signals:
            self.signals = present
            self._events.append(SignalsChanged(present))
