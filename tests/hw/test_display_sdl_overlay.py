"""What the SDL window draws over its picture, and what hands do on it, on a display without a screen."""

import ctypes
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import sdl2

from hw.display.panes import Rect
from hw.display.sdl import SdlDisplay
from hw.display.sdl_overlay import FROZEN_FIELD, LIVE_FIELD
from hw.errors import DeviceError
from hw.overlay import (
    Command,
    CommandInput,
    FrozenPicture,
    Overlay,
    Pane,
    Phase,
    PointerInput,
    Shape,
    ShapeKind,
    ToolButton,
)
from hw.ports import Banner, Tone

LIVE = Banner(Tone.GOOD, "LIVE", "", 70, 83, 4, Tone.GOOD)
YELLOW = (255, 214, 10)
PICTURE = np.full((128, 128), 90, np.uint8)
BUTTONS = (ToolButton(Command.UNDO, "undo"), ToolButton(Command.FREEZE, "freeze", True))


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[SdlDisplay]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    shown = SdlDisplay()
    shown.open()
    yield shown
    shown.close()


def window(display: SdlDisplay) -> npt.NDArray[np.uint8]:
    """All that is drawn, shape (height, width, 3)."""
    display._draw()
    width, height = display._output_size()
    pixels = np.empty((height, width, 3), np.uint8)
    address = pixels.ctypes.data_as(ctypes.c_void_p)
    assert sdl2.SDL_RenderReadPixels(display._renderer, None, sdl2.SDL_PIXELFORMAT_RGB24, address, width * 3) == 0
    return pixels


def frozen(is_large: bool, *shapes: Shape) -> FrozenPicture:
    return FrozenPicture(5, np.full((128, 128), 200, np.uint8), 2300, "", shapes, is_large=is_large)


def area_of(display: SdlDisplay, pane: Pane) -> Rect:
    place = display._places().of(pane)
    assert place is not None
    return place.area


def cut(pixels: npt.NDArray[np.uint8], rect: Rect) -> npt.NDArray[np.uint8]:
    return pixels[rect.top : rect.top + rect.height, rect.left : rect.left + rect.width]


@pytest.mark.parametrize("kind", list(ShapeKind))
def test_each_kind_of_shape_stands_where_its_points_are(display: SdlDisplay, kind: ShapeKind) -> None:
    points = ((40.5, 60.5), (70.5, 60.5))
    display.show(PICTURE, LIVE, is_new=True, overlay=Overlay((Shape(kind, points, YELLOW),)))
    picture = cut(window(display), area_of(display, Pane.LIVE))
    scale = picture.shape[0] / 128
    at = {ShapeKind.FINGER: (40.5, 60.5), ShapeKind.CIRCLE: (70.5, 60.5)}.get(kind, (55.5, 60.5))
    assert tuple(picture[int(at[1] * scale), int(at[0] * scale)]) == YELLOW
    assert tuple(picture[int(100 * scale), int(100 * scale)]) == (90, 90, 90)


def test_no_stroke_reaches_the_banner_or_leaves_its_picture(display: SdlDisplay) -> None:
    display.show(PICTURE, LIVE, is_new=True)
    before = window(display)
    wild = Shape(
        ShapeKind.PATH,
        ((64, 64), (150, 64), (64, 64), (64, -500), (900, -500), (900, 900), (-900, 900)),
        YELLOW,
        1.0,
        "12 px",
    )
    edge = Shape(ShapeKind.CIRCLE, ((64.0, 1.0), (64.0, 30.0)), YELLOW)
    display.show(PICTURE, LIVE, is_new=False, overlay=Overlay((wild, edge)))
    after = window(display)
    area = area_of(display, Pane.LIVE)
    assert (cut(after, area) != cut(before, area)).any()
    cut(after, area)[:] = cut(before, area)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("is_large", [True, False])
def test_a_frozen_picture_has_its_label_and_frame_and_the_live_one_is_seen_too(
    display: SdlDisplay, is_large: bool
) -> None:
    display.show(PICTURE, LIVE, is_new=True)
    banner = window(display)[: display._room().top].copy()
    display.show(PICTURE, LIVE, is_new=False, overlay=Overlay((), frozen(is_large)))
    pixels = window(display)
    for pane, grey, field in ((Pane.LIVE, 90, LIVE_FIELD), (Pane.FROZEN, 200, FROZEN_FIELD)):
        place = display._places().of(pane)
        assert place is not None
        assert (cut(pixels, place.area)[3, 3] == grey).all()
        if place.label.height:
            assert tuple(cut(pixels, place.label)[2, 2]) == field
    area = area_of(display, Pane.FROZEN)
    assert tuple(pixels[area.top + 5, area.left + area.width + 1]) == FROZEN_FIELD
    np.testing.assert_array_equal(pixels[: display._room().top], banner)


def test_another_frozen_picture_takes_the_place_of_the_one_before(display: SdlDisplay) -> None:
    display.show(PICTURE, LIVE, is_new=True, overlay=Overlay((), frozen(True)))
    other = FrozenPicture(6, np.full((128, 128), 30, np.uint8), 100, "", (), is_large=True)
    display.show(PICTURE, LIVE, is_new=False, overlay=Overlay((), other))
    assert (cut(window(display), area_of(display, Pane.FROZEN))[3, 3] == 30).all()


def test_a_fading_shape_lets_the_picture_through(display: SdlDisplay) -> None:
    faint = Shape(ShapeKind.PATH, ((40.5, 60.5), (70.5, 60.5)), YELLOW, 0.4)
    display.show(PICTURE, LIVE, is_new=True, overlay=Overlay((faint,)))
    picture = cut(window(display), area_of(display, Pane.LIVE))
    red, _, blue = picture[int(60.5 * picture.shape[0] / 128), int(55.5 * picture.shape[0] / 128)]
    assert 90 < red < 255
    assert blue < 90


def test_a_label_is_whole_also_at_the_edge(display: SdlDisplay) -> None:
    def yellow_pixels(x: float) -> int:
        line = Shape(ShapeKind.PATH, ((x, 64.0),), YELLOW, 1.0, "123.4 px, 12.3 F")
        display.show(PICTURE, LIVE, is_new=True, overlay=Overlay((line,)))
        return int((cut(window(display), area_of(display, Pane.LIVE)) == YELLOW).all(2).sum())

    assert yellow_pixels(127.0) >= 0.9 * yellow_pixels(20.0) > 100


def push(kind: int, x: int = 0, y: int = 0, *, key: int = 0) -> None:
    event = sdl2.SDL_Event()
    event.type = kind
    if kind == sdl2.SDL_MOUSEMOTION:
        event.motion.x, event.motion.y = x, y
    elif kind in (sdl2.SDL_MOUSEBUTTONDOWN, sdl2.SDL_MOUSEBUTTONUP):
        event.button.button, event.button.x, event.button.y = sdl2.SDL_BUTTON_LEFT, x, y
    else:
        event.key.keysym.sym = key
    assert sdl2.SDL_PushEvent(ctypes.byref(event)) == 1


def test_a_drag_is_told_in_pixels_of_the_picture_and_may_leave_it(display: SdlDisplay) -> None:
    display.show(PICTURE, LIVE, is_new=True, overlay=Overlay(tools=BUTTONS))
    display.take_inputs()
    area = area_of(display, Pane.LIVE)
    scale = area.width / 128
    x, y = area.left + int(20.5 * scale), area.top + int(30.5 * scale)
    push(sdl2.SDL_MOUSEMOTION, x, y)
    push(sdl2.SDL_MOUSEBUTTONDOWN, x, y)
    push(sdl2.SDL_MOUSEMOTION, x, area.top - 5)  # over the banner
    push(sdl2.SDL_MOUSEBUTTONUP, x, area.top - 5)
    push(sdl2.SDL_MOUSEMOTION, x, area.top - 5)
    inputs = display.take_inputs()
    assert [item.phase for item in inputs if isinstance(item, PointerInput)] == [
        Phase.HOVER,
        Phase.PRESS,
        Phase.DRAG,
        Phase.RELEASE,
        Phase.LEAVE,
    ]
    first = inputs[0]
    assert isinstance(first, PointerInput)
    assert (first.pane, int(first.position[0]), int(first.position[1])) == (Pane.LIVE, 20, 30)


def test_a_press_on_the_small_picture_is_the_small_pictures(display: SdlDisplay) -> None:
    display.show(PICTURE, LIVE, is_new=True, overlay=Overlay((), frozen(False)))
    display.take_inputs()
    area = area_of(display, Pane.FROZEN)
    push(sdl2.SDL_MOUSEBUTTONDOWN, area.left + area.width // 2, area.top + area.height // 2)
    (press,) = display.take_inputs()
    assert isinstance(press, PointerInput)
    assert press.pane is Pane.FROZEN
    assert press.position == (pytest.approx(64, abs=0.5), pytest.approx(64, abs=0.5))


def test_buttons_and_keys_are_commands_and_buttons_draw_nothing(display: SdlDisplay) -> None:
    display.show(PICTURE, LIVE, is_new=True, overlay=Overlay(tools=BUTTONS))
    display.take_inputs()
    rect = display._buttons()[1].rect
    push(sdl2.SDL_MOUSEBUTTONDOWN, rect.left + 5, rect.top + 5)
    push(sdl2.SDL_MOUSEBUTTONUP, rect.left + 5, rect.top + 5)
    push(sdl2.SDL_KEYDOWN, key=sdl2.SDLK_u)
    push(sdl2.SDL_KEYDOWN, key=sdl2.SDLK_F1)
    assert display.take_inputs() == [CommandInput(Command.FREEZE), CommandInput(Command.UNDO)]


def test_a_closed_display_has_no_inputs(display: SdlDisplay) -> None:
    display.close()
    with pytest.raises(DeviceError):
        display.take_inputs()


def test_an_overlay_that_stays_is_not_presented_again(display: SdlDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = Overlay((Shape(ShapeKind.FINGER, ((9, 9),), YELLOW),), None, BUTTONS)
    for _ in range(2):
        display.show(PICTURE, LIVE, is_new=False, overlay=overlay)
    presented: list[object] = []
    monkeypatch.setattr(sdl2, "SDL_RenderPresent", presented.append)
    display.show(PICTURE, LIVE, is_new=False, overlay=Overlay(overlay.shapes, None, BUTTONS))
    assert presented == []
    display.show(PICTURE, LIVE, is_new=False)
    assert len(presented) == 1
