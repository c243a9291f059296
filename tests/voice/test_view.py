"""How the call stands, beside the picture, on the panel and in the status."""

import pytest

from daemon.errors import UsageError
from daemon.link.voice_status import VoiceStatus
from daemon.messages import VoiceCommand, VoiceReport, VoiceWish
from daemon.panel_view import PanelCall
from daemon.picture.present import banner_of
from daemon.picture.truth import Truth
from daemon.states import PictureState
from daemon.voice.call import CallState
from daemon.voice.desk import VoiceDesk, describe_voice
from daemon.voice.view import SILENCE_LIMIT_NS, VoiceView
from hw.serial.ports import ButtonPressed, ButtonReleased

NOW_NS = 10**12


def status(call: CallState, **flaws: bool) -> VoiceStatus:
    return VoiceStatus(1, NOW_NS, 7, call, **flaws)


def words(own: VoiceStatus | None, peer: VoiceStatus | None, now_ns: int = NOW_NS) -> str:
    view = VoiceView()
    if own is not None:
        view.note(VoiceReport(own), NOW_NS)
    if peer is not None:
        view.note(VoiceReport(peer, is_peers=True), now_ns)
    return view.words(now_ns)


IN_CALL = status(CallState.IN_CALL)


@pytest.mark.parametrize(
    ("own", "peer", "told"),
    [
        (None, None, ""),
        (status(CallState.IDLE), IN_CALL, ""),
        (status(CallState.RINGING), None, "RINGING"),
        (IN_CALL, IN_CALL, "IN CALL"),
        (status(CallState.IN_CALL, muted=True), IN_CALL, "IN CALL, MUTED HERE"),
        (IN_CALL, status(CallState.IN_CALL, muted=True), "IN CALL, MUTED THERE"),
        (IN_CALL, status(CallState.IN_CALL, no_speaker=True), "IN CALL, NOT HEARD THERE"),
        (status(CallState.IN_CALL, no_microphone=True), IN_CALL, "IN CALL, NO MICROPHONE"),
        (IN_CALL, None, "IN CALL, THE OTHER END IS SILENT"),
    ],
)
def test_the_line(own: VoiceStatus | None, peer: VoiceStatus | None, told: str) -> None:
    assert words(own, peer) == told


def test_the_last_word_of_a_voice_process_that_died_does_not_stand() -> None:
    assert words(IN_CALL, IN_CALL, NOW_NS + SILENCE_LIMIT_NS + 1) == "VOICE LOST"


def test_the_call_stands_behind_the_pictures_cause() -> None:
    truth = Truth(PictureState.LIVE, "", 1, 0, 0, 0)
    assert banner_of(truth, "IN CALL").cause == "IN CALL"
    truth = Truth(PictureState.CAPTURE_LOST, "no signal", 1, 0, 0, 0)
    assert banner_of(truth, "IN CALL, MUTED HERE").cause == "no signal - IN CALL, MUTED HERE"
    assert banner_of(truth).cause == "no signal"


def test_the_panels_button_calls_answers_and_ends() -> None:
    told: list[VoiceCommand] = []
    desk = VoiceDesk(told.append)
    pressed = []
    for call in CallState:
        desk.note(VoiceReport(status(call)))
        desk.press(ButtonPressed())
        desk.press(ButtonReleased(100_000_000))
        pressed.append((told[-1].wish, desk.panel_call))
    assert pressed == [
        (VoiceWish.CALL, PanelCall.NONE),
        (VoiceWish.END, PanelCall.CALLING),
        (VoiceWish.CALL, PanelCall.RINGING),
        (VoiceWish.END, PanelCall.CONNECTED),
    ]
    assert len(told) == len(CallState)


def test_a_box_without_voice_says_so() -> None:
    desk = VoiceDesk(None)
    desk.press(ButtonPressed())
    assert desk.snapshot() is None
    with pytest.raises(UsageError, match=r"voice\.device"):
        desk.obey("mute")


def test_a_command_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="one of: call, accept"):
        VoiceDesk(lambda command: None).obey("shout")


def test_the_status_tells_both_ends() -> None:
    desk = VoiceDesk(lambda command: None)
    assert describe_voice(desk.snapshot() or {}) == ["  voice               the voice process does not answer"]
    desk.note(VoiceReport(status(CallState.IN_CALL, muted=True)))
    desk.note(VoiceReport(IN_CALL, is_peers=True))
    assert describe_voice(desk.snapshot() or {}) == [
        "  voice               IN CALL, muted",
        "  voice of the peer   IN CALL",
    ]
