"""`cathlink layout`: the frame is the source's, what is drawn is what is saved, and a poor drawing is refused."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import uvicorn
from PIL import Image

from daemon.layout_tool.command import _listen
from daemon.layout_tool.grab import FrameGrabber
from daemon.layout_tool.server import LARGEST_DRAWING_BYTES, LayoutEditor, layout_application
from daemon.main import main
from daemon.picture.area import Area
from daemon.picture.layout_file import load_layouts
from hw.capture.pacing import MONOTONIC_CLOCK
from hw.errors import DeviceError
from hw.fake import FakeCapture, Loss, ManualClock, deliveries
from hw.ports import CaptureTiming, GrayPicture, PixelFormat
from provisioning.lab import make_lab

WIDTH, HEIGHT = 320, 240
NAME = {"x": 200, "y": 10, "width": 100, "height": 20}
WORDS = {"x": 16, "y": 12, "width": 80, "height": 24}
DRAWING: dict[str, Any] = {
    "name": "live",
    "image": {"x": 0, "y": 40, "width": 300, "height": 200},
    "identity": [NAME],
    "landmarks": [WORDS],
    "no_identity": False,
    "signed_off_by": "",
}


def console() -> GrayPicture:
    bars = np.random.default_rng(3).integers(0, 2, (HEIGHT // 4, WIDTH // 4), np.uint8) * 200
    return bars.repeat(4, axis=0).repeat(4, axis=1)


def grabber() -> FrameGrabber:
    timing = CaptureTiming(WIDTH, HEIGHT, 30.0, PixelFormat.GRAY8)
    return FrameGrabber(FakeCapture(deliveries([console()] * 100, 30.0), timing, MONOTONIC_CLOCK))


@contextmanager
def served(editor: LayoutEditor) -> Iterator[str]:
    with _listen(0) as listener:
        config = uvicorn.Config(
            layout_application(editor, "127.0.0.1"), http="h11", ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "layout.toml"


@pytest.fixture
def page_url(path: Path) -> Iterator[str]:
    editor = LayoutEditor(grabber(), path)
    editor.grab()
    with served(editor) as url:
        yield url


def post(url: str, content: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(Request(url, content, headers)) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            body = error.read()
        return error.code, json.loads(body) if body.startswith(b"{") else {}


def test_the_frame_is_the_sources_own(page_url: str) -> None:
    with urlopen(f"{page_url}/frame.png") as answer:
        np.testing.assert_array_equal(np.array(Image.open(BytesIO(answer.read()))), console())


def test_what_is_drawn_is_saved_and_found_again(page_url: str, path: Path) -> None:
    status, words = post(f"{page_url}/layouts", json.dumps(DRAWING).encode())
    assert status == 200
    assert str(path) in words["saved"]
    (layout,) = load_layouts(path).layouts
    assert (layout.size, layout.name, layout.image) == (f"{WIDTH}x{HEIGHT}", "live", Area(0, 40, 300, 200))
    assert layout.identity == (Area(**NAME),)
    assert layout.landmarks[0].matches(Area(**WORDS).view(console()))
    with urlopen(f"{page_url}/layouts") as answer:
        assert json.load(answer) == {"size": f"{WIDTH}x{HEIGHT}", "layouts": [DRAWING]}


def test_a_screen_of_the_same_name_is_replaced_and_another_is_added(page_url: str, path: Path) -> None:
    for changes in ({}, {"image": None}, {"name": "review"}):
        assert post(f"{page_url}/layouts", json.dumps(DRAWING | changes).encode())[0] == 200
    assert [(layout.name, layout.image) for layout in load_layouts(path).layouts] == [
        ("live", None),
        ("review", Area(0, 40, 300, 200)),
    ]


def test_a_drawn_layout_takes_the_one_for_any_size_out(page_url: str, path: Path, tmp_path: Path) -> None:
    make_lab(tmp_path / "lab")
    path.write_bytes((tmp_path / "lab" / "layout.toml").read_bytes())
    _, words = post(f"{page_url}/layouts", json.dumps(DRAWING).encode())
    assert "any size was taken out" in words["saved"]
    assert [layout.name for layout in load_layouts(path).layouts] == ["live"]


def test_no_identity_is_signed_with_todays_date(page_url: str, path: Path) -> None:
    drawing = DRAWING | {"identity": [], "no_identity": True}
    assert "signed_off_by" in post(f"{page_url}/layouts", json.dumps(drawing).encode())[1]["problem"]
    assert post(f"{page_url}/layouts", json.dumps(drawing | {"signed_off_by": "K. Ono"}).encode())[0] == 200
    (layout,) = load_layouts(path).layouts
    assert layout.no_identity
    assert (layout.signed_off_by, layout.signed_off_on is not None) == ("K. Ono", True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps(DRAWING | {"identity": []}).encode(), "no identity area"),
        (json.dumps(DRAWING | {"landmarks": []}).encode(), "no landmark"),
        (json.dumps(DRAWING | {"landmarks": [{"x": 1, "y": 1, "width": 4, "height": 4}]}).encode(), "at least 8"),
        (json.dumps(DRAWING | {"landmarks": [{"x": 300, "y": 1, "width": 40, "height": 9}]}).encode(), "not inside"),
        (json.dumps(DRAWING | {"identity": [WORDS]}).encode(), "overlaps"),
        (json.dumps(DRAWING | {"more": 1}).encode(), "unknown field"),
        (b"[]", "Expected"),
        (b"\xff", ""),
        (b" " * (LARGEST_DRAWING_BYTES + 1), ""),
    ],
)
def test_what_is_no_layout_is_refused_in_words(page_url: str, path: Path, content: bytes, words: str) -> None:
    status, answer = post(f"{page_url}/layouts", content)
    assert status == 422
    assert words in answer["problem"]
    assert not path.exists()


def moving_frames(image: Area) -> list[GrayPicture]:
    random = np.random.default_rng(1)
    frames = []
    for number in range(40):
        frame = console()
        image.view(frame)[:] = random.normal(120, 8, (image.height, image.width)).clip(0, 255)
        frame[-12:, 3 * number : 3 * number + 40] = 255  # an ECG strip of its own
        frames.append(frame)
    return frames


def test_the_image_area_is_where_all_moves(tmp_path: Path) -> None:
    image = Area(33, 41, 200, 150)
    timing = CaptureTiming(WIDTH, HEIGHT, 240.0, PixelFormat.GRAY8)
    source = FakeCapture(deliveries(moving_frames(image), 240.0), timing, ManualClock())
    editor = LayoutEditor(FrameGrabber(source), tmp_path / "layout.toml")
    found = editor.find()["image"]
    assert isinstance(found, Area)
    assert [found.x, found.y, found.width, found.height] == pytest.approx([33, 41, 200, 150], abs=2)
    assert editor.size == f"{WIDTH}x{HEIGHT}"


def test_a_held_image_is_not_found(page_url: str) -> None:
    status, answer = post(f"{page_url}/find", b"")
    assert status == 422
    assert "switch the beam on" in answer["problem"]


def test_another_site_gets_nothing(page_url: str, path: Path) -> None:
    content = json.dumps(DRAWING).encode()
    assert post(f"{page_url}/layouts", content, Origin="http://elsewhere.example")[0] == 403
    assert post(f"{page_url}/layouts", content, Host="elsewhere.example")[0] == 403
    assert not path.exists()


def test_a_source_without_frames_is_said() -> None:
    timing = CaptureTiming(WIDTH, HEIGHT, 30.0, PixelFormat.GRAY8)
    clock = ManualClock()
    silent = FrameGrabber(FakeCapture([Loss(0.0, 1.0, DeviceError("no signal"))], timing, clock))
    with pytest.raises(DeviceError, match="no signal"):
        silent.grab()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--clip", "/nowhere.mkv"], "--save is missing"),
        (["--clip", "/nowhere.mkv", "--save", "/tmp/x.toml"], "there is no file"),
        (["--config", "/nowhere.toml"], "no such file"),
    ],
)
def test_the_command_says_what_is_missing(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layout", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_receiver_has_no_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = make_lab(tmp_path)
    assert main(["layout", "--config", str(lab.receiver_config)]) == 2
    assert "a receiver has no source" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/usr/bin/chromium"), reason="Chromium is not installed")
def test_drawing_with_mouse_and_with_keys(page_url: str, path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_url)
        playwright.expect(page.locator("body")).to_have_attribute("data-ready", "yes")
        box = page.locator("#frame").bounding_box()
        scale = box["width"] / WIDTH

        def draw(area: dict[str, int]) -> None:
            x, y = box["x"] + area["x"] * scale, box["y"] + area["y"] * scale
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + area["width"] * scale, y + area["height"] * scale, steps=4)
            page.mouse.up()

        draw(NAME)
        page.get_by_label("Landmark").first.check()
        draw(WORDS)
        page.get_by_role("button", name="Save").click()
        playwright.expect(page.locator("#word")).to_contain_text("Saved in")

        page.get_by_label("Image area").first.focus()  # from here on without the mouse
        page.keyboard.press("Space")
        page.locator("#add").focus()
        page.keyboard.press("Enter")
        for number in ("10", "40", "300", "190"):
            page.keyboard.press("Control+A")
            page.keyboard.type(number)
            page.keyboard.press("Tab")
        page.locator("#save").focus()
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#word")).to_contain_text("Saved in")
        browser.close()
    (layout,) = load_layouts(path).layouts
    assert layout.image == Area(10, 40, 300, 190)
    for drawn, wanted in ((layout.identity[0], NAME), (layout.landmarks[0], WORDS)):
        assert [drawn.x, drawn.y, drawn.width, drawn.height] == pytest.approx(list(wanted.values()), abs=1)
    assert complaints == []
