"""Draws strokes, pointers, labels, the frozen picture's frame and the tool strip with an SDL renderer."""

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from hw.display.panes import BORDER, PanePlace, Rect
from hw.display.sdl_call import must, sdl2
from hw.display.strokes import Triangles, rim_width, triangles
from hw.display.tool_strip import PlacedButton
from hw.overlay import Rgb, Shape

RIM: Rgb = (10, 12, 14)
FROZEN_FIELD: Rgb = (240, 176, 32)
LIVE_FIELD: Rgb = (38, 44, 50)  # of no tone: the strip alone says how the live picture is
BUTTON_FIELD: Rgb = (38, 44, 50)
ACTIVE_FIELD: Rgb = (46, 92, 146)
DARK: Rgb = (20, 16, 0)
BRIGHT: Rgb = (255, 255, 255)
TEXTS_KEPT = 64
LABEL_SIZE = 1 / 36  # of the pane's height
SMALLEST_LABEL = 12

_VERTEX = np.dtype([("position", "f4", 2), ("colour", "u1", 4), ("texture", "f4", 2)])  # SDL_Vertex
_LabelPixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Text:
    texture: Any
    width: int
    height: int


class OverlayPainter:
    """Belongs to one renderer, whose end frees what it holds."""

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer
        self._texts: dict[tuple[str, int, Rgb], _Text] = {}

    def draw_shapes(self, shapes: tuple[Shape, ...], place: PanePlace) -> None:
        """Within the picture's area alone."""
        area = place.area
        sdl2.SDL_RenderSetClipRect(self._renderer, sdl2.SDL_Rect(area.left, area.top, area.width, area.height))
        for shape in shapes:
            self._fill(triangles(shape, place, wider=rim_width(place)), RIM, shape.opacity)
            self._fill(triangles(shape, place), shape.colour, shape.opacity)
            if shape.label:
                self._draw_label(shape, place)
        sdl2.SDL_RenderSetClipRect(self._renderer, None)

    def _draw_label(self, shape: Shape, place: PanePlace) -> None:
        """Beside the last point; whole, also at the picture's edge."""
        area = place.area
        size = max(SMALLEST_LABEL, round(area.height * LABEL_SIZE))
        x, y = place.on_screen(shape.points[-1])
        right = area.left + area.width - self._text(shape.label, size, shape.colour).width - size // 4
        left = max(area.left, min(int(x) + size // 2, right))
        self._write(shape.label, size, shape.colour, left, max(area.top, int(y) - size // 2))

    def draw_pane_label(self, text: str, place: PanePlace, *, is_frozen: bool) -> None:
        """The strip above a picture; the frozen one has a frame too, outside of its pixels where there is room."""
        field = FROZEN_FIELD if is_frozen else LIVE_FIELD
        if is_frozen:
            area = place.area
            for rect in (
                Rect(area.left - BORDER, area.top, BORDER, area.height),
                Rect(area.left + area.width, area.top, BORDER, area.height),
                Rect(area.left - BORDER, area.top + area.height, area.width + 2 * BORDER, BORDER),
            ):
                self._fill_rect(rect, field)
        self._fill_rect(place.label, field)
        self._write_inside(text, place.label, DARK if is_frozen else BRIGHT)

    def draw_button(self, placed: PlacedButton) -> None:
        button = placed.button
        self._fill_rect(placed.rect, ACTIVE_FIELD if button.is_active else BUTTON_FIELD)
        self._write_inside(button.label, placed.rect, button.colour or BRIGHT)

    def _fill(self, corners: Triangles, colour: Rgb, opacity: float) -> None:
        if not len(corners):
            return
        vertices = np.zeros(len(corners), _VERTEX)
        vertices["position"] = corners
        vertices["colour"] = (*colour, round(255 * opacity))
        pointer = vertices.ctypes.data_as(ctypes.POINTER(sdl2.SDL_Vertex))
        sdl2.SDL_SetRenderDrawBlendMode(self._renderer, sdl2.SDL_BLENDMODE_BLEND)
        must(sdl2.SDL_RenderGeometry(self._renderer, None, pointer, len(corners), None, 0) == 0, "cannot draw")

    def _fill_rect(self, rect: Rect, colour: Rgb) -> None:
        sdl2.SDL_SetRenderDrawColor(self._renderer, *colour, 255)
        sdl2.SDL_RenderFillRect(self._renderer, sdl2.SDL_Rect(rect.left, rect.top, rect.width, rect.height))

    def _write_inside(self, text: str, rect: Rect, colour: Rgb) -> None:
        size = max(6, min(round(rect.height * 0.62), round(rect.width / max(1.0, _text_length(text) + 0.6))))
        written = self._text(text, size, colour)
        left = rect.left + (rect.width - written.width) // 2
        self._copy(written, left, rect.top + (rect.height - written.height) // 2)

    def _write(self, text: str, size: int, colour: Rgb, left: int, top: int) -> None:
        rim = self._text(text, size, RIM)
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            self._copy(rim, left + dx, top + dy)
        self._copy(self._text(text, size, colour), left, top)

    def _copy(self, text: _Text, left: int, top: int) -> None:
        area = sdl2.SDL_Rect(left, top, text.width, text.height)
        must(sdl2.SDL_RenderCopy(self._renderer, text.texture, None, area) == 0, "cannot draw")

    def _text(self, text: str, size: int, colour: Rgb) -> _Text:
        key = (text, size, colour)
        if key not in self._texts:
            if len(self._texts) >= TEXTS_KEPT:
                sdl2.SDL_DestroyTexture(self._texts.pop(next(iter(self._texts))).texture)
            self._texts[key] = self._upload(_text_pixels(text, size, colour))
        return self._texts[key]

    def _upload(self, pixels: _LabelPixels) -> _Text:
        height, width = pixels.shape[:2]
        texture = sdl2.SDL_CreateTexture(
            self._renderer, sdl2.SDL_PIXELFORMAT_RGBA32, sdl2.SDL_TEXTUREACCESS_STATIC, width, height
        )
        must(texture, "no room for a label")
        sdl2.SDL_SetTextureBlendMode(texture, sdl2.SDL_BLENDMODE_BLEND)
        address = pixels.ctypes.data_as(ctypes.c_void_p)
        must(sdl2.SDL_UpdateTexture(texture, None, address, width * 4) == 0, "cannot upload a label")
        return _Text(texture, width, height)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built without FreeType"
    return font


def _text_length(text: str) -> float:
    """In sizes of the text."""
    return _font(32).getlength(text) / 32


def _text_pixels(text: str, size: int, colour: Rgb) -> _LabelPixels:
    font = _font(size)
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    image = Image.new("RGBA", (max(1, round(right - left) + 2), max(1, round(bottom - top) + 2)), (*colour, 0))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, (*colour, 255), font, anchor="ls")
    return np.array(image)
