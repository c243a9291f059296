"""Captured bytes to grey in one pass: crop to the image area, luma, and full range, straight into the picture.

Grey of a grey source is exact in every format: the weights add up to one, so b = g = r = v gives v. Limited range (16 to
235, what televisions use) is widened to 0 to 255, and what lies beyond is cut.
"""

from enum import StrEnum

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.picture.area import Area
from daemon.picture.kernel import PICTURE, PICTURE_IN, kernel
from hw.ports import GrayPicture

FrameBytes = npt.NDArray[np.uint8]
"""Shape (rows, bytes of a row): the capture device's buffer as it is, rows of one size. NV12: luma rows, then chroma."""

BLACK_LIMITED, WHITE_LIMITED = 16, 235
WIDEN = 298  # 256 * 255 / 219, rounded: the products stay within 16 bits, which makes the loop twice as fast


class SourceFormat(StrEnum):
    GRAY = "gray"
    BGR = "bgr24"
    BGRX = "bgr0"
    YUYV = "yuyv422"
    NV12 = "nv12"

    @property
    def pixel_bytes(self) -> int:
        """From one pixel's luma to the next one's."""
        return {SourceFormat.BGR: 3, SourceFormat.BGRX: 4, SourceFormat.YUYV: 2}.get(self, 1)


class Matrix(StrEnum):
    """Which weights the red, green and blue of a colour source have in its grey (ITU-R BT.601-7 and BT.709-6, item 3)."""

    BT601 = "bt601"
    BT709 = "bt709"

    @property
    def weights(self) -> tuple[int, int, int]:
        """Of blue, green and red, in 1/256."""
        return (29, 150, 77) if self is Matrix.BT601 else (18, 183, 55)


class Range(StrEnum):
    FULL = "full"
    LIMITED = "limited"


def to_gray(
    frame: FrameBytes,
    source_format: SourceFormat,
    area: Area,
    *,
    matrix: Matrix = Matrix.BT709,
    value_range: Range = Range.FULL,
    out: GrayPicture | None = None,
) -> GrayPicture:
    """The grey picture of `area`, shape (area.height, area.width), full range; into `out` when that is given.

    Raises ValueError when the area is not inside the frame, or `out` has another shape.
    """
    pixel_bytes = source_format.pixel_bytes
    rows = frame.shape[0] * 2 // 3 if source_format is SourceFormat.NV12 else frame.shape[0]
    if not area.is_inside(Area(0, 0, frame.shape[1] // pixel_bytes, rows)):
        raise ValueError(f"{area} is not inside a {source_format} frame of {frame.shape[1] // pixel_bytes}x{rows}")
    if out is None:
        out = np.empty((area.height, area.width), np.uint8)
    elif out.shape != (area.height, area.width):
        raise ValueError(f"a picture of {out.shape[1]}x{out.shape[0]} for an area of {area}")
    widen = value_range is Range.LIMITED
    match source_format:
        case SourceFormat.BGR:
            _bgr_to_gray(frame, area.x, area.y, *matrix.weights, widen, out)
        case SourceFormat.BGRX:
            _bgrx_to_gray(frame, area.x, area.y, *matrix.weights, widen, out)
        case SourceFormat.YUYV:
            _yuyv_to_gray(frame, area.x, area.y, widen, out)
        case SourceFormat.GRAY | SourceFormat.NV12:
            _luma_to_gray(frame, area.x, area.y, widen, out)
    return out


@kernel(PICTURE)
def _widen(out: GrayPicture) -> None:
    """Limited to full range, in place; a row is still in the nearest cache when this comes to it."""
    for row in range(out.shape[0]):
        values = out[row]
        for i in range(values.shape[0]):
            limited = np.uint16(min(max(values[i], np.uint8(BLACK_LIMITED)), np.uint8(WHITE_LIMITED)) - BLACK_LIMITED)
            values[i] = np.uint16(limited * np.uint16(WIDEN) + np.uint16(128)) >> np.uint16(8)


_WEIGHTED = (PICTURE_IN, *[types.uint64] * 2, *[types.uint16] * 3, types.boolean, PICTURE)


@kernel(*_WEIGHTED)
def _bgr_to_gray(
    frame: FrameBytes, x: int, y: int, blue: int, green: int, red: int, widen: bool, out: GrayPicture
) -> None:
    for row in range(out.shape[0]):
        values = out[row]
        pixels = frame[y + row, 3 * x : 3 * (x + out.shape[1])]
        for i in range(values.shape[0]):
            total = np.uint16(
                blue * np.uint16(pixels[3 * i])
                + green * np.uint16(pixels[3 * i + 1])
                + red * np.uint16(pixels[3 * i + 2])
                + np.uint16(128)
            )
            values[i] = total >> np.uint16(8)
        if widen:
            _widen(out[row : row + 1])


@kernel(*_WEIGHTED)
def _bgrx_to_gray(
    frame: FrameBytes, x: int, y: int, blue: int, green: int, red: int, widen: bool, out: GrayPicture
) -> None:
    for row in range(out.shape[0]):
        values = out[row]
        pixels = frame[y + row, 4 * x : 4 * (x + out.shape[1])]
        for i in range(values.shape[0]):
            total = np.uint16(
                blue * np.uint16(pixels[4 * i])
                + green * np.uint16(pixels[4 * i + 1])
                + red * np.uint16(pixels[4 * i + 2])
                + np.uint16(128)
            )
            values[i] = total >> np.uint16(8)
        if widen:
            _widen(out[row : row + 1])


@kernel(PICTURE_IN, *[types.uint64] * 2, types.boolean, PICTURE)
def _yuyv_to_gray(frame: FrameBytes, x: int, y: int, widen: bool, out: GrayPicture) -> None:
    for row in range(out.shape[0]):
        values = out[row]
        pixels = frame[y + row, 2 * x : 2 * (x + out.shape[1])]
        for i in range(values.shape[0]):
            values[i] = pixels[2 * i]
        if widen:
            _widen(out[row : row + 1])


@kernel(PICTURE_IN, *[types.uint64] * 2, types.boolean, PICTURE)
def _luma_to_gray(frame: FrameBytes, x: int, y: int, widen: bool, out: GrayPicture) -> None:
    for row in range(out.shape[0]):
        values = out[row]
        pixels = frame[y + row, x : x + out.shape[1]]
        for i in range(values.shape[0]):
            values[i] = pixels[i]
        if widen:
            _widen(out[row : row + 1])
