"""The front panel: both sides' lines, presses that are never lost nor made up, and what it shows in the end."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.serial.panel import (
    DARK,
    REPEAT_NS,
    SHOW_INTERVAL_NS,
    SILENCE_LIMIT_NS,
    FrontPanel,
    PanelReport,
    build_report,
    build_show,
    panel_text,
    parse_report,
    parse_show,
)
from hw.serial.ports import Answering, Beeper, ButtonPressed, ButtonReleased, Lamp, PanelEvent, PanelView
from hw.serial.sentence import build_sentence, parse_sentence
from hw.serial.simulators.panel_box import NO_CONTACT, SimulatedPanel

MS = 1_000_000
S = 1_000 * MS
T0 = 77 * S

FIELDS = st.text(st.characters(min_codepoint=32, max_codepoint=126))
VIEW = PanelView(Lamp.ON, Lamp.OFF, Lamp.FAST, Beeper.CALL, ("LIVE 45 ms", "EXPERT CALLS"))


def view(text: str) -> PanelView:
    return PanelView(Lamp.ON, Lamp.OFF, Lamp.OFF, Beeper.OFF, (text, ""))


# --- lines ---


def test_a_sentence_is_that_of_nmea_0183() -> None:
    known = b"$GPGLL,5057.970,N,00146.110,E,142451,A*27"  # checksum of the standard's own kind
    assert parse_sentence(known) == ["GPGLL", "5057.970", "N", "00146.110", "E", "142451", "A"]
    assert build_sentence("GPGLL", "5057.970", "N", "00146.110", "E", 142451, "A") == known + b"\r\n"


@given(st.lists(FIELDS, min_size=1).filter(any))
def test_any_printable_fields_come_back(fields: list[str]) -> None:
    line = build_sentence(*fields)
    assert line.count(b"$") == line.count(b"*") == 1
    assert parse_sentence(line.removesuffix(b"\n")) == fields
    assert parse_sentence(b"$CLPNL,1,2" + line.removesuffix(b"\r\n")) == fields  # a half line before it


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_line_with_a_wrong_byte_is_no_line(position: int, difference: int) -> None:
    line = bytearray(build_report(PanelReport(1234, 56, 78, True)).removesuffix(b"\r\n"))
    line[position % len(line)] ^= difference
    report = parse_report(bytes(line))
    assert report in (None, PanelReport(1234, 56, 78, True))  # a checksum in small letters is the same checksum


@given(st.binary(max_size=200))
def test_any_line_is_read_or_refused(line: bytes) -> None:
    assert parse_report(line) is None or isinstance(parse_report(line), PanelReport)
    assert parse_show(line) is None or isinstance(parse_show(line), tuple)


@given(st.integers(1, 255), st.sampled_from(Lamp), st.sampled_from(Beeper), FIELDS)
def test_a_view_is_read_as_it_was_written(sequence: int, lamp: Lamp, beeper: Beeper, text: str) -> None:
    sent = PanelView(lamp, Lamp.OFF, Lamp.ON, beeper, (panel_text(text), ""))
    line = build_show(sequence, sent)
    assert len(line) <= 160
    assert parse_show(line.removesuffix(b"\r\n")) == (sequence, sent)


@given(
    st.builds(PanelReport, st.integers(0, 10**9), st.integers(0, 255), st.integers(0, 255), st.booleans()),
)
def test_a_report_is_read_as_it_was_written(report: PanelReport) -> None:
    assert parse_report(build_report(report).removesuffix(b"\r\n")) == report


@pytest.mark.parametrize(
    "line",
    ["CLPNL,2,1,1,1,0", "CLPNL,1,1,1,1", "CLPNL,1,1,1,1,2", "CLPNL,1,-1,1,1,0", "CLPNL,1,1,1,1,1,0", "CLPNL,1,,1,1,0"],
)
def test_a_line_of_another_layout_is_refused(line: str) -> None:
    assert parse_report(build_sentence(*line.split(",")).removesuffix(b"\r\n")) is None


def test_text_is_made_fit_for_a_panel() -> None:
    assert panel_text("Zürich  45 ms ±3 °C → expert") == "Zurich 45 ms +-3 C ?"


# --- the panel's word ---


def opened() -> FrontPanel:
    panel = FrontPanel()
    panel.note_open(T0)
    panel.take_output()
    return panel


def report(presses: int, *, is_pressed: bool = False, uptime_s: int = 100) -> bytes:
    return build_report(PanelReport(uptime_s, 1, presses, is_pressed))


def button_events(panel: FrontPanel) -> list[PanelEvent]:
    return [event for event in panel.take_events() if isinstance(event, ButtonPressed | ButtonReleased)]


def test_a_press_and_its_length() -> None:
    panel = opened()
    panel.receive(report(7), T0)
    panel.receive(report(8, is_pressed=True), T0 + 10 * MS)
    assert panel.is_pressed
    panel.receive(report(8), T0 + 510 * MS)
    assert not panel.is_pressed
    assert panel.take_events() == [Answering(True), ButtonPressed(), ButtonReleased(500 * MS)]


def test_presses_whose_lines_were_lost_still_count() -> None:
    panel = opened()
    panel.receive(report(7), T0)
    panel.receive(report(9), T0 + S)
    assert button_events(panel) == [ButtonPressed(), ButtonReleased(0)] * 2
    panel.receive(report(11, is_pressed=True), T0 + 2 * S)
    assert button_events(panel) == [ButtonPressed(), ButtonReleased(0), ButtonPressed()]
    panel.receive(report(12, is_pressed=True), T0 + 3 * S)  # let go and pressed again
    assert button_events(panel) == [ButtonReleased(S), ButtonPressed()]


def test_presses_of_before_are_not_presses_of_now() -> None:
    panel = opened()
    panel.receive(report(200), T0)  # the first word after opening
    panel.receive(report(202, uptime_s=1), T0 + S)  # a panel that began anew: what it counted is not known
    panel.receive(report(3, uptime_s=2), T0 + 2 * S)  # nor is so many presses believed
    assert button_events(panel) == []


def test_a_lost_panel_holds_no_button() -> None:
    panel = opened()
    panel.receive(report(1, is_pressed=True), T0)
    panel.tick(T0 + SILENCE_LIMIT_NS)
    assert not panel.is_pressed
    assert panel.take_events()[1:] == [ButtonPressed(), Answering(False), ButtonReleased(SILENCE_LIMIT_NS)]


@given(st.lists(st.booleans(), max_size=100), st.randoms(use_true_random=False), st.floats(0, 0.5))
def test_every_press_comes_through_a_line_that_loses_lines(
    presses: list[bool], chance: random.Random, loss: float
) -> None:
    """The simulated panel's button, with lines lost at random: as many presses as were made, once a line comes."""
    device, panel, now_ns = SimulatedPanel(T0), opened(), T0
    device.tick(now_ns)
    panel.receive(device.take_output(), now_ns)
    lost_in_a_row = 0
    for wants_press in [*presses, False]:
        now_ns += 100 * MS
        device.set_button(is_pressed=wants_press, now_ns=now_ns)
        device.tick(now_ns)
        output = device.take_output()
        lost_in_a_row = lost_in_a_row + 1 if chance.random() < loss and lost_in_a_row < 10 else 0
        if not lost_in_a_row:
            panel.receive(output, now_ns)
    device.tick(now_ns + REPEAT_NS)
    panel.receive(device.take_output(), now_ns + REPEAT_NS)
    told = [event for event in button_events(panel) if isinstance(event, ButtonPressed)]
    assert len(told) == device._presses
    assert not panel.is_pressed


# --- what it shows ---


def test_a_view_is_sent_at_once_and_again_each_second() -> None:
    panel = opened()
    panel.show(VIEW, T0 + S)
    panel.tick(T0 + S)
    first = panel.take_output()
    assert parse_show(first.removesuffix(b"\r\n")) == (2, VIEW)
    panel.tick(T0 + S + REPEAT_NS - 1)
    assert panel.take_output() == b""
    panel.tick(T0 + S + REPEAT_NS)
    assert panel.take_output() == first


def test_views_that_change_fast_are_sent_at_a_bounded_rate_and_the_last_one_always() -> None:
    panel, lines = opened(), 0
    for n in range(1000):  # a second
        panel.show(view(f"number {n}"), T0 + n * MS)
        panel.tick(T0 + n * MS)
        lines += bool(panel.take_output())
    assert lines <= S // SHOW_INTERVAL_NS
    panel.tick(panel.timer_ns)
    shown = parse_show(panel.take_output().removesuffix(b"\r\n"))
    assert shown is not None
    assert shown[1] == view("number 999")


def test_a_panel_that_shows_another_view_is_told_again_without_waiting() -> None:
    panel = opened()
    panel.show(VIEW, T0)
    panel.tick(T0 + SHOW_INTERVAL_NS)
    panel.take_output()
    panel.receive(report(0), T0 + SHOW_INTERVAL_NS + MS)  # it shows number 1: ours was damaged
    panel.tick(T0 + 2 * SHOW_INTERVAL_NS)
    assert panel.take_output() == build_show(2, VIEW)


def test_the_simulated_panel_shows_the_view_and_without_the_box_says_so() -> None:
    device, panel = SimulatedPanel(T0), opened()
    panel.show(VIEW, T0)
    panel.tick(T0 + SHOW_INTERVAL_NS)
    device.receive(panel.take_output(), T0 + SHOW_INTERVAL_NS)
    assert device.view == VIEW
    assert "EXPERT CALLS" in device.describe()
    device.tick(T0 + SHOW_INTERVAL_NS + SILENCE_LIMIT_NS)
    assert device.view == NO_CONTACT
    panel.tick(T0 + 4 * S)
    device.receive(panel.take_output(), T0 + 4 * S)
    assert device.view == VIEW


def test_the_simulated_panels_keys() -> None:
    device, panel = SimulatedPanel(T0), opened()
    assert device.view == DARK
    device.tick(T0)
    device.press("c", T0)
    device.press("x", T0)
    assert "button down" in device.describe()
    device.tick(device.timer_ns)
    device.press("h", T0 + S)
    device.press("h", T0 + 3 * S)
    panel.receive(device.take_output(), T0 + 3 * S)
    assert [type(event) for event in button_events(panel)] == [ButtonPressed, ButtonReleased] * 2
