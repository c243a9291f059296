"""The front panel, as its microcontroller has it (docs/serial.md)."""

from hw.serial.panel import (
    DARK,
    PRESSES_MODULUS,
    REPEAT_NS,
    SILENCE_LIMIT_NS,
    PanelReport,
    build_report,
    parse_show,
)
from hw.serial.ports import NEVER_NS, Beeper, Lamp, PanelView
from hw.serial.sentence import LONGEST_LINE_BYTES
from hw.serial.splitter import Splitter

NO_CONTACT = PanelView(Lamp.OFF, Lamp.ON, Lamp.OFF, Beeper.OFF, ("no contact", "with the box"))
TAP_NS = 150_000_000


class SimulatedPanel:
    """A SimulatedDevice. `view` is what its lamps and lines show."""

    keys = "c: tap the call button, h: hold it or let it go"

    def __init__(self, now_ns: int) -> None:
        self._splitter = Splitter(b"\n", LONGEST_LINE_BYTES)
        self._started_ns = now_ns
        self._report_ns = now_ns
        self._heard_ns = now_ns
        self._release_ns = NEVER_NS
        self._shown = 0
        self._presses = 0
        self._is_pressed = False
        self._output = b""
        self.view = DARK

    @property
    def timer_ns(self) -> int:
        return min(self._report_ns, self._release_ns, self._heard_ns + SILENCE_LIMIT_NS)

    def receive(self, data: bytes, now_ns: int) -> None:
        for line in self._splitter.feed(data):
            show = parse_show(line)
            if show is None:
                continue
            self._heard_ns = now_ns
            is_news = show[0] != self._shown
            self._shown, self.view = show
            if is_news:
                self._say(now_ns)

    def press(self, key: str, now_ns: int) -> None:
        if key == "c" and not self._is_pressed:
            self.set_button(is_pressed=True, now_ns=now_ns)
            self._release_ns = now_ns + TAP_NS
        elif key == "h":
            self.set_button(is_pressed=not self._is_pressed, now_ns=now_ns)

    def set_button(self, *, is_pressed: bool, now_ns: int) -> None:
        if is_pressed is not self._is_pressed:
            self._is_pressed = is_pressed
            self._release_ns = NEVER_NS
            self._presses = (self._presses + is_pressed) % PRESSES_MODULUS
            self._say(now_ns)

    def tick(self, now_ns: int) -> None:
        if now_ns >= self._release_ns:
            self.set_button(is_pressed=False, now_ns=now_ns)
        if now_ns >= self._heard_ns + SILENCE_LIMIT_NS:
            self._shown, self.view, self._heard_ns = 0, NO_CONTACT, NEVER_NS - SILENCE_LIMIT_NS
        if now_ns >= self._report_ns:
            self._say(now_ns)

    def _say(self, now_ns: int) -> None:
        uptime_s = (now_ns - self._started_ns) // 1_000_000_000
        self._output += build_report(PanelReport(uptime_s, self._shown, self._presses, self._is_pressed))
        self._report_ns = now_ns + REPEAT_NS

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def describe(self) -> str:
        view = self.view
        lamps = ", ".join(
            f"{name} {lamp.name.lower()}"
            for name, lamp in (("green", view.picture), ("red", view.fault), ("blue", view.call))
        )
        button = ", button down" if self._is_pressed else ""
        return f"[{view.lines[0]:20}] {lamps}, beeper {view.beeper.name.lower()}{button}\n[{view.lines[1]:20}]"
