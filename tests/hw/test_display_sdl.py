import ctypes
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
import sdl2

from hw.display.banner import BannerPainter, strip_height
from hw.display.sdl import SdlDisplay
from hw.display.tool_strip import STRIP_WIDTH
from hw.errors import DeviceError
from hw.ports import Banner, ChromaSampling, ColourCoding, ColourMatrix, ColourPicture, GrayPicture, Tone
from tests.x_server import XServer, x_server

LIVE = Banner(Tone.GOOD, "LIVE", "", 70, 83, 4, Tone.GOOD)
DEADLINE_S = 10.0
ALL_GREYS: GrayPicture = np.tile(np.arange(256, dtype=np.uint8).repeat(4), (1024, 1))


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[SdlDisplay]:
    """A display without a screen, drawn in software."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    shown = SdlDisplay()
    shown.open()
    yield shown
    shown.close()


@pytest.fixture(scope="module", name="x_server")
def _x_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XServer]:
    with x_server(tmp_path_factory.mktemp("xvfb")) as server:
        yield server


@pytest.fixture(params=["software", "opengl", "opengles2"])
def on_screen(
    request: pytest.FixtureRequest, x_server: XServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SdlDisplay]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("SDL_RENDER_DRIVER", request.param)
    monkeypatch.setenv("DISPLAY", x_server.name)
    shown = SdlDisplay()
    try:
        shown.open()
    except DeviceError as error:
        if request.param == "software" or "no renderer" not in str(error):
            raise
        pytest.skip(f"no {request.param} here: {error}")
    yield shown
    shown.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"never happened: {what}"
        time.sleep(0.005)


def contains_greys(screen: npt.NDArray[np.uint8], greys: GrayPicture) -> bool:
    """True when some row of `screen` shows a row of `greys` pixel for pixel."""
    row = np.repeat(greys[0], 3).tobytes()
    return any(row in line.tobytes() for line in screen[::16])


def test_all_256_greys_arrive_unchanged_on_the_screen(on_screen: SdlDisplay, x_server: XServer) -> None:
    on_screen.show(ALL_GREYS, LIVE, is_new=True)
    np.testing.assert_array_equal(on_screen.read_back(), ALL_GREYS[..., None].repeat(3, axis=2))
    wait_until(lambda: contains_greys(x_server.screen(), ALL_GREYS), "the greys stand on the screen")


def test_the_banner_stands_above_the_picture_on_the_screen(on_screen: SdlDisplay, x_server: XServer) -> None:
    on_screen.show(ALL_GREYS, LIVE, is_new=True)
    width = 1024 + STRIP_WIDTH
    strip = BannerPainter().paint(LIVE, width, strip_height(1024))
    left, top = (1400 - width) // 2, (1240 - 1024 - strip_height(1024)) // 2

    def stands_there() -> bool:
        window = x_server.screen()[top:, left : left + width]
        picture = window[len(strip) : len(strip) + 1024, STRIP_WIDTH // 2 : STRIP_WIDTH // 2 + 1024]
        return np.array_equal(window[: len(strip)], strip) and bool((picture == ALL_GREYS[..., None]).all())

    wait_until(stands_there, "banner above, whole picture below")


@pytest.mark.parametrize("size", [(1024, 1024), (1000, 1000), (512, 512), (2048, 2048), (480, 640)])
def test_a_scaled_picture_keeps_its_greys(display: SdlDisplay, size: tuple[int, int]) -> None:
    for grey in (0, 1, 15, 16, 127, 128, 235, 236, 254, 255):
        display.show(np.full(size, grey, np.uint8), LIVE, is_new=True)
        assert np.unique(display.read_back()).tolist() == [grey]


def test_enlarging_by_a_whole_number_repeats_pixels(display: SdlDisplay) -> None:
    room = display.read_back().shape[0]
    divisor = next(n for n in range(8, room) if room % n == 0)
    small = np.random.default_rng(1).integers(0, 256, (room // divisor, room // divisor), np.uint8)
    display.show(small, LIVE, is_new=True)
    enlarged = small.repeat(divisor, axis=0).repeat(divisor, axis=1)
    np.testing.assert_array_equal(display.read_back(), enlarged[..., None].repeat(3, axis=2))


def test_colour_arrives_on_the_screen(display: SdlDisplay) -> None:
    chroma = np.array([90, 240], np.uint8).reshape(2, 1, 1) * np.ones((2, 32, 32), np.uint8)
    coding = ColourCoding(ChromaSampling.HALF, ColourMatrix.BT709)
    display.show(ColourPicture(np.full((64, 64), 63, np.uint8), chroma, coding), LIVE, is_new=True)
    pixels = np.unique(display.read_back().reshape(-1, 3), axis=0)
    np.testing.assert_allclose(pixels, [[239, 18, 0]], atol=1)  # red, green, blue by BT.709


def test_a_wide_picture_keeps_its_shape(display: SdlDisplay) -> None:
    display.show(np.full((200, 400), 9, np.uint8), LIVE, is_new=True)
    height, width, _ = display.read_back().shape
    assert abs(width - 2 * height) <= 1


def test_a_withheld_picture_leaves_the_screen(display: SdlDisplay) -> None:
    display.show(np.full((64, 64), 200, np.uint8), LIVE, is_new=True)
    assert display.read_back().max() == 200
    display.show(None, LIVE, is_new=False)
    assert display.read_back().max() == 0


def test_a_picture_that_was_withheld_comes_back_without_being_new(display: SdlDisplay) -> None:
    picture = np.full((64, 64), 200, np.uint8)
    display.show(None, LIVE, is_new=False)
    display.show(picture, LIVE, is_new=False)
    assert np.unique(display.read_back()).tolist() == [200]


def test_an_alarm_colours_what_is_left_beside_the_picture(display: SdlDisplay) -> None:
    alarm = Banner(Tone.ALARM, "LINK STALLED", "", 400, None, None, Tone.NOTICE)
    display.show(None, LIVE, is_new=False)
    quiet = display.read_back()
    display.show(None, alarm, is_new=False)
    assert (display.read_back() != quiet).any()


def test_nothing_is_presented_when_nothing_changed(display: SdlDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((64, 64), np.uint8)
    display.show(picture, LIVE, is_new=True)
    display.show(picture, LIVE, is_new=False)  # takes the events that the window's appearing caused
    presented: list[object] = []
    monkeypatch.setattr(sdl2, "SDL_RenderPresent", presented.append)
    display.show(picture, LIVE, is_new=False)
    assert presented == []
    display.show(picture, Banner(Tone.GOOD, "LIVE", "", 170, 83, 4, Tone.GOOD), is_new=False)
    assert len(presented) == 1


@pytest.mark.parametrize("how", ["window", "program"])
def test_a_closed_window_is_an_error(display: SdlDisplay, how: str) -> None:
    event = sdl2.SDL_Event()
    event.type = sdl2.SDL_WINDOWEVENT if how == "window" else sdl2.SDL_QUIT
    event.window.event = sdl2.SDL_WINDOWEVENT_CLOSE
    sdl2.SDL_PushEvent(ctypes.byref(event))
    with pytest.raises(DeviceError, match="display window was closed"):
        display.show(None, LIVE, is_new=False)


def test_full_screen_takes_the_whole_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    display = SdlDisplay(fullscreen=True)
    display.open()
    mode = sdl2.SDL_DisplayMode()
    assert sdl2.SDL_GetDesktopDisplayMode(0, ctypes.byref(mode)) == 0
    height, width, _ = display.read_back().shape
    display.close()
    assert (width, height + strip_height(round(mode.h * 12 / 13))) == (mode.w, mode.h)


def test_no_screen_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.setenv("DISPLAY", ":no-such-server")
    with pytest.raises(DeviceError, match="no screen"):
        SdlDisplay().open()
