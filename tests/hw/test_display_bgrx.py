"""From any picture to the bytes of a screen, against plain arithmetic."""

import numpy as np
import numpy.typing as npt
import pytest

from hw.display.bgrx import bgrx_of, write_bgrx
from hw.ports import NO_CHROMA, ChromaSampling, ColourCoding, ColourMatrix, ColourPicture

KR_KB = {ColourMatrix.BT601: (0.299, 0.114), ColourMatrix.BT709: (0.2126, 0.0722)}


def channels(picture: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Shape (height, width, 4): blue, green, red, and what must be nothing."""
    return np.ascontiguousarray(picture).view(np.uint8).reshape(*picture.shape, 4)


def formula(picture: ColourPicture) -> npt.NDArray[np.float64]:
    height, width = picture.shape
    chroma = picture.chroma
    if picture.coding.sampling is ChromaSampling.HALF:
        chroma = chroma.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    kr, kb = KR_KB[picture.coding.matrix]
    cb, cr = chroma.astype(float) - NO_CHROMA
    red, blue = picture.luma + (2 - 2 * kr) * cr, picture.luma + (2 - 2 * kb) * cb
    green = (picture.luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.rint(np.clip(np.stack([blue, green, red], axis=2), 0, 255))


def colour_picture(size: tuple[int, int], sampling: ChromaSampling, matrix: ColourMatrix) -> ColourPicture:
    random = np.random.default_rng(8)
    chroma = random.integers(0, 256, (2, *sampling.plane_shape(size)), np.uint8)
    return ColourPicture(random.integers(0, 256, size, np.uint8), chroma, ColourCoding(sampling, matrix))


@pytest.mark.parametrize("size", [(64, 48), (63, 47)], ids=str)
@pytest.mark.parametrize("sampling", ChromaSampling)
@pytest.mark.parametrize("matrix", ColourMatrix)
def test_each_channel_is_the_formulas_or_next_to_it(
    matrix: ColourMatrix, sampling: ChromaSampling, size: tuple[int, int]
) -> None:
    picture = colour_picture(size, sampling, matrix)
    shown = channels(bgrx_of(picture))
    assert np.abs(shown[:, :, :3] - formula(picture)).max() <= 1
    assert (shown[:, :, 3] == 0).all()


@pytest.mark.parametrize("matrix", ColourMatrix)
def test_grey_is_exact_in_a_colour_picture_too(matrix: ColourMatrix) -> None:
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    grey_in_colour = ColourPicture(
        greys, np.full((2, 8, 8), NO_CHROMA, np.uint8), ColourCoding(ChromaSampling.HALF, matrix)
    )
    np.testing.assert_array_equal(channels(bgrx_of(greys))[:, :, :3], greys[:, :, None].repeat(3, axis=2))
    np.testing.assert_array_equal(bgrx_of(grey_in_colour), bgrx_of(greys))


@pytest.mark.parametrize("sampling", ChromaSampling)
def test_rows_may_be_longer_than_the_picture(sampling: ChromaSampling) -> None:
    picture = colour_picture((20, 31), sampling, ColourMatrix.BT709)
    out = np.full((20, 40), 7, np.uint32)
    write_bgrx(picture, out)
    np.testing.assert_array_equal(out[:, :31], bgrx_of(picture))
    assert (out[:, 31:] == 7).all()
