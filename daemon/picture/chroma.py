"""Captured bytes to the chroma planes of a colour picture, beside the luma that picture.convert makes of them.

Full range, 128 where there is no colour: exactly so wherever blue, green and red are equal. What a source has for each
pixel (BGR, BGRX) becomes 4:4:4, what it has for two or four (YUYV, NV12) becomes 4:2:0. A crop that begins at an odd
pixel of those moves their colour by one pixel at most.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import register_jitable

from daemon.picture.area import Area
from daemon.picture.convert import (
    BLACK_LIMITED,
    LUMA_WEIGHTS,
    ONE,
    PLACE,
    QUADS_IN,
    TERMS,
    WHITE_LIMITED,
    weigh_bgr,
    weigh_bgrx,
)
from daemon.picture.kernel import PICTURE_IN, kernel
from hw.ports import (
    NO_CHROMA,
    CaptureTiming,
    ChromaPlanes,
    ChromaSampling,
    ColourCoding,
    ColourMatrix,
    FrameBytes,
    PixelFormat,
    ValueRange,
)

LOWEST_LIMITED, HIGHEST_LIMITED = 16, 240
WIDEN_CHROMA = 291  # 256 * 255 / 224, rounded down: the products stay within 16 bits

SAMPLINGS = {
    PixelFormat.BGR24: ChromaSampling.FULL,
    PixelFormat.BGRX: ChromaSampling.FULL,
    PixelFormat.YUYV422: ChromaSampling.HALF,
    PixelFormat.NV12: ChromaSampling.HALF,
}
"""Of the formats that can carry colour."""

PAIRED = (PixelFormat.YUYV422, PixelFormat.NV12)  # two neighbours share their chroma

Conversion = Callable[[FrameBytes, int, int, ChromaPlanes], None]


def has_chroma(timing: CaptureTiming) -> bool:
    """Whether the colour of frames of `timing` can be had.

    Not of two fields woven together, which may be of two images; nor of an odd row of pairs: it ends with half of one.
    """
    is_whole = not (timing.pixel_format in PAIRED and timing.width % 2)
    return timing.pixel_format in SAMPLINGS and is_whole and not timing.is_interlaced


class ChromaConverter:
    """From frames of `timing`, which has chroma, to the planes of `area`, which lies inside them."""

    def __init__(self, timing: CaptureTiming, area: Area) -> None:
        self.coding = ColourCoding(SAMPLINGS[timing.pixel_format], timing.matrix)
        self.shape = (2, *self.coding.sampling.plane_shape((area.height, area.width)))
        self._area = area
        self._convert = self._conversion(timing)

    def write(self, frame: FrameBytes, planes: ChromaPlanes) -> None:
        """Fill `planes`, of this converter's shape."""
        self._convert(frame, self._area.x, self._area.y, planes)

    def _conversion(self, timing: CaptureTiming) -> Conversion:
        limited = timing.value_range is ValueRange.LIMITED
        match timing.pixel_format:
            case PixelFormat.YUYV422:
                last_row = self._area.bottom - 1
                return lambda frame, x, y, planes: _yuyv_to_chroma(frame, x, y, last_row, limited, planes)
            case PixelFormat.NV12:
                first_row = timing.height
                return lambda frame, x, y, planes: _nv12_to_chroma(frame, first_row, x, y, limited, planes)
        of_cb, of_cr = (_terms(timing.matrix, of_red=of_red, limited=limited) for of_red in (False, True))
        terms = (*of_cb, *of_cr)
        if timing.pixel_format is PixelFormat.BGRX:
            return lambda frame, x, y, planes: _bgrx_to_chroma(frame.view(np.uint32), x, y, *terms, planes)
        return lambda frame, x, y, planes: _bgr_to_chroma(frame, x, y, *terms, planes)


def _terms(matrix: ColourMatrix, *, of_red: bool, limited: bool) -> tuple[int, int, int, int]:
    """Weights of blue, green and red in Cb or Cr, in 1/ONE, that add up to nothing, and what to add to them."""
    widen = 255 / (WHITE_LIMITED - BLACK_LIMITED) if limited else 1.0
    own = LUMA_WEIGHTS[matrix][2 if of_red else 0]
    weights = [-widen * weight / (2 - 2 * own) for weight in LUMA_WEIGHTS[matrix]]
    weights[2 if of_red else 0] = widen / 2
    blue, _, red = (round(weight * ONE) for weight in weights)
    return blue, -blue - red, red, NO_CHROMA * ONE + ONE // 2


@register_jitable  # type: ignore[untyped-decorator]
def _widened(level: Any) -> Any:
    """1 to 255 of a limited level."""
    limited = np.int16(min(max(level, np.uint8(LOWEST_LIMITED)), np.uint8(HIGHEST_LIMITED)))
    apart = np.int16(np.int16(limited - np.int16(NO_CHROMA)) * np.int16(WIDEN_CHROMA))
    return np.uint8(np.int16(np.int16(apart + np.int16(128)) >> np.int16(8)) + np.int16(NO_CHROMA))


_PLANES = types.Array(types.uint8, 3, "C")


@kernel(PICTURE_IN, *PLACE, *TERMS, *TERMS, _PLANES)
def _bgr_to_chroma(
    frame: FrameBytes, x: int, y: int, b: int, g: int, r: int, o: int, b2: int, g2: int, r2: int, o2: int, planes: Any
) -> None:
    """A row of both planes at a time: the frame, larger than most caches, is read once."""
    for row in range(planes.shape[1]):
        pixels = frame[y + row, 3 * x : 3 * (x + planes.shape[2])]
        weigh_bgr(pixels, b, g, r, o, planes[0, row])
        weigh_bgr(pixels, b2, g2, r2, o2, planes[1, row])


@kernel(QUADS_IN, *PLACE, *TERMS, *TERMS, _PLANES)
def _bgrx_to_chroma(
    frame: Any, x: int, y: int, b: int, g: int, r: int, o: int, b2: int, g2: int, r2: int, o2: int, planes: Any
) -> None:
    for row in range(planes.shape[1]):
        pixels = frame[y + row, x : x + planes.shape[2]]
        weigh_bgrx(pixels, b, g, r, o, planes[0, row])
        weigh_bgrx(pixels, b2, g2, r2, o2, planes[1, row])


@kernel(PICTURE_IN, *PLACE, types.uint32, types.boolean, _PLANES)
def _yuyv_to_chroma(frame: FrameBytes, x: int, y: int, last_row: int, widen: bool, planes: ChromaPlanes) -> None:
    """The mean of two rows, the second of which is not there below an odd height."""
    columns = planes.shape[2]
    left = 4 * (x // 2)
    for row in range(planes.shape[1]):
        upper = frame[y + 2 * row, left : left + 4 * columns]
        lower = frame[min(y + 2 * row + 1, last_row), left : left + 4 * columns]
        blues, reds = planes[0, row], planes[1, row]
        for i in range(columns):
            blue = np.uint8((np.uint16(upper[4 * i + 1]) + np.uint16(lower[4 * i + 1]) + np.uint16(1)) >> np.uint16(1))
            red = np.uint8((np.uint16(upper[4 * i + 3]) + np.uint16(lower[4 * i + 3]) + np.uint16(1)) >> np.uint16(1))
            blues[i] = _widened(blue) if widen else blue
            reds[i] = _widened(red) if widen else red


@kernel(PICTURE_IN, types.uint32, *PLACE, types.boolean, _PLANES)
def _nv12_to_chroma(
    frame: npt.NDArray[np.uint8], first_row: int, x: int, y: int, widen: bool, planes: ChromaPlanes
) -> None:
    columns = planes.shape[2]
    left = 2 * (x // 2)
    for row in range(planes.shape[1]):
        pairs = frame[first_row + y // 2 + row, left : left + 2 * columns]
        blues, reds = planes[0, row], planes[1, row]
        for i in range(columns):
            blues[i] = _widened(pairs[2 * i]) if widen else pairs[2 * i]
            reds[i] = _widened(pairs[2 * i + 1]) if widen else pairs[2 * i + 1]
