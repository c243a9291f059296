"""Captured bytes to grey in one pass: crop to the image area, luma, and full range, straight into the picture.

What a colour source carries besides: picture.chroma.

Grey of a grey source is exact in every format: the weights add up to one, so b = g = r = v gives v. Limited range (16
to 235, what televisions use) is widened to 0 to 255, and what lies beyond is cut. Every level is the rounded formula's,
or next to it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import register_jitable

from daemon.picture.area import Area
from daemon.picture.kernel import PICTURE, PICTURE_IN, kernel
from hw.ports import CaptureTiming, ColourMatrix, FrameBytes, GrayPicture, PixelFormat, ValueRange

BLACK_LIMITED, WHITE_LIMITED = 16, 235
WIDEN_BYTE = 298  # 256 * 255 / 219, rounded: the products stay within 16 bits, which makes the loop twice as fast
ONE = 1 << 15  # of weights: the products of 16 bits are added in pairs by one instruction

LUMA_WEIGHTS = {
    ColourMatrix.BT601: (0.114, 0.587, 0.299),
    ColourMatrix.BT709: (0.0722, 0.7152, 0.2126),
}
"""Of blue, green and red."""


class GrayConverter:
    """From frames of `timing` to the grey picture of `area`. Raises ValueError when the area is not inside them."""

    def __init__(self, timing: CaptureTiming, area: Area) -> None:
        if not area.is_inside(Area(0, 0, timing.width, timing.height)):
            raise ValueError(f"{area} is not inside a frame of {timing.width}x{timing.height}")
        self._frame_shape = timing.pixel_format.frame_shape(timing.width, timing.height)
        self._area = area
        self._convert = _conversion(timing)

    def write(self, frame: FrameBytes, picture: GrayPicture) -> None:
        """Fill `picture`, shape (area.height, area.width). Raises ValueError for other shapes."""
        if frame.shape != self._frame_shape or picture.shape != (self._area.height, self._area.width):
            raise ValueError(f"frame of shape {frame.shape} for {self._frame_shape}, picture of shape {picture.shape}")
        self._convert(frame, self._area.x, self._area.y, picture)


Conversion = Callable[[FrameBytes, int, int, GrayPicture], None]


def _conversion(timing: CaptureTiming) -> Conversion:
    """Pixels of two and four bytes are read as one number: single bytes would be shuffled together, which is slower."""
    limited = timing.value_range is ValueRange.LIMITED
    terms = _terms(timing.matrix, limited=limited)
    match timing.pixel_format:
        case PixelFormat.BGR24:
            return lambda frame, x, y, picture: _bgr_to_gray(frame, x, y, *terms, picture)
        case PixelFormat.BGRX:
            return lambda frame, x, y, picture: _bgrx_to_gray(frame.view(np.uint32), x, y, *terms, picture)
        case PixelFormat.YUYV422:
            return lambda frame, x, y, picture: _yuyv_to_gray(frame.view(np.uint16), x, y, limited, picture)
    return lambda frame, x, y, picture: _luma_to_gray(frame, x, y, limited, picture)


def _terms(matrix: ColourMatrix, *, limited: bool) -> tuple[int, int, int, int]:
    """Weights of blue, green and red, in 1/ONE, that add up exactly, and what to add for black and for rounding."""
    widen = 255 / (WHITE_LIMITED - BLACK_LIMITED) if limited else 1.0
    blue, _, red = (round(weight * widen * ONE) for weight in LUMA_WEIGHTS[matrix])
    whole = round(widen * ONE)
    return blue, whole - blue - red, red, ONE // 2 - (BLACK_LIMITED * whole if limited else 0)


@register_jitable  # type: ignore[untyped-decorator]
def _widened(level: Any) -> np.uint16:
    """0 to 255 of a limited level, which has 8 or 16 bits."""
    limited = np.uint16(min(max(level, np.uint8(BLACK_LIMITED)), np.uint8(WHITE_LIMITED)) - np.uint8(BLACK_LIMITED))
    return np.uint16(np.uint16(limited * np.uint16(WIDEN_BYTE) + np.uint16(128)) >> np.uint16(8))


TERMS = (*[types.int16] * 3, types.int32)
PLACE = (types.uint64, types.uint64)
_PAIRS_IN = types.Array(types.uint16, 2, "C", readonly=True)
QUADS_IN = types.Array(types.uint32, 2, "C", readonly=True)


@register_jitable(inline="always")  # type: ignore[untyped-decorator]
def weigh_bgr(pixels: Any, blue: int, green: int, red: int, offset: int, levels: Any) -> None:
    """A row of `levels` of a row of bytes."""
    for i in range(levels.shape[0]):
        total = np.int32(
            np.int32(blue) * np.int32(pixels[3 * i])
            + np.int32(green) * np.int32(pixels[3 * i + 1])
            + np.int32(red) * np.int32(pixels[3 * i + 2])
            + offset
        )
        levels[i] = np.uint8(min(max(total >> np.int32(15), np.int32(0)), np.int32(255)))


@register_jitable(inline="always")  # type: ignore[untyped-decorator]
def weigh_bgrx(pixels: Any, blue: int, green: int, red: int, offset: int, levels: Any) -> None:
    """The same, of a row of pixels in one number each."""
    byte = np.uint32(255)
    for i in range(levels.shape[0]):
        total = np.int32(
            np.int32(blue) * np.int32(pixels[i] & byte)
            + np.int32(green) * np.int32((pixels[i] >> np.uint32(8)) & byte)
            + np.int32(red) * np.int32((pixels[i] >> np.uint32(16)) & byte)
            + offset
        )
        levels[i] = np.uint8(min(max(total >> np.int32(15), np.int32(0)), np.int32(255)))


@kernel(PICTURE_IN, *PLACE, *TERMS, PICTURE)
def _bgr_to_gray(
    frame: FrameBytes, x: int, y: int, blue: int, green: int, red: int, offset: int, out: GrayPicture
) -> None:
    for row in range(out.shape[0]):
        weigh_bgr(frame[y + row, 3 * x : 3 * (x + out.shape[1])], blue, green, red, offset, out[row])


@kernel(QUADS_IN, *PLACE, *TERMS, PICTURE)
def _bgrx_to_gray(
    frame: npt.NDArray[np.uint32], x: int, y: int, blue: int, green: int, red: int, offset: int, out: GrayPicture
) -> None:
    for row in range(out.shape[0]):
        weigh_bgrx(frame[y + row, x : x + out.shape[1]], blue, green, red, offset, out[row])


@kernel(_PAIRS_IN, *PLACE, types.boolean, PICTURE)
def _yuyv_to_gray(frame: npt.NDArray[np.uint16], x: int, y: int, widen: bool, out: GrayPicture) -> None:
    for row in range(out.shape[0]):
        levels = out[row]
        pixels = frame[y + row, x : x + out.shape[1]]
        if widen:
            for i in range(levels.shape[0]):
                levels[i] = _widened(pixels[i] & np.uint16(255))
        else:
            for i in range(levels.shape[0]):
                levels[i] = pixels[i]  # its lower byte


@kernel(PICTURE_IN, *PLACE, types.boolean, PICTURE)
def _luma_to_gray(frame: FrameBytes, x: int, y: int, widen: bool, out: GrayPicture) -> None:
    for row in range(out.shape[0]):
        levels = out[row]
        pixels = frame[y + row, x : x + out.shape[1]]
        if widen:
            for i in range(levels.shape[0]):
                levels[i] = _widened(pixels[i])
        else:
            for i in range(levels.shape[0]):
                levels[i] = pixels[i]
