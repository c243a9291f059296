import http.client
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from typing import Any
from unittest.mock import Mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from hw.display.web import WebDisplay
from hw.display.web.watch import MAX_VIEWERS, Shown, _update, _Viewer
from hw.errors import DeviceError
from hw.overlay import (
    Command,
    CommandInput,
    FrozenPicture,
    Input,
    Overlay,
    Pane,
    Phase,
    PointerInput,
    Shape,
    ShapeKind,
    ToolButton,
)
from hw.ports import Banner, ChromaSampling, ColourCoding, ColourMatrix, ColourPicture, GrayPicture, Tone

LIVE = Banner(Tone.GOOD, "LIVE", "all is well", 70, 83, 4, Tone.GOOD)
DEADLINE_S = 10.0


def flat(grey: int) -> GrayPicture:
    return np.full((48, 64), grey, np.uint8)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"never happened: {what}"
        time.sleep(0.002)


@pytest.fixture
def display() -> Iterator[WebDisplay]:
    shown = WebDisplay("127.0.0.1", 0)
    shown.open()
    yield shown
    shown.close()


class Viewer:
    """A page without a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def hear(self) -> tuple[dict[str, Any], npt.NDArray[np.uint8] | None]:
        update = json.loads(self.socket.recv(DEADLINE_S))
        if not update["jpeg_follows"]:
            return update, None
        jpeg = self.socket.recv(DEADLINE_S)
        assert isinstance(jpeg, bytes)
        image = Image.open(io.BytesIO(jpeg))
        assert image.format == "JPEG"
        return update, np.asarray(image)

    def answer(self, update: dict[str, Any]) -> None:
        self.socket.send(str(update["serial"]))


@contextmanager
def viewer_of(display: WebDisplay) -> Iterator[Viewer]:
    """Watches, and the server knows it."""
    viewers = viewers_of(display)
    with connect(watch_address(display), compression=None) as socket:
        wait_until(lambda: viewers_of(display) > viewers, "the server counts the viewer")
        yield Viewer(socket)


def viewers_of(display: WebDisplay) -> int:
    assert display._page is not None
    return display._page.viewers


def watch_address(display: WebDisplay) -> str:
    return display.address.replace("http", "ws") + "watch"


def ask(display: WebDisplay, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(re.sub(r"http://|/", "", display.address), timeout=DEADLINE_S)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read()
    connection.close()
    return result


def test_a_new_picture_comes_with_its_banner(display: WebDisplay) -> None:
    with viewer_of(display) as viewer:
        display.show(flat(100), LIVE, is_new=True)
        update, picture = viewer.hear()
    np.testing.assert_array_equal(picture, flat(100))
    assert update["number"] == 1
    assert (update["tone"], update["state"], update["cause"]) == ("good", "LIVE", "all is well")
    assert (update["latency"], update["latency_label"], update["latency_tone"]) == ("83 ms ±4", "latency", "good")
    assert update["age_ms"] >= 70
    assert update["behind_ms"] == 0


def test_a_colour_picture_comes_in_colour(display: WebDisplay) -> None:
    chroma = np.stack([np.full((48, 64), 90, np.uint8), np.full((48, 64), 240, np.uint8)])
    coded = ColourPicture(flat(63), chroma, ColourCoding(ChromaSampling.FULL, ColourMatrix.BT709))
    with viewer_of(display) as viewer:
        display.show(coded, LIVE, is_new=True)
        _, pixels = viewer.hear()
    assert pixels is not None
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels - np.array([239, 18, 0])).max() <= 3  # red, green, blue by BT.709, and what JPEG adds


def test_the_banner_moves_on_without_a_new_picture(display: WebDisplay) -> None:
    with viewer_of(display) as viewer:
        display.show(flat(100), LIVE, is_new=True)
        viewer.answer(viewer.hear()[0])
        display.show(flat(100), Banner(Tone.ALARM, "LINK STALLED", "", 400, None, None, Tone.NOTICE), is_new=False)
        update, picture = viewer.hear()
    assert picture is None
    assert (update["state"], update["tone"], update["latency"]) == ("LINK STALLED", "alarm", "unknown")


def test_a_viewer_gets_the_newest_only_and_only_when_it_has_answered(display: WebDisplay) -> None:
    with viewer_of(display) as viewer:
        display.show(flat(0), LIVE, is_new=True)
        first, _ = viewer.hear()
        for grey in range(1, 11):
            display.show(flat(grey), LIVE, is_new=True)
        viewer.answer(first)
        second, picture = viewer.hear()
        np.testing.assert_array_equal(picture, flat(10))
        assert (second["serial"], second["number"]) == (first["serial"] + 1, 11)


def test_a_withheld_picture_is_taken_off_the_page_and_comes_back(display: WebDisplay) -> None:
    with viewer_of(display) as viewer:
        display.show(flat(9), LIVE, is_new=True)
        viewer.answer(viewer.hear()[0])
        display.show(None, LIVE, is_new=False)
        update, picture = viewer.hear()
        assert (update["number"], picture) == (None, None)
        viewer.answer(update)
        display.show(flat(9), LIVE, is_new=False)
        update, picture = viewer.hear()
        assert update["number"] == 1
        np.testing.assert_array_equal(picture, flat(9))


def test_who_comes_late_gets_the_picture_that_stands(display: WebDisplay) -> None:
    display.show(flat(50), LIVE, is_new=True)
    with viewer_of(display) as viewer:
        display.show(flat(50), LIVE, is_new=False)
        np.testing.assert_array_equal(viewer.hear()[1], flat(50))


def test_nothing_is_told_of_a_picture_that_cannot_come_with_it(display: WebDisplay) -> None:
    """A picture shown just before the viewer came has no pixels kept: what the page hears first must be true."""
    assert display._page is not None
    with viewer_of(display) as viewer:
        display._page.publish(Shown(LIVE, 1, None, time.monotonic_ns()))
        assert ask(display, "/healthz")[0] == 200  # by now the viewer has been told, or not
        display.show(flat(5), LIVE, is_new=True)
        update, picture = viewer.hear()
    assert update["serial"] == 1
    np.testing.assert_array_equal(picture, flat(5))


def test_pictures_are_copied_only_while_somebody_watches(display: WebDisplay) -> None:
    display.show(flat(1), LIVE, is_new=True)
    assert display._pixels is None
    with viewer_of(display) as viewer:
        picture = flat(1)
        display.show(picture, LIVE, is_new=True)
        picture[:] = 255  # the caller may
        np.testing.assert_array_equal(viewer.hear()[1], flat(1))
    wait_until(lambda: viewers_of(display) == 0, "the server counts the viewer out")
    display.show(flat(2), LIVE, is_new=False)
    assert display._pixels is None


def test_one_encoding_serves_all_viewers(display: WebDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    assert display._page is not None
    encoder = display._page._encoder
    encode = Mock(wraps=encoder.encode)
    monkeypatch.setattr(encoder, "encode", encode)
    with viewer_of(display) as one, viewer_of(display) as two:
        display.show(flat(77), LIVE, is_new=True)
        for viewer in (one, two):
            np.testing.assert_array_equal(viewer.hear()[1], flat(77))
    assert encode.call_count == 1


def test_a_viewer_that_does_not_answer_holds_up_nobody(display: WebDisplay) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024), np.uint8)
    with viewer_of(display), viewer_of(display) as viewer:
        for _ in range(30):
            display.show(noise, LIVE, is_new=True)
            update, picture = viewer.hear()
            assert picture is not None
            viewer.answer(update)


def test_an_update_names_how_far_the_page_is_behind() -> None:
    """The page's picture was born 500 ms before the receiver's: its age counts for the page, not the receiver's."""
    now_ns = time.monotonic_ns()
    viewer = _Viewer()
    viewer.holds = Shown(LIVE, 1, None, now_ns - 500_000_000)
    update = _update(Shown(LIVE, 2, None, now_ns), viewer, jpeg_follows=False)
    assert update.behind_ms == pytest.approx(500)
    assert update.age_ms is not None
    assert update.age_ms >= 570
    held = Banner(Tone.NOTICE, "HELD", "", 9000, 83, 4, Tone.GOOD)
    assert _update(Shown(held, 1, None, now_ns), viewer, jpeg_follows=False).behind_ms == 0


def test_more_viewers_than_it_serves_are_refused_with_a_reason(display: WebDisplay) -> None:
    with ExitStack() as watchers:
        for _ in range(MAX_VIEWERS):
            watchers.enter_context(viewer_of(display))
        with (
            connect(watch_address(display)) as one_more,
            pytest.raises(ConnectionClosed) as no,
        ):
            one_more.recv(DEADLINE_S)
        assert no.value.rcvd is not None
        assert (no.value.rcvd.code, no.value.rcvd.reason) == (1013, "8 viewers watch already")
    wait_until(lambda: viewers_of(display) == 0, "places become free though nothing is shown")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=20) | st.binary(max_size=20))
def test_an_answer_that_is_none_ends_that_viewer_alone(display: WebDisplay, answer: str | bytes) -> None:
    with viewer_of(display) as viewer:
        display.show(flat(1), LIVE, is_new=True)
        if answer == str(viewer.hear()[0]["serial"]):
            return
        viewer.socket.send(answer)
        with pytest.raises(ConnectionClosed) as end:
            viewer.socket.recv(DEADLINE_S)
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == 1008
    wait_until(lambda: viewers_of(display) == 0, "its place becomes free")
    assert ask(display, "/healthz")[0] == 200


def test_an_answer_does_not_count_twice(display: WebDisplay) -> None:
    with viewer_of(display) as viewer:
        display.show(flat(1), LIVE, is_new=True)
        update, _ = viewer.hear()
        viewer.answer(update)
        viewer.answer(update)
        with pytest.raises(ConnectionClosed):
            viewer.socket.recv(DEADLINE_S)


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/healthz"])
def test_every_answer_carries_the_security_headers(display: WebDisplay, path: str) -> None:
    _, headers, _ = ask(display, path)
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "server" not in headers


@pytest.mark.parametrize("name", ["index.html", "page.css", "page.js"])
def test_the_page_asks_nobody_else(name: str) -> None:
    text = resources.files("hw.display.web").joinpath(name).read_text()
    assert not re.search(r"//[a-z0-9-]+\.[a-z]|url\(|@import|style=|<style|\son[a-z]+=\"", text)


def test_other_sites_get_nothing(display: WebDisplay) -> None:
    watch = watch_address(display)
    elsewhere, here = Origin("http://elsewhere.example"), Origin(display.address.rstrip("/"))
    with pytest.raises(InvalidStatus) as refused, connect(watch, origin=elsewhere):
        pass
    assert refused.value.response.status_code == 403
    assert ask(display, "/", Host="elsewhere.example")[0] == 403
    assert ask(display, "/", Host="[")[0] == 403
    assert ask(display, "/", Host="localhost:1")[0] == 200
    with connect(watch, origin=here):
        pass


def test_health_is_that_of_the_presenter(display: WebDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(display, "/healthz")[0] == 503
    display.show(None, LIVE, is_new=False)
    status, _, body = ask(display, "/healthz")
    assert (status, json.loads(body)["status"], json.loads(body)["viewers"]) == (200, "ok", 0)
    monkeypatch.setattr("hw.display.web.server.SILENT_PRESENTER_MS", 0)
    assert ask(display, "/healthz")[0] == 503


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(DeviceError, match=rf"port {port} is in use: .*give another port"):
            WebDisplay("127.0.0.1", port).open()


def test_an_address_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"cannot listen on 192\.0\.2\.1"):
        WebDisplay("192.0.2.1", 0).open()


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://localhost:"), ("0.0.0.0", "http://localhost:")],
)
def test_the_address_can_be_opened(host: str, address: str, caplog: pytest.LogCaptureFixture) -> None:
    display = WebDisplay(host, 0)
    display.open()
    try:
        assert display.address.startswith(address)
        assert ask(display, "/")[0] == 200
    finally:
        display.close()
    warned = [record.message for record in caplog.records if "without login" in record.message]
    assert bool(warned) == (host == "0.0.0.0")


UPGRADE = (
    "GET /watch HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def test_it_closes_cleanly_though_a_viewer_never_reads(capfd: pytest.CaptureFixture[str]) -> None:
    display = WebDisplay("127.0.0.1", 0)
    display.open()
    assert display._server is not None
    connections = display._server._uvicorn.server_state.connections
    with socket.create_connection(("127.0.0.1", display._server.port)) as deaf:
        deaf.sendall(UPGRADE.encode())
        wait_until(lambda: viewers_of(display) == 1, "the server counts the viewer")
        display.show(np.random.default_rng(0).integers(0, 256, (4096, 4096), np.uint8), LIVE, is_new=True)
        wait_until(
            lambda: any(connection.transport.get_write_buffer_size() > 0 for connection in connections),
            "the picture is stuck in front of the viewer",
        )
        closing = threading.Thread(target=display.close)
        closing.start()
        closing.join(DEADLINE_S)
        assert not closing.is_alive()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("web-")]
    assert capfd.readouterr() == ("", "")


def test_a_server_that_died_is_an_error(display: WebDisplay) -> None:
    assert display._server is not None
    display._server._uvicorn.should_exit = True
    wait_until(lambda: display._server is not None and not display._server.is_alive(), "the server ends")
    with pytest.raises(DeviceError, match="server has stopped"):
        display.show(None, LIVE, is_new=False)


def test_what_people_do_on_a_page_is_taken_as_input(display: WebDisplay) -> None:
    taken: list[Input] = []

    def has_two() -> bool:
        taken.extend(display.take_inputs())
        return len(taken) == 2

    with viewer_of(display) as viewer:
        viewer.socket.send('[{"type":"pointer","phase":"press","pane":"live","x":10.5,"y":2}]')
        viewer.socket.send('[{"type":"command","command":"freeze"}]')
        wait_until(has_two, "both inputs")
    assert taken == [PointerInput(Phase.PRESS, Pane.LIVE, (10.5, 2)), CommandInput(Command.FREEZE)]


@pytest.mark.parametrize(
    "text", ["[", "[1]", '[{"type":"pointer","phase":"press","pane":"live","x":1e9,"y":0}]', '[{"type":"command"}]']
)
def test_what_the_page_cannot_have_sent_ends_the_connection(display: WebDisplay, text: str) -> None:
    with viewer_of(display) as viewer:
        viewer.socket.send(text)
        with pytest.raises(ConnectionClosed):
            viewer.socket.recv(DEADLINE_S)
    assert display.take_inputs() == []


def test_the_overlay_comes_with_the_update_and_the_frozen_picture_at_its_own_address(display: WebDisplay) -> None:
    stroke = Shape(ShapeKind.PATH, ((1.5, 2.5), (3.5, 4.5)), (255, 214, 10), 1.0, "3 px")
    frozen = FrozenPicture(77, flat(50), 1200, "", (stroke,), is_large=True)
    overlay = Overlay((stroke,), frozen, (ToolButton(Command.UNDO, "undo"),))
    with viewer_of(display) as viewer:
        display.show(flat(100), LIVE, is_new=True, overlay=overlay)
        update, _ = viewer.hear()
    shape = {
        "kind": "path",
        "points": [[1.5, 2.5], [3.5, 4.5]],
        "colour": [255, 214, 10],
        "opacity": 1,
        "label": "3 px",
    }
    assert update["overlay"]["shapes"] == [shape]
    assert update["overlay"]["frozen"]["shapes"] == [shape]
    assert (update["overlay"]["frozen"]["number"], update["overlay"]["frozen"]["age_ms"]) == (77, 1200)
    assert update["overlay"]["tools"][0]["command"] == "undo"
    status, _, jpeg = ask(display, "/frozen/77.jpg")
    assert status == 200
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(jpeg))), flat(50))
    assert ask(display, "/frozen/78.jpg")[0] == 404
    display.show(flat(100), LIVE, is_new=False)
    assert ask(display, "/frozen/77.jpg")[0] == 404
