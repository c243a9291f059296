"""The console as people meet it: a real broker, a box that is managed for real, Chromium."""

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from daemon.lab_broker import free_tcp_port
from daemon.states import PictureState
from tests.manage.rig import ManagedBox, ManagedLab, managed_lab, wait_until

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PASSWORD = "a password for tests"
TOLD_LIMIT_MS = 2000
UP_LIMIT_S = 30.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="Chromium is not installed"),
]


class Served:
    """`cathlink-console serve` for a lab."""

    def __init__(self, lab: ManagedLab) -> None:
        self.config = lab.folder / "console.toml"
        port = free_tcp_port()
        self.config.write_text(self.config.read_text().replace("127.0.0.1:8081", f"127.0.0.1:{port}"))
        self.address = f"http://127.0.0.1:{port}"
        self.run("user", "ann", "--role", "administrator", given=PASSWORD)
        self.log = lab.folder / "console.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*self._command(), "serve"], stdout=log, stderr=log)
        wait_until(self._is_connected, "the console is connected to the broker", UP_LIMIT_S)

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "console.cli", "--config", str(self.config)]

    def run(self, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self._command(), *arguments], input=given, text=True, capture_output=True, check=False)

    def _is_connected(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.address}/alive", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ManagedLab]:
    with managed_lab(tmp_path) as lab:
        yield lab


@pytest.fixture
def served(lab: ManagedLab) -> Iterator[Served]:
    served = Served(lab)
    yield served
    served.close()


@pytest.fixture
def page(served: Served) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(served.address)
        page.fill("input[name=name]", "ann")
        page.fill("input[name=password]", PASSWORD)
        page.click("form button")
        yield page
        browser.close()
        assert problems == []


def _change(box: ManagedBox, state: PictureState) -> None:
    box.box.state = state
    box.note_event(f"picture is {state.words}")


def test_a_picture_that_goes_and_comes_back_is_told_within_two_seconds(lab: ManagedLab, page: Any) -> None:
    box = lab.box()
    box.box.state = PictureState.LIVE
    card = page.locator(".devices a")
    playwright.expect(card).to_contain_text("LIVE", timeout=15_000)
    for state in (PictureState.LINK_STALLED, PictureState.LIVE):
        threading.Event().wait(1.0)  # not in step with the healths
        began = time.monotonic()
        _change(box, state)
        playwright.expect(card).to_contain_text(state.words, timeout=TOLD_LIMIT_MS)
        assert time.monotonic() - began < TOLD_LIMIT_MS / 1000
    card.click()
    playwright.expect(page.locator("#picture")).to_contain_text("LIVE")
    playwright.expect(page.locator("#charts path").first).to_be_attached(timeout=15_000)
    playwright.expect(page.locator("#events")).to_contain_text("picture is LINK STALLED")


def test_a_command_signed_in_the_browser_is_answered_by_the_box(lab: ManagedLab, page: Any, served: Served) -> None:
    box = lab.box()
    page.goto(f"{served.address}/keys")
    page.set_input_files("#key-file", str(lab.folder / "operator.key"))
    playwright.expect(page.locator("#key-id")).to_be_visible()
    page.goto(f"{served.address}/device/lab/sender.lab.cathlink")
    page.get_by_role("button", name="identify").click(timeout=15_000)
    page.get_by_role("button", name="Send").click()
    answers = page.locator("#answers")
    playwright.expect(answers).to_contain_text("done", timeout=10_000)
    playwright.expect(answers).to_contain_text("signed by the device")
    playwright.expect(answers).not_to_contain_text("NOT signed")
    wait_until(lambda: [call for call in box.box.calls if call[0] == "identify"], "the box was asked to identify")

    def is_in_the_history() -> bool:
        page.goto(f"{served.address}/audit")
        return "identify" in page.locator("table").inner_text()

    wait_until(is_in_the_history, "it is among the commands sent")


def test_no_page_has_a_serious_accessibility_fault(lab: ManagedLab, page: Any, served: Served) -> None:
    lab.box()
    playwright.expect(page.locator(".devices a")).to_be_visible(timeout=15_000)
    for path in ("/", "/device/lab/sender.lab.cathlink", "/events", "/audit", "/keys", "/nothing"):
        page.goto(served.address + path)
        faults = Axe().run(page).response["violations"]
        assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == [], path


def test_the_terminal_lists_shows_and_commands(lab: ManagedLab, served: Served) -> None:
    box = lab.box()
    box.box.state = PictureState.LIVE
    wait_until(lambda: '"online"' in served.run("list", "--json").stdout, "the box is listed as online", UP_LIMIT_S)
    assert "sender.lab.cathlink" in served.run("list").stdout
    assert '"challenge"' in served.run("show", "sender.lab.cathlink").stdout
    key = str(lab.folder / "operator.key")
    sent = served.run("send", "sender.lab.cathlink", "identify", "--key", key)
    assert (sent.returncode, sent.stdout.split()[0]) == (0, "done"), sent.stderr
    refused = served.run("send", "sender.lab.cathlink", "nonsense", "--key", key)
    assert refused.returncode == 1
    assert refused.stdout.startswith("refused")
    other = lab.folder / "other.key"
    served.run("keys", "new", str(other))
    unknown = served.run("send", "sender.lab.cathlink", "identify", "--key", str(other))
    assert unknown.returncode == 2
    assert "does not know key" in unknown.stderr
    assert served.run("show", "nobody").returncode == 1
