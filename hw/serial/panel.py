"""The front panel: what it shows and which button is pressed (docs/serial.md).

Both sides tell their whole state, at each change and once a second: a line that is lost or damaged is made good by
the next one, and no acknowledgement is needed. The panel counts presses, so that one whose line was lost still counts.
"""

import unicodedata
from dataclasses import dataclass

from hw.serial.ports import (
    PANEL_LINE_CHARACTERS,
    Answering,
    Beeper,
    ButtonPressed,
    ButtonReleased,
    Lamp,
    PanelView,
    SerialEvent,
)
from hw.serial.sentence import LONGEST_LINE_BYTES, build_sentence, parse_sentence
from hw.serial.splitter import Splitter

BAUD_RATE = 115_200
REPEAT_NS = 1_000_000_000
SHOW_INTERVAL_NS = 100_000_000  # a view that changes faster is shown this often
SILENCE_LIMIT_NS = 2_500_000_000
PRESSES_MODULUS = 256
MOST_PRESSES_AT_ONCE = 8  # more means that the panel began anew
LAYOUT = "1"

DARK = PanelView(Lamp.OFF, Lamp.OFF, Lamp.OFF, Beeper.OFF, ("", ""))


@dataclass(frozen=True, slots=True)
class PanelReport:
    """The panel's line. `shown`: the sequence number of the view it shows, 0: none."""

    uptime_s: int
    shown: int
    presses: int
    is_pressed: bool


def panel_text(text: str) -> str:
    """One line as a panel can show it: ASCII, cut to its width."""
    plain = unicodedata.normalize("NFKD", text.replace("±", "+-").replace("°", " "))
    ascii_only = "".join(c if " " <= c <= "~" else "?" for c in plain if not unicodedata.combining(c))
    return " ".join(ascii_only.split())[:PANEL_LINE_CHARACTERS]


def build_show(sequence: int, view: PanelView) -> bytes:
    """$CLSHW: to the panel. `sequence` 1 .. 255."""
    return build_sentence(
        "CLSHW", LAYOUT, sequence, view.picture, view.fault, view.call, view.beeper, *map(panel_text, view.lines)
    )


def parse_show(line: bytes) -> tuple[int, PanelView] | None:
    """(sequence, view); None: damaged, or another line."""
    match parse_sentence(line):
        case ["CLSHW", "1", sequence, picture, fault, call, beeper, line_1, line_2]:
            pass
        case _:
            return None
    try:
        lamps = Lamp(int(picture)), Lamp(int(fault)), Lamp(int(call))
        return int(sequence), PanelView(*lamps, Beeper(int(beeper)), (line_1, line_2))
    except ValueError:
        return None


def build_report(report: PanelReport) -> bytes:
    """$CLPNL: from the panel."""
    return build_sentence("CLPNL", LAYOUT, report.uptime_s, report.shown, report.presses, int(report.is_pressed))


def parse_report(line: bytes) -> PanelReport | None:
    """None: damaged, or another line."""
    match parse_sentence(line):
        case ["CLPNL", "1", *numbers, ("0" | "1") as is_pressed] if len(numbers) == 3:
            pass
        case _:
            return None
    if not all(number.isascii() and number.isdecimal() and len(number) <= 10 for number in numbers):
        return None
    uptime_s, shown, presses = map(int, numbers)
    return PanelReport(uptime_s, shown, presses % PRESSES_MODULUS, is_pressed == "1")


class FrontPanel:
    """A Panel. `damaged` counts lines that could not be read."""

    baud_rate = BAUD_RATE

    def __init__(self) -> None:
        self._splitter = Splitter(b"\n", LONGEST_LINE_BYTES)
        self._view = DARK
        self._sequence = 1
        self._is_view_due = False
        self._sent_ns: int | None = None  # None: the port is not open
        self._heard_ns: int | None = None
        self._report: PanelReport | None = None
        self._pressed_ns: int | None = None
        self._output = b""
        self._events: list[SerialEvent] = []
        self.damaged = 0

    @property
    def is_answering(self) -> bool:
        return self._heard_ns is not None

    @property
    def is_pressed(self) -> bool:
        return self._pressed_ns is not None

    @property
    def timer_ns(self) -> int:
        sent_ns = self._sent_ns or 0
        show_ns = sent_ns + (SHOW_INTERVAL_NS if self._is_view_due else REPEAT_NS)
        return show_ns if self._heard_ns is None else min(show_ns, self._heard_ns + SILENCE_LIMIT_NS)

    def note_open(self, now_ns: int) -> None:
        self.note_closed(now_ns)
        self._splitter.reset()
        self._send(now_ns)

    def note_closed(self, now_ns: int) -> None:
        self._output = b""
        self._note_silence(now_ns)

    def _note_silence(self, now_ns: int) -> None:
        if self._heard_ns is not None:
            self._events.append(Answering(False))
        self._heard_ns = self._report = None
        self._note_button(is_pressed=False, now_ns=now_ns)

    def show(self, view: PanelView, now_ns: int) -> None:
        if view == self._view:
            return
        self._view = view
        self._sequence = self._sequence % 255 + 1
        self._is_view_due = True

    def receive(self, data: bytes, now_ns: int) -> None:
        for line in self._splitter.feed(data):
            report = parse_report(line)
            if report is None:
                self.damaged += 1
            else:
                self._take(report, now_ns)

    def _take(self, report: PanelReport, now_ns: int) -> None:
        if self._heard_ns is None:
            self._events.append(Answering(True))
        before, self._report, self._heard_ns = self._report, report, now_ns
        if before is not None and report.uptime_s >= before.uptime_s:
            self._note_missed_presses(before, report, now_ns)
        self._note_button(is_pressed=report.is_pressed, now_ns=now_ns)
        if report.shown != self._sequence:  # it began anew, or our line was damaged
            self._is_view_due = True

    def _note_missed_presses(self, before: PanelReport, report: PanelReport, now_ns: int) -> None:
        """Presses that began and ended between two lines that came."""
        presses = (report.presses - before.presses) % PRESSES_MODULUS
        is_new_press_told = report.is_pressed and presses > 0
        if self.is_pressed and presses > 0:
            self._note_button(is_pressed=False, now_ns=now_ns)
        if presses <= MOST_PRESSES_AT_ONCE:
            for _ in range(presses - is_new_press_told):
                self._note_button(is_pressed=True, now_ns=now_ns)
                self._note_button(is_pressed=False, now_ns=now_ns)

    def _note_button(self, *, is_pressed: bool, now_ns: int) -> None:
        if is_pressed and self._pressed_ns is None:
            self._pressed_ns = now_ns
            self._events.append(ButtonPressed())
        elif not is_pressed and self._pressed_ns is not None:
            self._events.append(ButtonReleased(now_ns - self._pressed_ns))
            self._pressed_ns = None

    def tick(self, now_ns: int) -> None:
        if self._heard_ns is not None and now_ns >= self._heard_ns + SILENCE_LIMIT_NS:
            self._note_silence(now_ns)
        if now_ns >= self.timer_ns:
            self._send(now_ns)

    def _send(self, now_ns: int) -> None:
        self._output = build_show(self._sequence, self._view)  # an older one that was not taken yet is not worth it
        self._sent_ns, self._is_view_due = now_ns, False

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def take_events(self) -> list[SerialEvent]:
        events, self._events = self._events, []
        return events
