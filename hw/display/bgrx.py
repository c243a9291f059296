"""Any picture as the four bytes a pixel that screens take: blue, green, red, nothing.

Grey comes out with the three equal, also where a colour picture has no colour: no matrix clips or rounds it. Colour is
the formula's (ITU-R BT.601-7, BT.709-6, full range) within one level; chroma of 4:2:0 counts for its four pixels.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from hw.kernel import kernel
from hw.ports import NO_CHROMA, ChromaPlanes, ColourMatrix, ColourPicture, GrayPicture, Picture

BgrxPicture = npt.NDArray[np.uint32]
"""Shape (height, width), C-contiguous; a pixel is 0x00RRGGBB."""

_SPREAD_OVER_CHANNELS = np.uint32(0x010101)
_BITS = 14  # of fractions
_KR_KB = {ColourMatrix.BT601: (0.299, 0.114), ColourMatrix.BT709: (0.2126, 0.0722)}  # weights of red and blue in luma


def write_bgrx(picture: Picture, out: BgrxPicture) -> None:
    """Fill the first columns of `out`, which has the picture's rows, and its columns or more."""
    if isinstance(picture, ColourPicture):
        _colour_to_bgrx(picture.luma, picture.chroma, *_terms(picture.coding.matrix), out)
    else:
        np.multiply(picture, _SPREAD_OVER_CHANNELS, out=out[:, : picture.shape[1]], dtype=np.uint32)


def bgrx_of(picture: Picture) -> BgrxPicture:
    out = np.empty(picture.shape, np.uint32)
    write_bgrx(picture, out)
    return out


def _terms(matrix: ColourMatrix) -> tuple[int, int, int, int]:
    """What Cr adds to red, Cb and Cr to green, Cb to blue; in fractions of _BITS."""
    kr, kb = _KR_KB[matrix]
    kg = 1 - kr - kb
    terms = 2 - 2 * kr, -(2 - 2 * kb) * kb / kg, -(2 - 2 * kr) * kr / kg, 2 - 2 * kb
    red_cr, green_cb, green_cr, blue_cb = (round(term * (1 << _BITS)) for term in terms)
    return red_cr, green_cb, green_cr, blue_cb


_PICTURE = types.Array(types.uint8, 2, "C", readonly=True)
_PLANES = types.Array(types.uint8, 3, "C", readonly=True)
_BGRX = types.Array(types.uint32, 2, "C")


@kernel(_PICTURE, _PLANES, *[types.int32] * 4, _BGRX)
def _colour_to_bgrx(
    luma: GrayPicture,
    chroma: ChromaPlanes,
    red_cr: int,
    green_cb: int,
    green_cr: int,
    blue_cb: int,
    out: BgrxPicture,
) -> None:
    height, width = luma.shape
    is_half = chroma.shape[2] < width
    cb, cr = np.empty(width + 1, np.int32), np.empty(width + 1, np.int32)
    half = np.int32(1 << (_BITS - 1))
    none, most = np.int32(0), np.int32(255)
    for row in range(height):
        blues, reds = chroma[0, row >> is_half], chroma[1, row >> is_half]
        if is_half:
            for i in range(blues.shape[0]):
                b, r = np.int32(blues[i]) - NO_CHROMA, np.int32(reds[i]) - NO_CHROMA
                cb[2 * i], cb[2 * i + 1] = b, b
                cr[2 * i], cr[2 * i + 1] = r, r
        else:
            for i in range(width):
                cb[i], cr[i] = np.int32(blues[i]) - NO_CHROMA, np.int32(reds[i]) - NO_CHROMA
        levels, pixels = luma[row], out[row, :width]
        for i in range(width):
            y = np.int32(levels[i])
            red = np.int32(y + np.int32(np.int32(red_cr * cr[i] + half) >> _BITS))
            green = np.int32(y + np.int32(np.int32(green_cb * cb[i] + green_cr * cr[i] + half) >> _BITS))
            blue = np.int32(y + np.int32(np.int32(blue_cb * cb[i] + half) >> _BITS))
            red, green, blue = (
                min(max(red, none), most),
                min(max(green, none), most),
                min(max(blue, none), most),
            )
            pixels[i] = np.uint32(np.uint32(red << 16) | np.uint32(green << 8) | np.uint32(blue))
