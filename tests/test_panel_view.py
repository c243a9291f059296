"""What the front panel shows of the box's state."""

import pytest

from daemon.panel_view import PAGE_NS, PanelCall, PanelScreen
from daemon.states import PictureState
from hw.serial.ports import PANEL_LINE_CHARACTERS, Beeper, Lamp, PanelView

T0 = 1_234_567_890


def view(
    state: PictureState,
    cause: str = "",
    latency_ms: int | None = None,
    call: PanelCall = PanelCall.NONE,
    problems: tuple[str, ...] = (),
) -> PanelView:
    return PanelScreen().view(state, cause, latency_ms, call=call, problems=list(problems), now_ns=T0)


@pytest.mark.parametrize("state", PictureState)
def test_green_and_red_never_shine_together_and_one_of_them_always_does(state: PictureState) -> None:
    shown = view(state, "the cause", 45)
    assert (shown.picture is Lamp.OFF) != (shown.fault is Lamp.OFF)
    assert len(state.words) <= PANEL_LINE_CHARACTERS


def test_the_latency_stands_beside_live_alone() -> None:
    assert view(PictureState.LIVE, latency_ms=45).lines == ("LIVE 45 ms", "")
    assert view(PictureState.HELD, latency_ms=45).lines == ("HELD", "")
    assert view(PictureState.LIVE).lines == ("LIVE", "")


def test_the_call_comes_before_the_cause_and_the_cause_before_other_problems() -> None:
    problems = ("disk is full",)
    ringing = view(PictureState.CAPTURE_LOST, "no signal", call=PanelCall.RINGING, problems=problems)
    assert (ringing.lines[1], ringing.call, ringing.beeper) == ("EXPERT CALLS", Lamp.FAST, Beeper.CALL)
    lost = view(PictureState.CAPTURE_LOST, "no signal", problems=problems)
    assert (lost.lines[1], lost.fault, lost.beeper) == ("no signal", Lamp.ON, Beeper.OFF)
    live = view(PictureState.LIVE, problems=problems)
    assert (live.lines[1], live.picture, live.fault) == ("disk is full", Lamp.ON, Lamp.SLOW)


def test_a_long_cause_is_shown_page_by_page_from_its_beginning() -> None:
    screen = PanelScreen()

    def second_line(cause: str, now_ns: int) -> str:
        shown = screen.view(
            PictureState.CAPTURE_LOST, cause, None, call=PanelCall.NONE, problems=[], now_ns=T0 + now_ns
        )
        return shown.lines[1]

    cause = "no frame from the source, last seen 1024x1024p15"
    assert [second_line(cause, n * PAGE_NS) for n in range(4)] == [
        "no frame from the",
        "source, last seen",
        "1024x1024p15",
        "no frame from the",
    ]
    other = "the encoder does not answer"
    assert second_line(other, 4 * PAGE_NS + PAGE_NS // 2) == "the encoder does not"
    assert second_line(other, 5 * PAGE_NS + PAGE_NS // 2) == "answer"


def test_xray_over_a_still_picture_beeps_also_while_somebody_calls() -> None:
    alarm = view(PictureState.HELD_WITH_XRAY, "X-ray is on and the picture does not change", call=PanelCall.RINGING)
    assert (alarm.lines[0], alarm.fault, alarm.beeper) == ("HELD, X-RAY ON", Lamp.FAST, Beeper.ALARM)


def test_a_question_comes_before_all_else_and_rings() -> None:
    shown = PanelScreen().view(
        PictureState.LIVE, "", 40, call=PanelCall.CONNECTED, problems=["x"], now_ns=T0, question="EXPERT: INPUT 3?"
    )
    assert shown.lines == ("LIVE 40 ms", "EXPERT: INPUT 3?")
    assert (shown.call, shown.beeper) == (Lamp.FAST, Beeper.CALL)
