"""The box's serial devices, for the rest of the appliance: what they say is told, what they shall do is asked here.

    the call button -> `panel_listeners`      how the call stands -> `call`; the box's state -> `show_state`
    X-ray contact -> `tell_xray`, `xray`      another source -> `switch_source`, and `source_listeners` hear of it

Everything is called in the supervisor's loop. A device that is not configured, unplugged or silent never raises and
never delays anything.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from daemon.config import SerialConfig
from daemon.event_limit import EventLimit
from daemon.messages import XrayReport
from daemon.panel_view import PanelCall, PanelScreen
from daemon.serial_line import SerialLine
from daemon.states import PictureState
from hw.errors import DeviceError
from hw.serial.panel import FrontPanel
from hw.serial.port import UsbSerialPort
from hw.serial.ports import (
    Answering,
    ButtonPressed,
    ButtonReleased,
    BytePort,
    InputChanged,
    Panel,
    PanelEvent,
    SelectFailed,
    SerialDevice,
    SerialEvent,
    SignalsChanged,
    Switcher,
    XrayChanged,
    XrayContact,
    XrayState,
)
from hw.serial.sis import SisSwitcher
from hw.serial.xray import XrayBox

PortMaker = Callable[[str, int], BytePort]
PanelListener = Callable[[PanelEvent], object]
SourceListener = Callable[[InputChanged | SelectFailed], object]


class SerialDevices:
    """`note_event` gets (what, cause) of what a person may ask about later, `tell_xray` X-ray's state.

    `call` is set by whoever handles calls, `question` by whoever wants the operator's yes by a press of the button.
    """

    def __init__(
        self,
        config: SerialConfig,
        *,
        note_event: Callable[[str, str], None],
        tell_xray: Callable[[XrayReport], None],
        make_port: PortMaker = UsbSerialPort,
    ) -> None:
        self._note_event = note_event
        self._tell_xray = tell_xray
        self._make_port = make_port
        self._lines: dict[str, SerialLine] = {}
        self._devices: dict[str, SerialDevice] = {}
        self._limits: dict[str, EventLimit] = {}
        self._panel: Panel | None = None
        self._xray: XrayContact | None = None
        self._switcher: Switcher | None = None
        self._screen = PanelScreen()
        self.call = PanelCall.NONE
        self.question = ""
        self.panel_listeners: list[PanelListener] = []
        self.source_listeners: list[SourceListener] = []
        if config.panel:
            self._panel = FrontPanel()
            self._add("panel", config.panel, self._panel)
        if config.xray:
            self._xray = XrayBox()
            self._add("X-ray contact", config.xray, self._xray)
        if config.switcher:
            self._switcher = SisSwitcher()
            self._add("switcher", config.switcher, self._switcher)

    def _add(self, name: str, address: str, device: SerialDevice) -> None:
        self._devices[name] = device
        port = self._make_port(address, device.baud_rate)

        def tell(event: SerialEvent) -> None:
            self._hear(name, event)

        def note(what: str, cause: str) -> None:
            self._note(name, what, cause)

        self._limits[name] = EventLimit()
        self._lines[name] = SerialLine(name, port, device, tell=tell, note_event=note)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(*(line.run() for line in self._lines.values()))

    # --- what the devices are told ---

    def show_state(self, state: PictureState, cause: str, latency_ms: int | None, problems: list[str]) -> None:
        """The picture's state, the call and what is wrong, on the panel, if there is one."""
        if self._panel is None:
            return
        now_ns = time.monotonic_ns()
        problems = [*self.problems, *problems]
        view = self._screen.view(
            state, cause, latency_ms, call=self.call, problems=problems, now_ns=now_ns, question=self.question
        )
        self._panel.show(view, now_ns)
        self._lines["panel"].wake()

    @property
    def source(self) -> int | None:
        """The switcher's input that is shown; None: not known."""
        return None if self._switcher is None else self._switcher.input

    def switch_source(self, number: int) -> None:
        """Show input `number` of the switcher, from 1 on; the outcome is an event. Raises DeviceError without one."""
        if self._switcher is None:
            raise DeviceError("no switcher is configured", "set serial.switcher")
        self._switcher.select(number, time.monotonic_ns())
        self._lines["switcher"].wake()

    # --- what they say ---

    @property
    def xray(self) -> XrayState:
        return XrayState.NOT_WATCHED if self._xray is None else self._xray.state

    def repeat_xray(self) -> None:
        """Tell its state again, for silence means unknown; nothing where it is not watched."""
        if self._xray is not None:
            now_ns = time.monotonic_ns()
            self._xray.tick(now_ns)
            self._tell_xray(XrayReport(self._xray.state, self._xray.since_ns, now_ns))

    @property
    def problems(self) -> list[str]:
        """Devices that are configured and not heard."""
        return [f"{name} not connected" for name, device in self._devices.items() if not device.is_answering]

    def _hear(self, name: str, event: SerialEvent) -> None:
        if isinstance(event, XrayChanged):
            self.repeat_xray()
        elif isinstance(event, ButtonPressed | ButtonReleased):
            for press in self.panel_listeners:
                press(event)
        elif isinstance(event, InputChanged | SelectFailed):
            for listen in self.source_listeners:
                listen(event)
        if words := _words(name, event):
            self._note(name, *words)

    def _note(self, name: str, what: str, cause: str) -> None:
        more = self._limits[name].admit(time.monotonic_ns())
        if more is not None:
            self._note_event(what, cause + more)

    def snapshot(self) -> dict[str, object]:
        """JSON-ready; only what is configured."""
        answer: dict[str, object] = {
            "devices": {
                name: {"connected": line.is_open, "answering": device.is_answering, "problem": line.problem}
                for (name, line), device in zip(self._lines.items(), self._devices.values(), strict=True)
            }
        }
        if self._switcher is not None:
            answer["source"] = {"input": self._switcher.input, "signals": list(self._switcher.signals)}
        return answer


def _words(name: str, event: SerialEvent) -> tuple[str, str] | None:
    """(what, cause) of an event that a person may ask about later."""
    match event:
        case Answering(is_answering):
            return f"{name} {'answers' if is_answering else 'does not answer'}", ""
        case ButtonPressed():
            return "call button pressed", ""
        case ButtonReleased():
            return None
        case XrayChanged(state):
            return f"X-ray is {state.words}", ""
        case InputChanged(number):
            return (f"source is input {number}" if number else "no source is selected"), ""
        case SignalsChanged(present):
            missing = [str(number) for number, has_signal in enumerate(present, 1) if not has_signal]
            return "switcher inputs without signal", ", ".join(missing) or "none"
        case SelectFailed(number, problem):
            return f"source not switched to input {number}", problem


def describe_serial(serial: dict[str, Any]) -> list[str]:
    """Lines of `cathlink status` from the snapshot, one a device."""
    said: dict[str, str] = {}
    if source := serial.get("source"):
        inputs = [f"{number}{'' if signal else ' (no signal)'}" for number, signal in enumerate(source["signals"], 1)]
        said["switcher"] = f"source is input {source['input']} of {', '.join(inputs)}"
    lines = []
    for name, device in serial["devices"].items():
        words = said.get(name) or "answers"
        if not device["answering"]:
            words = f"not connected, {device['problem']}" if device["problem"] else "connected, does not answer"
        lines.append(f"  {name}: {words}")
    return lines
