"""The page in a real browser: what it shows, and above all that it says itself when its picture is old."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import numpy as np
import pytest
from test_display_banner import AGES
from test_display_web import viewer_of

from hw.display.banner import LATENCY_LABELS
from hw.display.web import WebDisplay
from hw.display.web.jpeg import JpegEncoder
from hw.display.web.watch import MAX_VIEWERS, Update
from hw.overlay import (
    NOTHING_OVER,
    Command,
    CommandInput,
    FrozenPicture,
    Overlay,
    Phase,
    PointerInput,
    Shape,
    ShapeKind,
    ToolButton,
)
from hw.ports import Banner, GrayPicture, Tone

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="Chromium is not installed"),
]

LIVE = Banner(Tone.GOOD, "LIVE", "", 70, 83, 4, Tone.GOOD)
LINK_STALLED = Banner(Tone.ALARM, "LINK STALLED", "no packet for 3.2 s", 75_000, 310, 40, Tone.ALARM)
READ_CANVAS = """(canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
    copy.drawImage(canvas, 0, 0);
    return Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data);
}"""
STOPPED_CLOCK = "window.nowMs = 1000; performance.now = () => window.nowMs;"


def expect(locator: Any) -> Any:
    return playwright.expect(locator)


class Presenter:
    """Shows every 20 ms, as the presenter's stage does."""

    def __init__(self, port: int = 0) -> None:
        self.display = WebDisplay("127.0.0.1", port)
        self.banner = LIVE
        self.picture: GrayPicture | None = np.zeros((64, 64), np.uint8)
        self.overlay = NOTHING_OVER
        self.moves = True
        self._silent = threading.Event()
        self.display.open()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        shade = 0
        while not self._silent.wait(0.02):
            if self.moves:
                shade = (shade + 16) % 256
                self.display.show(np.full((64, 64), shade, np.uint8), self.banner, is_new=True, overlay=self.overlay)
            else:
                self.display.show(self.picture, self.banner, is_new=self.picture is not None)

    def fall_silent(self) -> None:
        self._silent.set()
        self._thread.join()

    def die(self) -> None:
        self.fall_silent()
        self.display.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def presenter() -> Iterator[Presenter]:
    presenter = Presenter()
    yield presenter
    presenter.die()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that may complain of nothing but a lost connection."""
    complaints: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    yield page
    page.close()
    assert [complaint for complaint in complaints if "WebSocket connection" not in complaint] == []


def pixels(page: Any) -> GrayPicture:
    canvas = page.locator("#picture")
    rgba = np.array(canvas.evaluate(READ_CANVAS), np.uint8).reshape(-1, 4)
    assert (rgba[:, 0] == rgba[:, 1]).all()
    assert (rgba[:, 0] == rgba[:, 2]).all()
    return rgba[:, 0]


def test_the_picture_moves(page: Any, presenter: Presenter) -> None:
    page.goto(presenter.display.address)
    expect(page.locator("#picture")).to_be_visible()
    shades: set[int] = set()
    number = page.locator("#number")
    while len(shades) < 3:
        before = number.text_content()
        shades.add(int(pixels(page)[0]))
        expect(number).not_to_have_text(before)


def test_all_greys_arrive_as_they_are(page: Any, presenter: Presenter) -> None:
    """Each grey fills whole blocks of the JPEG, so its compression changes none."""
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(16, axis=0).repeat(16, axis=1)
    presenter.moves, presenter.picture = False, greys
    page.goto(presenter.display.address)
    expect(page.locator("#picture")).to_have_attribute("width", "256")
    np.testing.assert_array_equal(pixels(page), greys.ravel())


def test_the_banner_says_what_the_receiver_says(page: Any, presenter: Presenter) -> None:
    page.goto(presenter.display.address)
    expect(page.locator("#state")).to_have_text("LIVE")
    expect(page.locator("body")).to_have_attribute("data-tone", "good")
    expect(page.locator("#latency")).to_have_text("83 ms ±4")
    presenter.banner = LINK_STALLED
    expect(page.locator("#state")).to_have_text("LINK STALLED")
    expect(page.locator("#cause")).to_have_text("no packet for 3.2 s")
    expect(page.locator("body")).to_have_attribute("data-tone", "alarm")
    expect(page.locator("#latency")).to_have_text("310 ms ±40")
    expect(page.locator("#latency-label")).to_have_text(LATENCY_LABELS[Tone.ALARM])
    expect(page.locator("#age")).to_have_text("1:16 min")
    expect(page.locator("#stalled")).to_be_hidden()


def test_the_banner_stands_beside_the_picture(page: Any, presenter: Presenter) -> None:
    for width, height in ((1600, 900), (768, 1024), (390, 780), (780, 390)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(presenter.display.address)
        expect(page.locator("#picture")).to_be_visible()
        banner, picture = page.locator("header").bounding_box(), page.locator("main").bounding_box()
        assert banner["y"] + banner["height"] <= picture["y"]
        assert picture["y"] + picture["height"] <= height
        assert picture["height"] >= height / 2
        presenter.banner = LINK_STALLED
        expect(page.locator("#state")).to_have_text("LINK STALLED")
        assert page.locator("main").bounding_box() == picture, "the picture stays where it is"
        presenter.banner = LIVE


def test_a_withheld_picture_is_gone(page: Any, presenter: Presenter) -> None:
    page.goto(presenter.display.address)
    expect(page.locator("#picture")).to_be_visible()
    presenter.moves, presenter.picture = False, None
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#empty")).to_be_visible()


def test_the_page_says_itself_when_word_stops(page: Any, presenter: Presenter) -> None:
    """One update, on a clock that the test moves: calm for 300 ms, then an alarm, and the age grows."""
    update = Update(
        serial=1,
        waited_ms=0.0,
        number=7,
        jpeg_follows=True,
        behind_ms=0.0,
        tone=Tone.GOOD,
        state="LIVE",
        cause="",
        age_ms=70.0,
        latency="83 ms ±4",
        latency_label="latency",
        latency_tone=Tone.GOOD,
    )

    encoder = JpegEncoder()
    jpeg = encoder.encode(np.full((64, 64), 99, np.uint8))
    encoder.close()

    def serve(socket: Any) -> None:
        socket.send(msgspec.json.encode(update).decode())
        socket.send(jpeg)

    page.add_init_script(STOPPED_CLOCK)
    page.route_web_socket("**/watch", serve)
    page.goto(presenter.display.address)
    age, state, stalled = page.locator("#age"), page.locator("#state"), page.locator("#stalled")
    expect(state).to_have_text("LIVE")

    page.evaluate("window.nowMs = 1300")
    expect(age).to_have_text("0.4 s")
    assert (state.text_content(), stalled.is_hidden()) == ("LIVE", True)

    page.evaluate("window.nowMs = 1331")
    expect(stalled).to_be_visible()
    expect(stalled).to_contain_text("PAGE STALLED - picture is old")
    expect(page.locator("#stalled-age")).to_have_text("age 0.5 s")
    expect(state).to_have_text("PAGE STALLED")
    expect(page.locator("body")).to_have_attribute("data-tone", "alarm")
    expect(page.locator("#latency")).to_have_text("unknown")
    expect(page.locator("#picture")).to_be_visible()
    assert "brightness" in page.locator("#picture").evaluate("(canvas) => getComputedStyle(canvas).filter")

    page.evaluate("window.nowMs = 76_000")
    expect(page.locator("#stalled-age")).to_have_text("age 1:16 min")


def test_the_page_says_itself_when_the_presenter_falls_silent(page: Any, presenter: Presenter) -> None:
    """The server lives and has nothing true to say any more."""
    page.goto(presenter.display.address)
    expect(page.locator("#state")).to_have_text("LIVE")
    presenter.fall_silent()
    expect(page.locator("#state")).to_have_text("PAGE STALLED")
    expect(page.locator("#picture")).to_be_visible()


def test_the_page_survives_the_server_and_finds_the_next(page: Any) -> None:
    presenter = Presenter()
    page.goto(presenter.display.address)
    expect(page.locator("#state")).to_have_text("LIVE")
    port = int(presenter.display.address.rstrip("/").rsplit(":", 1)[1])
    presenter.die()
    expect(page.locator("#state")).to_have_text("PAGE STALLED")
    expect(page.locator("#picture")).to_be_visible()
    presenter = Presenter(port)
    try:
        expect(page.locator("#state")).to_have_text("LIVE")
        expect(page.locator("#stalled")).to_be_hidden()
    finally:
        presenter.die()


def test_one_viewer_too_many_is_told_so_and_gets_the_next_free_place(page: Any, presenter: Presenter) -> None:
    with ExitStack() as watchers:
        for _ in range(MAX_VIEWERS):
            watchers.enter_context(viewer_of(presenter.display))
        page.goto(presenter.display.address)
        expect(page.locator("#cause")).to_have_text("8 viewers watch already")
    expect(page.locator("#state")).to_have_text("LIVE", timeout=15_000)


@pytest.mark.parametrize(("age_ms", "words"), AGES)
def test_the_page_words_ages_as_the_receiver_does(
    page: Any, presenter: Presenter, age_ms: int | None, words: str
) -> None:
    page.goto(presenter.display.address)
    assert page.evaluate("async (age) => (await import('/page.js')).ageWords(age)", age_ms) == words


def test_a_hand_on_the_page_is_taken_at_the_pixel_where_it_is(page: Any, presenter: Presenter) -> None:
    page.set_viewport_size({"width": 900, "height": 700})
    page.goto(presenter.display.address)
    expect(page.locator("#picture")).to_be_visible()
    box = page.locator("#picture").bounding_box()
    scale = min(box["width"], box["height"]) / 64
    left = box["x"] + (box["width"] - 64 * scale) / 2
    top = box["y"] + (box["height"] - 64 * scale) / 2
    page.mouse.move(left + 10.5 * scale, top + 20.5 * scale)
    page.mouse.down()
    page.mouse.move(left + 40.5 * scale, top + 50.5 * scale)
    page.mouse.up()
    page.keyboard.press("f")
    taken: list[Any] = []

    def has_all() -> bool:
        taken.extend(presenter.display.take_inputs())
        return len(taken) >= 5

    deadline = time.monotonic() + 10
    while not has_all() and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    pointers = [item for item in taken if isinstance(item, PointerInput)]
    assert [item.phase for item in pointers] == [Phase.HOVER, Phase.PRESS, Phase.DRAG, Phase.RELEASE]
    assert [tuple(map(int, item.position)) for item in pointers] == [(10, 20), (10, 20), (40, 50), (40, 50)]
    assert taken[-1] == CommandInput(Command.FREEZE)


def test_strokes_are_drawn_over_the_picture_and_frozen_is_written_above_the_frozen_one(
    page: Any, presenter: Presenter
) -> None:
    stroke = Shape(ShapeKind.PATH, ((10.5, 20.5), (40.5, 20.5)), (255, 214, 10))
    frozen = FrozenPicture(5, np.full((64, 64), 90, np.uint8), 2300, "", (stroke,), is_large=False)
    presenter.overlay = Overlay((stroke,), frozen, (ToolButton(Command.CLEAR, "clear"),))
    page.goto(presenter.display.address)
    expect(page.locator("#frozen-label")).to_have_text("FROZEN - 2.3 s old")
    expect(page.locator("#tools button")).to_have_text("clear")
    for canvas in ("#live-marks", "#frozen-marks"):
        page.wait_for_function(
            """(id) => { const canvas = document.querySelector(id);
            const pixel = new OffscreenCanvas(1, 1).getContext("2d");
            const at = canvas.width / 64;
            pixel.drawImage(canvas, -25.5 * at, -20.5 * at);
            const [r, g, b] = pixel.getImageData(0, 0, 1, 1).data;
            return r > 240 && g > 200 && b < 40; }""",
            arg=canvas,
        )
    page.locator("#tools button").click()
    deadline = time.monotonic() + 10
    taken: list[Any] = []
    while CommandInput(Command.CLEAR) not in taken and time.monotonic() < deadline:
        taken.extend(presenter.display.take_inputs())
        page.wait_for_timeout(20)
    assert CommandInput(Command.CLEAR) in taken
    presenter.overlay = NOTHING_OVER
    expect(page.locator("#frozen")).to_be_hidden()
