"""The expert's screen: a window, or the whole screen through KMS/DRM where no desktop runs (SDL_VIDEODRIVER decides).

A picture goes to the renderer as 32-bit RGB, grey with the three channels equal, not as one of SDL's YUV formats: there
is then no colour matrix that could clip or round, so grey 0..255 is exact on every renderer (SDL's default YUV mode
turns 0 into 0..16 and 235 into 255). Spreading a 1024x1024 picture over the channels takes about 0.3 ms.
"""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.display.banner import BannerPainter, RgbStrip, background, frozen_words, strip_height
from hw.display.bgrx import write_bgrx
from hw.display.panes import PanePlace, Places, Rect, places
from hw.display.sdl_call import must as _must
from hw.display.sdl_call import sdl2
from hw.display.sdl_input import SdlInput
from hw.display.sdl_overlay import OverlayPainter
from hw.display.tool_strip import STRIP_WIDTH, PlacedButton, with_tool_strip
from hw.errors import DeviceError
from hw.overlay import NOTHING_OVER, Input, Overlay, Pane
from hw.ports import Banner, Picture, Tone

RgbPicture = npt.NDArray[np.uint8]
"""Shape (height, width, 3), red, green, blue."""

_FIRST_WIDTH, _FIRST_PICTURE_HEIGHT = 1024 + STRIP_WIDTH, 1024  # of the window, where the desktop has room for it
_FIRST_HEIGHT = _FIRST_PICTURE_HEIGHT + strip_height(_FIRST_PICTURE_HEIGHT)
_DESKTOP_SHARE = 0.9
LIVE_LABEL = "live picture: see the strip above"


class SdlDisplay:
    """Picture below, banner above. Open, show and close belong to one thread, as SDL demands."""

    def __init__(self, title: str = "cathlink", fullscreen: bool = False) -> None:
        self._title = title
        self._fullscreen = fullscreen
        self._painter = BannerPainter()
        self._window: Any = None
        self._forget_what_was_drawn()

    def _forget_what_was_drawn(self) -> None:
        self._renderer: Any = None
        self._picture: _Texture | None = None
        self._picture_is_shown = False
        self._strip: _Texture | None = None
        self._strip_pixels: RgbStrip | None = None
        self._tone = Tone.NOTICE
        self._overlay = NOTHING_OVER
        self._overlay_painter: OverlayPainter | None = None
        self._frozen: _Texture | None = None
        self._frozen_number: int | None = None
        self._input = SdlInput()
        self._must_draw = False  # the window was touched since it was drawn

    def open(self) -> None:
        """Raises DeviceError when there is no screen to draw on."""
        self.close()
        sdl2.SDL_SetHint(sdl2.SDL_HINT_NO_SIGNAL_HANDLERS, b"1")  # SIGTERM stays with the program
        _must(sdl2.SDL_InitSubSystem(sdl2.SDL_INIT_VIDEO) == 0, "no screen")
        try:
            self._open_window()
        except DeviceError:
            self._release()
            sdl2.SDL_QuitSubSystem(sdl2.SDL_INIT_VIDEO)
            raise

    def _open_window(self) -> None:
        fullscreen = self._fullscreen or sdl2.SDL_GetCurrentVideoDriver() == b"KMSDRM"
        area = _screen_area() if fullscreen else _first_window_area()
        flags = sdl2.SDL_WINDOW_RESIZABLE | sdl2.SDL_WINDOW_ALLOW_HIGHDPI
        if fullscreen:
            flags |= sdl2.SDL_WINDOW_FULLSCREEN_DESKTOP
        self._window = sdl2.SDL_CreateWindow(self._title.encode(), area.x, area.y, area.w, area.h, flags)
        _must(self._window, "no window")
        sdl2.SDL_SetWindowMinimumSize(self._window, 320, 240)
        sdl2.SDL_ShowCursor(sdl2.SDL_DISABLE if fullscreen else sdl2.SDL_ENABLE)
        # No SDL_RENDERER_PRESENTVSYNC: waiting for the screen would add up to one of its periods to the latency.
        self._renderer = sdl2.SDL_CreateRenderer(self._window, -1, 0)
        _must(self._renderer, "no renderer")
        self._overlay_painter = OverlayPainter(self._renderer)

    def show(self, picture: Picture | None, banner: Banner, *, is_new: bool, overlay: Overlay = NOTHING_OVER) -> None:
        """Upload, draw and present what changed; nothing when nothing did.

        Raises DeviceError when the window was closed or the screen is gone.
        """
        if self._window is None:
            raise DeviceError("display is not open")
        must_draw = self._pump_events() or self._must_draw or self._tone is not banner.tone or self._overlay != overlay
        self._tone, self._overlay, self._must_draw = banner.tone, overlay, False
        if picture is None:
            must_draw |= self._picture_is_shown
            self._picture_is_shown = False
        elif is_new or not self._picture_is_shown:
            self._upload_picture(picture)
            must_draw = self._picture_is_shown = True
        self._upload_frozen()
        if self._upload_strip(banner) or must_draw:
            self._draw()
            sdl2.SDL_RenderPresent(self._renderer)

    def take_inputs(self) -> list[Input]:
        """What people did on the picture since the last call. Raises DeviceError when the window was closed."""
        if self._window is None:
            raise DeviceError("display is not open")
        self._must_draw |= self._pump_events()
        return self._input.take()

    def read_back(self) -> RgbPicture:
        """The picture as the renderer draws it, scaled; all that is below the strip when there is no picture."""
        self._draw()  # what was presented is no longer defined
        area = self._picture_area()
        pixels = np.empty((area.h, area.w, 3), np.uint8)
        _must(
            sdl2.SDL_RenderReadPixels(
                self._renderer, area, sdl2.SDL_PIXELFORMAT_RGB24, pixels.ctypes.data_as(ctypes.c_void_p), area.w * 3
            )
            == 0,
            "cannot read the picture back",
        )
        return pixels

    def close(self) -> None:
        if self._window is not None:
            self._release()
            sdl2.SDL_QuitSubSystem(sdl2.SDL_INIT_VIDEO)

    def _release(self) -> None:
        if self._renderer:
            sdl2.SDL_DestroyRenderer(self._renderer)  # and its textures
        if self._window:
            sdl2.SDL_DestroyWindow(self._window)
        self._window = None
        self._forget_what_was_drawn()

    def _upload_picture(self, picture: Picture) -> None:
        height, width = picture.shape
        self._picture = _Texture.fitting(
            self._picture, self._renderer, sdl2.SDL_PIXELFORMAT_RGB888, sdl2.SDL_TEXTUREACCESS_STREAMING, width, height
        )
        self._picture.write_picture(picture)

    def _upload_strip(self, banner: Banner) -> bool:
        """True when the strip looks different from before."""
        width, height = self._output_size()
        pixels = self._painter.paint(banner, width, _strip_height_of_window(height))
        if pixels is self._strip_pixels:
            return False
        self._strip = _Texture.fitting(
            self._strip,
            self._renderer,
            sdl2.SDL_PIXELFORMAT_RGB24,
            sdl2.SDL_TEXTUREACCESS_STATIC,
            pixels.shape[1],
            pixels.shape[0],
        )
        self._strip.write_rgb(pixels)
        self._strip_pixels = pixels
        return True

    def _upload_frozen(self) -> None:
        frozen = self._overlay.frozen
        if frozen is None or frozen.pixels is None or frozen.number == self._frozen_number:
            return
        height, width = frozen.pixels.shape
        self._frozen = _Texture.fitting(
            self._frozen, self._renderer, sdl2.SDL_PIXELFORMAT_RGB888, sdl2.SDL_TEXTUREACCESS_STREAMING, width, height
        )
        self._frozen.write_picture(frozen.pixels)
        self._frozen_number = frozen.number

    def _draw(self) -> None:
        """The banner last: nothing ever covers it."""
        red, green, blue = background(self._tone) if self._tone is Tone.ALARM else (0, 0, 0)
        sdl2.SDL_SetRenderDrawColor(self._renderer, red, green, blue, 255)
        _must(sdl2.SDL_RenderClear(self._renderer) == 0, "cannot draw")
        panes = self._places()
        for pane, place in panes.panes:
            self._draw_pane(pane, place)
        assert self._overlay_painter is not None
        for button in self._buttons():
            self._overlay_painter.draw_button(button)
        if self._strip is not None:
            self._strip.copy_to(sdl2.SDL_Rect(0, 0, self._strip.width, self._strip.height), smooth=False)

    def _draw_pane(self, pane: Pane, place: PanePlace) -> None:
        overlay, painter = self._overlay, self._overlay_painter
        texture = self._picture if pane is Pane.LIVE else self._frozen
        assert texture is not None
        assert painter is not None
        by_whole_number = place.area.width % texture.width == 0 and place.area.height % texture.height == 0
        texture.copy_to(_sdl_rect(place.area), smooth=not by_whole_number)
        if pane is Pane.LIVE:
            painter.draw_shapes(overlay.shapes, place)
            if place.label.height:
                painter.draw_pane_label(LIVE_LABEL, place, is_frozen=False)
        elif overlay.frozen is not None:
            painter.draw_shapes(overlay.frozen.shapes, place)
            painter.draw_pane_label(frozen_words(overlay.frozen), place, is_frozen=True)

    def _places(self) -> Places:
        """Where the pictures stand below the strip."""
        live = (self._picture.width, self._picture.height) if self._picture and self._picture_is_shown else None
        frozen = self._overlay.frozen
        has_frozen = frozen is not None and frozen.pixels is not None and self._frozen is not None
        frozen_size = (self._frozen.width, self._frozen.height) if has_frozen and self._frozen else None
        return places(self._picture_room(), live, frozen_size, frozen_is_large=frozen is not None and frozen.is_large)

    def _room(self) -> Rect:
        width, height = self._output_size()
        top = _strip_height_of_window(height)
        return Rect(0, top, width, max(1, height - top))

    def _picture_room(self) -> Rect:
        return with_tool_strip(self._room(), self._overlay.tools)[0]

    def _buttons(self) -> tuple[PlacedButton, ...]:
        return with_tool_strip(self._room(), self._overlay.tools)[1]

    def _picture_area(self) -> Any:
        """Where the live picture stands; all that is below the strip when there is none."""
        place = self._places().of(Pane.LIVE)
        return _sdl_rect(place.area if place else self._picture_room())

    def _pump_events(self) -> bool:
        width = ctypes.c_int()
        sdl2.SDL_GetWindowSize(self._window, ctypes.byref(width), None)
        scale = self._output_size()[0] / max(1, width.value)
        return self._input.pump(self._places(), self._buttons(), scale)

    def _output_size(self) -> tuple[int, int]:
        width, height = ctypes.c_int(), ctypes.c_int()
        size = sdl2.SDL_GetRendererOutputSize(self._renderer, ctypes.byref(width), ctypes.byref(height))
        _must(size == 0, "the window has no size")
        return max(1, width.value), max(1, height.value)


class _Texture:
    """Pixels that the renderer holds; freed with the renderer, or by `fitting` when another size is needed."""

    def __init__(self, renderer: Any, pixel_format: int, access: int, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._renderer = renderer
        self._texture = sdl2.SDL_CreateTexture(renderer, pixel_format, access, width, height)
        _must(self._texture, f"no room for a picture of {width}x{height}")

    @classmethod
    def fitting(
        cls, old: "_Texture | None", renderer: Any, pixel_format: int, access: int, width: int, height: int
    ) -> "_Texture":
        if old is not None:
            if (old.width, old.height) == (width, height):
                return old
            sdl2.SDL_DestroyTexture(old._texture)
        return cls(renderer, pixel_format, access, width, height)

    def write_picture(self, picture: Picture) -> None:
        pixels, row_bytes = ctypes.c_void_p(), ctypes.c_int()
        locked = sdl2.SDL_LockTexture(self._texture, None, ctypes.byref(pixels), ctypes.byref(row_bytes))
        _must(locked == 0 and pixels.value, "cannot upload the picture")
        memory = ctypes.cast(pixels, ctypes.POINTER(ctypes.c_uint32))
        rows = np.ctypeslib.as_array(memory, shape=(self.height, row_bytes.value // 4))
        write_bgrx(picture, rows)
        sdl2.SDL_UnlockTexture(self._texture)

    def write_rgb(self, pixels: RgbStrip) -> None:
        address = pixels.ctypes.data_as(ctypes.c_void_p)
        _must(sdl2.SDL_UpdateTexture(self._texture, None, address, self.width * 3) == 0, "cannot upload the banner")

    def copy_to(self, area: Any, *, smooth: bool) -> None:
        scale_mode = sdl2.SDL_ScaleModeLinear if smooth else sdl2.SDL_ScaleModeNearest
        sdl2.SDL_SetTextureScaleMode(self._texture, scale_mode)
        _must(sdl2.SDL_RenderCopy(self._renderer, self._texture, None, area) == 0, "cannot draw")


def _sdl_rect(rect: Rect) -> Any:
    return sdl2.SDL_Rect(rect.left, rect.top, rect.width, rect.height)


def _screen_area() -> Any:
    """The whole first screen; given to SDL at once, since a bare X server has nobody who would enlarge the window."""
    area = sdl2.SDL_Rect()
    _must(sdl2.SDL_GetDisplayBounds(0, ctypes.byref(area)) == 0, "no screen")
    return area


def _first_window_area() -> Any:
    desktop = sdl2.SDL_Rect()
    _must(sdl2.SDL_GetDisplayUsableBounds(0, ctypes.byref(desktop)) == 0, "no screen")
    scale = min(1.0, desktop.w * _DESKTOP_SHARE / _FIRST_WIDTH, desktop.h * _DESKTOP_SHARE / _FIRST_HEIGHT)
    centred = sdl2.SDL_WINDOWPOS_CENTERED
    return sdl2.SDL_Rect(centred, centred, round(_FIRST_WIDTH * scale), round(_FIRST_HEIGHT * scale))


def _strip_height_of_window(window_height: int) -> int:
    """The strip takes a twelfth of the picture's height, so a thirteenth of the window's."""
    return min(strip_height(round(window_height * 12 / 13)), window_height // 2)
