"""`cathlink demo` as a new user meets it: one command, a picture that moves in the browser, Ctrl-C ends it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hw.select import capture_device
from tests.conftest import WriteClip

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
UP_LIMIT_S = 60.0
ANNOUNCEMENT = re.compile(r"Live picture: (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends the demo\)")

pytestmark = pytest.mark.slow


class Demo:
    """The command in a process group of its own, as a terminal starts it."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def address(self) -> str:
        """Reads up to the announcement. Ends the demo when it never comes, so that the test fails with its output."""
        alarm = threading.Timer(UP_LIMIT_S, self.process.kill)
        alarm.start()
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if found := ANNOUNCEMENT.search(line):
                    return found[1]
        finally:
            alarm.cancel()
        raise AssertionError("".join(self.lines))

    def end(self, signal_number: int) -> tuple[int, float]:
        """Exit code, and the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(signal_number)
        code = self.process.wait(10)
        return code, time.monotonic() - started

    def leftovers(self, folder: Path) -> list[str]:
        return [path.name for path in folder.iterdir() if path.name.startswith("cathlink-demo-")]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    demos: list[Demo] = []

    def start(*arguments: str) -> Demo:
        demos.append(Demo(*arguments))
        return demos[-1]

    yield start
    for demo in demos:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)
        assert demo.process.stdout is not None
        demo.process.stdout.close()


@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="Chromium is not installed")
def test_the_page_shows_a_moving_picture_and_ctrl_c_ends_it(start: Any, tmp_path: Path) -> None:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        demo = start("--port", "0")
        page.goto(demo.address())
        playwright.expect(page.locator("#picture")).to_be_visible(timeout=3000)
        # The beam rests for 3 s of every 11: the state may rightly be HELD at first.
        playwright.expect(page.locator("#state")).to_have_text("LIVE", timeout=6000)
        first = page.locator("#picture").screenshot()
        number = page.locator("#number").text_content()
        playwright.expect(page.locator("#number")).not_to_have_text(number, timeout=3000)
        assert page.locator("#picture").screenshot() != first
        browser.close()
    code, took_s = demo.end(signal.SIGINT)
    assert code == 0
    assert took_s < 2.0
    assert demo.leftovers(tmp_path) == []


@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="Chromium is not installed")
def test_a_recorded_angiogram_moves_in_the_page_within_three_seconds(start: Any, write_clip: WriteClip) -> None:
    """512x512 at 15 images a second, as angiograms come; only a page that follows it is satisfied within the limit."""
    phantom = capture_device("phantom:512x512@15?beam_on_s=30&beam_off_s=0")
    phantom.open()
    frames = [phantom.read(1.0) for _ in range(30)]
    phantom.close()
    clip = write_clip([frame.pixels for frame in frames if frame is not None], rate_hz=15)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        demo = start("--port", "0", "--clip", str(clip))
        address = demo.address()
        up_s = time.monotonic()
        page.goto(address)
        playwright.expect(page.locator("#state")).to_have_text("LIVE", timeout=3000)
        first = page.locator("#picture").screenshot()
        number = page.locator("#number").text_content()
        playwright.expect(page.locator("#number")).not_to_have_text(number, timeout=3000)
        assert page.locator("#picture").screenshot() != first
        took_s = time.monotonic() - up_s
        browser.close()
    assert took_s < 3.0


def test_a_taken_port_is_said_and_the_next_one_used(start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        demo = start("--port", str(taken))
        address = demo.address()
    assert f"http://127.0.0.1:{taken}/" != address
    assert f"port {taken} is taken" in "".join(demo.lines)
    assert demo.end(signal.SIGTERM)[0] == 0


def test_a_clip_that_cannot_be_read_is_said_with_the_senders_words(start: Any, tmp_path: Path) -> None:
    clip = tmp_path / "notes.txt"
    clip.write_text("no recording")
    demo = start("--port", "0", "--clip", str(clip))
    output = demo.process.communicate(timeout=UP_LIMIT_S)[0]
    assert demo.process.returncode in (1, 2)
    assert "notes.txt" in output
    assert "Traceback" not in output
