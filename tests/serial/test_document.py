"""docs/serial.md against the code: who builds a device by its examples builds one that works."""

import re
from pathlib import Path

import pytest

from hw.serial.panel import PanelReport, build_report, build_show, parse_report, parse_show
from hw.serial.ports import Beeper, Lamp, PanelView, XrayState
from hw.serial.simulators.panel_box import NO_CONTACT
from hw.serial.xray import XrayFrame, crc16, pack_frame, parse_frame

DOCUMENT = (Path(__file__).parents[2] / "docs" / "serial.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^\| ([^|`]+) \| `((?:[0-9a-f]{2} )+00|\$CL[^`]+)` \|$", DOCUMENT, re.MULTILINE))

FRAMES = {
    "off, sequence 1, since now": XrayFrame(1, XrayState.OFF, 0),
    "on, sequence 2, since now": XrayFrame(2, XrayState.ON, 0),
    "on, sequence 3, for 1000 ms": XrayFrame(3, XrayState.ON, 1000),
    "cannot tell, sequence FFFF, for 16909060 ms": XrayFrame(0xFFFF, XrayState.UNKNOWN, 16_909_060),
}
REPORTS = {
    "the button is down, its third press, 12 s after the start, view 5 is shown": PanelReport(12, 5, 3, True),
    "the same panel an hour later": PanelReport(3612, 5, 3, False),
}
VIEWS = {
    "live, and the expert calls": (
        5,
        PanelView(Lamp.ON, Lamp.OFF, Lamp.FAST, Beeper.CALL, ("LIVE 45 ms", "EXPERT CALLS")),
    ),
    "X-ray on over a still picture": (
        6,
        PanelView(Lamp.OFF, Lamp.FAST, Lamp.OFF, Beeper.ALARM, ("HELD, X-RAY ON", "X-ray is on and the")),
    ),
}


def test_every_example_is_checked_here() -> None:
    assert EXAMPLES.keys() == FRAMES.keys() | REPORTS.keys() | VIEWS.keys()


@pytest.mark.parametrize("example", FRAMES)
def test_frames_of_the_contact_box(example: str) -> None:
    data = bytes.fromhex(EXAMPLES[example])
    assert pack_frame(FRAMES[example]) == data
    assert parse_frame(data[:-1]) == FRAMES[example]


@pytest.mark.parametrize("example", REPORTS)
def test_lines_of_the_panel(example: str) -> None:
    line = EXAMPLES[example].encode()
    assert build_report(REPORTS[example]) == line + b"\r\n"
    assert parse_report(line) == REPORTS[example]


@pytest.mark.parametrize("example", VIEWS)
def test_lines_to_the_panel(example: str) -> None:
    line = EXAMPLES[example].encode()
    assert build_show(*VIEWS[example]) == line + b"\r\n"
    assert parse_show(line) == VIEWS[example]


def test_what_is_said_in_words() -> None:
    assert f"`123456789` it is {crc16(b'123456789'):04X}" in DOCUMENT
    assert "shows `{}` / `{}`".format(*NO_CONTACT.lines) in DOCUMENT


def test_a_contact_box_written_from_the_document_alone() -> None:
    """An implementation that shares nothing with ours: bit by bit, as a microcontroller would."""
    body = bytes([1, 2]) + (7).to_bytes(2, "big") + (1234).to_bytes(4, "big")
    crc = 0xFFFF
    for byte in body:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    frame = body + crc.to_bytes(2, "big")
    stuffed, code_at = bytearray(1), 0
    for byte in frame:
        if byte:
            stuffed.append(byte)
        else:
            stuffed[code_at] = len(stuffed) - code_at
            code_at = len(stuffed)
            stuffed.append(0)
    stuffed[code_at] = len(stuffed) - code_at
    assert parse_frame(bytes(stuffed)) == XrayFrame(7, XrayState.ON, 1234)
