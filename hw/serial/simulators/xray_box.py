"""The X-ray contact box, as its microcontroller has it (docs/serial.md)."""

from dataclasses import dataclass

from hw.serial.ports import NEVER_NS, XrayState
from hw.serial.xray import HEARTBEAT_NS, XrayFrame, pack_frame

_KEYS = {"o": XrayState.ON, "f": XrayState.OFF, "?": XrayState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class BeamSchedule:
    """X-ray on for `on_ns`, off for `off_ns`, and so on; begins with on."""

    on_ns: int
    off_ns: int


class SimulatedXrayBox:
    """A SimulatedDevice. Without a schedule the keys close and open the contact."""

    keys = "o: X-ray on, f: off, ?: the contacts contradict each other, s: silent or not"

    def __init__(self, now_ns: int, schedule: BeamSchedule | None = None) -> None:
        self._schedule = schedule
        self._state = XrayState.OFF
        self._since_ns = now_ns
        self._sequence = 0
        self._heartbeat_ns = now_ns
        self._turn_ns = now_ns if schedule else NEVER_NS
        self._is_silent = False
        self._output = b""

    @property
    def timer_ns(self) -> int:
        return min(self._heartbeat_ns, self._turn_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Nothing of it reaches the box: its receive line is not connected."""

    def press(self, key: str, now_ns: int) -> None:
        if key == "s":
            self._is_silent = not self._is_silent
        elif key in _KEYS:
            self.set_state(_KEYS[key], now_ns)

    def set_state(self, state: XrayState, now_ns: int) -> None:
        """The contact changes; a frame says so at once."""
        if state is not self._state:
            self._state, self._since_ns = state, now_ns
            self._say(now_ns)

    def tick(self, now_ns: int) -> None:
        if self._schedule is not None and now_ns >= self._turn_ns:
            is_on = self._state is XrayState.ON
            self._turn_ns += self._schedule.off_ns if is_on else self._schedule.on_ns
            self.set_state(XrayState.OFF if is_on else XrayState.ON, now_ns)
        if now_ns >= self._heartbeat_ns:
            self._say(now_ns)

    def _say(self, now_ns: int) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        lasts_ms = min((now_ns - self._since_ns) // 1_000_000, 0xFFFF_FFFF)
        if not self._is_silent:
            self._output += pack_frame(XrayFrame(self._sequence, self._state, lasts_ms))
        self._heartbeat_ns = now_ns + HEARTBEAT_NS

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def describe(self) -> str:
        return f"X-ray {self._state.words}{', silent' if self._is_silent else ''}"
