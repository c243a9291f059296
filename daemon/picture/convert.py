"""Captured bytes to grey in one pass: crop to the image area, luma, and full range, straight into the picture.

Grey of a grey source is exact in every format: the weights add up to one, so b = g = r = v gives v. Limited range (16
to 235, what televisions use) is widened to 0 to 255, and what lies beyond is cut. Every level is the rounded formula's,
or next to it.
"""

from collections.abc import Callable

import numpy as np
from numba import types

from daemon.picture.area import Area
from daemon.picture.kernel import PICTURE, PICTURE_IN, kernel
from hw.ports import CaptureTiming, ColourMatrix, FrameBytes, GrayPicture, PixelFormat, ValueRange

BLACK_LIMITED, WHITE_LIMITED = 16, 235
WIDEN_BYTE = 298  # 256 * 255 / 219, rounded: the products stay within 16 bits, which makes the loop twice as fast
ONE = 1 << 16

LUMA_WEIGHTS = {
    ColourMatrix.BT601: (0.114, 0.587, 0.299),
    ColourMatrix.BT709: (0.0722, 0.7152, 0.2126),
}
"""Of blue, green and red."""

BYTE_WEIGHTS = {ColourMatrix.BT601: (29, 150, 77), ColourMatrix.BT709: (19, 183, 54)}
"""The same in 1/256: of all that add up to 256, those whose largest error over all colours is smallest."""


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
    limited = timing.value_range is ValueRange.LIMITED
    match timing.pixel_format:
        case PixelFormat.BGR24 if not limited:
            byte_weights = BYTE_WEIGHTS[timing.matrix]
            return lambda frame, x, y, picture: _bgr_to_gray(frame, x, y, *byte_weights, picture)
        case PixelFormat.BGR24 | PixelFormat.BGRX:
            weigh = _weigh_bgr if timing.pixel_format is PixelFormat.BGR24 else _weigh_bgrx
            terms = _terms(timing.matrix, limited=limited)
            return lambda frame, x, y, picture: weigh(frame, x, y, *terms, picture)
        case PixelFormat.YUYV422:
            return lambda frame, x, y, picture: _yuyv_to_gray(frame, x, y, limited, picture)
    return lambda frame, x, y, picture: _luma_to_gray(frame, x, y, limited, picture)


def _terms(matrix: ColourMatrix, *, limited: bool) -> tuple[int, int, int, int]:
    """Weights of blue, green and red in 1/65536, that add up exactly, and the number to add for range and rounding."""
    widen = 255 / (WHITE_LIMITED - BLACK_LIMITED) if limited else 1.0
    blue, _, red = (round(weight * widen * ONE) for weight in LUMA_WEIGHTS[matrix])
    whole = round(widen * ONE)
    return blue, whole - blue - red, red, ONE // 2 - (BLACK_LIMITED * whole if limited else 0)


@kernel(PICTURE_IN, *[types.uint64] * 2, *[types.uint16] * 3, PICTURE)
def _bgr_to_gray(frame: FrameBytes, x: int, y: int, blue: int, green: int, red: int, out: GrayPicture) -> None:
    """In 16 bits: half the time of `_weigh_bgr`."""
    for row in range(out.shape[0]):
        levels = out[row]
        pixels = frame[y + row, 3 * x : 3 * (x + out.shape[1])]
        for i in range(levels.shape[0]):
            total = np.uint16(
                blue * np.uint16(pixels[3 * i])
                + green * np.uint16(pixels[3 * i + 1])
                + red * np.uint16(pixels[3 * i + 2])
                + np.uint16(128)
            )
            levels[i] = total >> np.uint16(8)


_WEIGH = (PICTURE_IN, *[types.uint64] * 2, *[types.int32] * 4, PICTURE)


@kernel(*_WEIGH)
def _weigh_bgr(
    frame: FrameBytes, x: int, y: int, blue: int, green: int, red: int, offset: int, out: GrayPicture
) -> None:
    for row in range(out.shape[0]):
        levels = out[row]
        pixels = frame[y + row, 3 * x : 3 * (x + out.shape[1])]
        for i in range(levels.shape[0]):
            total = np.int32(
                blue * np.int32(pixels[3 * i])
                + green * np.int32(pixels[3 * i + 1])
                + red * np.int32(pixels[3 * i + 2])
                + offset
            )
            levels[i] = np.uint8(min(max(total >> np.int32(16), np.int32(0)), np.int32(255)))


@kernel(*_WEIGH)
def _weigh_bgrx(
    frame: FrameBytes, x: int, y: int, blue: int, green: int, red: int, offset: int, out: GrayPicture
) -> None:
    """As `_weigh_bgr`: the pixel's length must be a constant, or the loop reads single bytes."""
    for row in range(out.shape[0]):
        levels = out[row]
        pixels = frame[y + row, 4 * x : 4 * (x + out.shape[1])]
        for i in range(levels.shape[0]):
            total = np.int32(
                blue * np.int32(pixels[4 * i])
                + green * np.int32(pixels[4 * i + 1])
                + red * np.int32(pixels[4 * i + 2])
                + offset
            )
            levels[i] = np.uint8(min(max(total >> np.int32(16), np.int32(0)), np.int32(255)))


@kernel(PICTURE)
def _widen(out: GrayPicture) -> None:
    """Limited to full range, in place; a row is still in the nearest cache when this comes to it."""
    for row in range(out.shape[0]):
        levels = out[row]
        for i in range(levels.shape[0]):
            limited = np.uint16(min(max(levels[i], np.uint8(BLACK_LIMITED)), np.uint8(WHITE_LIMITED)) - BLACK_LIMITED)
            levels[i] = np.uint16(limited * np.uint16(WIDEN_BYTE) + np.uint16(128)) >> np.uint16(8)


@kernel(PICTURE_IN, *[types.uint64] * 2, types.boolean, PICTURE)
def _yuyv_to_gray(frame: FrameBytes, x: int, y: int, widen: bool, out: GrayPicture) -> None:
    for row in range(out.shape[0]):
        levels = out[row]
        pixels = frame[y + row, 2 * x : 2 * (x + out.shape[1])]
        for i in range(levels.shape[0]):
            levels[i] = pixels[2 * i]
        if widen:
            _widen(out[row : row + 1])


@kernel(PICTURE_IN, *[types.uint64] * 2, types.boolean, PICTURE)
def _luma_to_gray(frame: FrameBytes, x: int, y: int, widen: bool, out: GrayPicture) -> None:
    for row in range(out.shape[0]):
        levels = out[row]
        pixels = frame[y + row, x : x + out.shape[1]]
        for i in range(levels.shape[0]):
            levels[i] = pixels[i]
        if widen:
            _widen(out[row : row + 1])
