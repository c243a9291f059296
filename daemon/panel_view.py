"""What the front panel shows of the box's state. Pure."""

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


def panel_view(
    state: PictureState,
    cause: str,
    latency_ms: int | None,
    call: PanelCall,
    problems: list[str],
    now_ns: int,
) -> PanelView:
    """The first line is the picture's state; the second the call, or why the picture is not good, or what is wrong."""
    latency = f" {latency_ms} ms" if latency_ms is not None and state is PictureState.LIVE else ""
    fault = Lamp.ON
    if state in (*_GOOD, PictureState.DEGRADED):
        fault = Lamp.SLOW if problems else Lamp.OFF
    return PanelView(
        picture=Lamp.ON if state in _GOOD else Lamp.SLOW if state is PictureState.DEGRADED else Lamp.OFF,
        fault=fault,
        call=call.lamp,
        beeper=Beeper.CALL if call is PanelCall.RINGING else Beeper.OFF,
        lines=(f"{state.words}{latency}", _page(call.words or cause or "; ".join(problems), now_ns)),
    )


def _page(text: str, now_ns: int) -> str:
    """The part of a long text that is due."""
    pages = textwrap.wrap(text, PANEL_LINE_CHARACTERS) or [""]
    return pages[now_ns // PAGE_NS % len(pages)]
