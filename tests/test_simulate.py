"""`cathlink simulate`: prints a port that real pyserial opens, keys work the device, and nothing is left behind."""

import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from daemon.main import main
from hw.serial.xray import parse_frame

DEADLINE_S = 20.0


@contextmanager
def simulating(*arguments: str, stdin: int = subprocess.PIPE) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "simulate", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    timer = threading.Timer(DEADLINE_S, process.kill)  # so that nothing here waits for ever
    timer.start()
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()
        timer.cancel()


def lines_until(process: "subprocess.Popen[bytes]", words: str) -> str:
    """What it prints up to the line with `words`."""
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline().decode()
        assert line, f"it ended without {words!r}: {text}"
        text += line
    return text


def test_the_switcher_answers_on_the_port_that_is_printed() -> None:
    with simulating("switcher", "--inputs", "2") as process:
        assert process.stdout is not None
        path = process.stdout.readline().decode().strip()
        with serial.Serial(path, 9600, timeout=DEADLINE_S) as port:
            port.write(b"2!")
            while (line := port.readline()).startswith(b"(C) Copyright"):  # it may have started just now
                pass
            assert line == b"In2 All\r\n"
            port.write(b"3!")
            assert port.readline() == b"E01\r\n"
        with serial.Serial(path, 9600, timeout=DEADLINE_S) as port:  # and again
            port.write(b"I")
            assert port.readline() == b"In2 All\r\n"


def test_keys_through_a_pipe_work_the_contact_box_and_its_end_does_not_end_it(tmp_path: Path) -> None:
    link = tmp_path / "xray"
    with simulating("xray", "--link", str(link)) as process:
        lines_until(process, "X-ray off")
        assert process.stdin is not None
        process.stdin.write(b"o")
        process.stdin.close()
        process.stdin = None
        lines_until(process, "X-ray on")
        with serial.Serial(str(link), 115_200, timeout=DEADLINE_S) as port:
            port.read_until(b"\0")
            frame = parse_frame(port.read_until(b"\0")[:-1])
        assert frame is not None
        assert frame.lasts_ms > 0
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        assert not link.is_symlink()


def test_the_contact_box_by_a_schedule() -> None:
    with simulating("xray", "--on", "0.05", "--off", "0.05") as process:
        assert lines_until(process, "X-ray on\nX-ray off\nX-ray on\nX-ray off")


def test_at_a_terminal_each_key_counts_at_once_and_the_terminal_is_left_as_it_was() -> None:
    keyboard, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    with simulating("panel", stdin=terminal) as process:
        lines_until(process, "tap the call button")
        os.write(keyboard, b"h")
        lines_until(process, "button down")
        process.terminate()
        process.wait(DEADLINE_S)
    assert termios.tcgetattr(terminal) == before
    os.close(keyboard)
    os.close(terminal)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["xray", "--on", "3"], "--on and --off go together"),
        (["panel", "--link", "/nowhere/panel"], "--link /nowhere/panel: cannot be made"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *arguments]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_link_that_is_no_link_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("precious")
    assert main(["simulate", "panel", "--link", str(tmp_path / "file")]) == 1
    assert (tmp_path / "file").read_text() == "precious"
