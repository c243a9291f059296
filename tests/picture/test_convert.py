"""Captured bytes to grey, against plain arithmetic on the same pixels."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.area import Area
from daemon.picture.convert import LUMA_WEIGHTS, GrayConverter
from hw.ports import CaptureTiming, ColourMatrix, FrameBytes, GrayPicture, PixelFormat, ValueRange

HEIGHT, WIDTH = 48, 90
WHOLE = Area(0, 0, WIDTH, HEIGHT)
COLOURS = (PixelFormat.BGR24, PixelFormat.BGRX)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def timing_of(
    pixel_format: PixelFormat,
    matrix: ColourMatrix = ColourMatrix.BT709,
    value_range: ValueRange = ValueRange.FULL,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> CaptureTiming:
    return CaptureTiming(width, height, 60.0, pixel_format, matrix, value_range)


def random_frame(rng: np.random.Generator, pixel_format: PixelFormat) -> FrameBytes:
    return rng.integers(0, 256, pixel_format.frame_shape(WIDTH, HEIGHT), dtype=np.uint8)


def to_gray(frame: FrameBytes, timing: CaptureTiming, area: Area | None = None) -> GrayPicture:
    area = area or Area(0, 0, timing.width, timing.height)
    picture = np.full((area.height, area.width), 77, np.uint8)
    GrayConverter(timing, area).write(frame, picture)
    return picture


def formula(frame: FrameBytes, timing: CaptureTiming) -> npt.NDArray[np.float64]:
    if timing.pixel_format in COLOURS:
        pixels = frame.reshape(timing.height, timing.width, -1)[:, :, :3].astype(np.float64)
        luma = pixels @ np.array(LUMA_WEIGHTS[timing.matrix])
    elif timing.pixel_format is PixelFormat.YUYV422:
        luma = frame[:, ::2].astype(np.float64)
    else:
        luma = frame[: timing.height].astype(np.float64)
    if timing.value_range is ValueRange.LIMITED:
        luma = np.clip((luma - 16) * 255 / 219, 0, 255)
    return np.rint(luma)


@pytest.mark.parametrize("value_range", ValueRange)
@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_each_level_is_the_formulas_or_next_to_it(
    rng: np.random.Generator, pixel_format: PixelFormat, matrix: ColourMatrix, value_range: ValueRange
) -> None:
    frame, timing = random_frame(rng, pixel_format), timing_of(pixel_format, matrix, value_range)
    gray = to_gray(frame, timing)
    assert np.abs(gray - formula(frame, timing)).max() <= 1
    if value_range is ValueRange.LIMITED:
        assert (gray.min(), gray.max()) == (0, 255)


@pytest.mark.parametrize("value_range", ValueRange)
@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("pixel_format", COLOURS)
def test_so_it_is_over_the_whole_cube_of_colours(
    pixel_format: PixelFormat, matrix: ColourMatrix, value_range: ValueRange
) -> None:
    steps = sorted({*range(0, 256, 5), 15, 16, 17, 234, 235, 236})
    colours = np.array(list(itertools.product(steps, repeat=3)), np.uint8)
    side = int(np.ceil(np.sqrt(len(colours))))
    frame = np.zeros((side * side, pixel_format.pixel_bytes), np.uint8)
    frame[: len(colours), :3] = colours
    frame = frame.reshape(side, side * pixel_format.pixel_bytes)
    timing = timing_of(pixel_format, matrix, value_range, side, side)
    assert np.abs(to_gray(frame, timing) - formula(frame, timing)).max() <= 1


@pytest.mark.parametrize("pixel_format", [PixelFormat.GRAY8, PixelFormat.YUYV422, PixelFormat.NV12])
def test_limited_levels_keep_their_order_and_fill_the_range(pixel_format: PixelFormat) -> None:
    timing = timing_of(pixel_format, value_range=ValueRange.LIMITED, width=256, height=2)
    frame = np.zeros(pixel_format.frame_shape(256, 2), np.uint8)
    frame[:2, :: pixel_format.pixel_bytes] = np.arange(256)
    levels = to_gray(frame, timing)[0].astype(int)
    assert np.abs(levels - formula(frame, timing)).max() <= 1
    assert (np.diff(levels[16:236]) >= 1).all()
    assert (levels[:17].max(), levels[235:].min()) == (0, 255)


@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("pixel_format", COLOURS)
def test_gray_of_a_gray_source_is_exact(pixel_format: PixelFormat, matrix: ColourMatrix) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256)
    frame = np.repeat(levels, pixel_format.pixel_bytes, axis=1)
    np.testing.assert_array_equal(to_gray(frame, timing_of(pixel_format, matrix, width=256, height=1)), levels)


@pytest.mark.parametrize("value_range", ValueRange)
@pytest.mark.parametrize("pixel_format", PixelFormat)
@given(x=st.integers(0, WIDTH - 1), y=st.integers(0, HEIGHT - 1), data=st.data())
def test_a_crop_is_the_same_pixels(
    pixel_format: PixelFormat, value_range: ValueRange, x: int, y: int, data: st.DataObject
) -> None:
    frame = random_frame(np.random.default_rng(5), pixel_format)
    frame.flags.writeable = False
    timing = timing_of(pixel_format, value_range=value_range)
    area = Area(x, y, data.draw(st.integers(1, WIDTH - x)), data.draw(st.integers(1, HEIGHT - y)))
    np.testing.assert_array_equal(to_gray(frame, timing, area), area.view(to_gray(frame, timing)))


def test_areas_beyond_the_frame_and_frames_of_another_shape_are_refused(rng: np.random.Generator) -> None:
    timing = timing_of(PixelFormat.NV12)
    with pytest.raises(ValueError, match="not inside"):
        GrayConverter(timing, Area(0, 0, WIDTH, HEIGHT + 1))
    converter = GrayConverter(timing, WHOLE)
    frame, picture = random_frame(rng, PixelFormat.NV12), np.zeros((HEIGHT, WIDTH), np.uint8)
    converter.write(frame, picture)
    with pytest.raises(ValueError, match="frame of shape"):
        converter.write(frame[:HEIGHT].copy(), picture)
    with pytest.raises(ValueError, match="picture of shape"):
        converter.write(frame, np.zeros((HEIGHT, WIDTH + 1), np.uint8))
