"""What the front panel shows of the box's state. No clock: `now_ns` is an argument."""

import textwrap
from enum import Enum

from daemon.states import PictureState
from hw.serial.ports import PANEL_LINE_CHARACTERS, Beeper, Lamp, PanelView

PAGE_NS = 2_000_000_000  # of a text that is longer than a line


class PanelCall(Enum):
    """How the call stands, as far as a panel shows it."""

    NONE = ("", Lamp.OFF)
    RINGING = ("EXPERT CALLS", Lamp.FAST)  # the other side calls; the button accepts
    CALLING = ("calling", Lamp.SLOW)  # we call
    CONNECTED = ("call connected", Lamp.ON)

    def __init__(self, words: str, lamp: Lamp) -> None:
        self.words = words
        self.lamp = lamp


_GOOD = (PictureState.LIVE, PictureState.HELD)


class PanelScreen:
    """Makes the views of one panel. A text that is longer than its line is shown page by page, from its beginning."""

    def __init__(self) -> None:
        self._text = ""
        self._since_ns = 0

    def view(
        self,
        state: PictureState,
        cause: str,
        latency_ms: int | None,
        *,
        call: PanelCall,
        problems: list[str],
        now_ns: int,
        question: str = "",
    ) -> PanelView:
        """Line 1 is the picture's state; line 2 a question, the call, why the picture is not good, or what is wrong.

        `question`: what a press of the button says yes to; it rings like a call.
        """
        text = question or call.words or cause or "; ".join(problems)
        call = PanelCall.RINGING if question else call
        if text != self._text:
            self._text, self._since_ns = text, now_ns
        pages = textwrap.wrap(text, PANEL_LINE_CHARACTERS) or [""]
        page = pages[(now_ns - self._since_ns) // PAGE_NS % len(pages)]
        return _view(state, latency_ms, call, page, has_problems=bool(problems))


def _view(state: PictureState, latency_ms: int | None, call: PanelCall, text: str, *, has_problems: bool) -> PanelView:
    latency = f" {latency_ms} ms" if latency_ms is not None and state is PictureState.LIVE else ""
    is_alarm = state is PictureState.HELD_WITH_XRAY
    fault = Lamp.FAST if is_alarm else Lamp.ON
    if state in (*_GOOD, PictureState.DEGRADED):
        fault = Lamp.SLOW if has_problems else Lamp.OFF
    return PanelView(
        picture=Lamp.ON if state in _GOOD else Lamp.SLOW if state is PictureState.DEGRADED else Lamp.OFF,
        fault=fault,
        call=call.lamp,
        beeper=Beeper.ALARM if is_alarm else Beeper.CALL if call is PanelCall.RINGING else Beeper.OFF,
        lines=(f"{state.words}{latency}", text),
    )
