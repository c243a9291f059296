"""What the front panel shows of the box's state."""

import pytest

from daemon.panel_view import PAGE_NS, PanelCall, panel_view
from daemon.states import PictureState
from hw.serial.ports import PANEL_LINE_CHARACTERS, Beeper, Lamp


@pytest.mark.parametrize("state", PictureState)
def test_green_and_red_never_shine_together_and_one_of_them_always_does(state: PictureState) -> None:
    view = panel_view(state, "the cause", 45, PanelCall.NONE, [], 0)
    assert (view.picture is Lamp.OFF) != (view.fault is Lamp.OFF)
    assert len(state.words) <= PANEL_LINE_CHARACTERS


def test_the_latency_stands_beside_live_alone() -> None:
    assert panel_view(PictureState.LIVE, "", 45, PanelCall.NONE, [], 0).lines == ("LIVE 45 ms", "")
    assert panel_view(PictureState.HELD, "", 45, PanelCall.NONE, [], 0).lines == ("HELD", "")
    assert panel_view(PictureState.LIVE, "", None, PanelCall.NONE, [], 0).lines == ("LIVE", "")


def test_the_call_comes_before_the_cause_and_the_cause_before_other_problems() -> None:
    problems = ["disk of / is full (3 MiB left)"]
    ringing = panel_view(PictureState.CAPTURE_LOST, "no signal", None, PanelCall.RINGING, problems, 0)
    assert (ringing.lines[1], ringing.call, ringing.beeper) == ("EXPERT CALLS", Lamp.FAST, Beeper.CALL)
    lost = panel_view(PictureState.CAPTURE_LOST, "no signal", None, PanelCall.NONE, problems, 0)
    assert (lost.lines[1], lost.fault, lost.beeper) == ("no signal", Lamp.ON, Beeper.OFF)
    live = panel_view(PictureState.LIVE, "", None, PanelCall.NONE, problems, 0)
    assert (live.picture, live.fault) == (Lamp.ON, Lamp.SLOW)


def test_a_long_cause_is_shown_page_by_page() -> None:
    cause = "no frame from the source, last seen 1024x1024p15"
    pages = [
        panel_view(PictureState.CAPTURE_LOST, cause, None, PanelCall.NONE, [], n * PAGE_NS).lines[1] for n in range(4)
    ]
    assert pages == ["no frame from the", "source, last seen", "1024x1024p15", "no frame from the"]
