"""Captured bytes to grey, against plain arithmetic on the same pixels."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.area import Area
from daemon.picture.convert import FrameBytes, Matrix, Range, SourceFormat, to_gray

HEIGHT, WIDTH = 48, 90
WHOLE = Area(0, 0, WIDTH, HEIGHT)
FRAME_ROWS = {SourceFormat.NV12: HEIGHT * 3 // 2}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def random_frame(rng: np.random.Generator, source_format: SourceFormat) -> FrameBytes:
    rows = FRAME_ROWS.get(source_format, HEIGHT)
    return rng.integers(0, 256, (rows, WIDTH * source_format.pixel_bytes), dtype=np.uint8)


def luma(frame: FrameBytes, source_format: SourceFormat, matrix: Matrix) -> npt.NDArray[np.float64]:
    match source_format:
        case SourceFormat.BGR | SourceFormat.BGRX:
            pixels = frame.reshape(HEIGHT, WIDTH, -1)[:, :, :3].astype(np.float64)
            weights = {Matrix.BT601: (0.114, 0.587, 0.299), Matrix.BT709: (0.0722, 0.7152, 0.2126)}[matrix]
            return pixels @ np.array(weights)
        case SourceFormat.YUYV:
            return frame[:, ::2].astype(np.float64)
        case _:
            return frame[:HEIGHT].astype(np.float64)


def widened(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (np.clip(values, 16, 235) - 16) * 255 / 219


@pytest.mark.parametrize("matrix", Matrix)
@pytest.mark.parametrize("source_format", SourceFormat)
def test_full_range(rng: np.random.Generator, source_format: SourceFormat, matrix: Matrix) -> None:
    frame = random_frame(rng, source_format)
    gray = to_gray(frame, source_format, WHOLE, matrix=matrix)
    assert np.abs(gray - luma(frame, source_format, matrix)).max() <= 1.0


@pytest.mark.parametrize("source_format", SourceFormat)
def test_limited_range_is_widened_and_cut(rng: np.random.Generator, source_format: SourceFormat) -> None:
    frame = random_frame(rng, source_format)
    gray = to_gray(frame, source_format, WHOLE, value_range=Range.LIMITED)
    assert np.abs(gray - widened(luma(frame, source_format, Matrix.BT709))).max() <= 1.7
    assert gray.min() == 0
    assert gray.max() == 255


def test_each_limited_level_becomes_the_nearest_full_one() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256)
    gray = to_gray(levels, SourceFormat.GRAY, Area.of(levels), value_range=Range.LIMITED)
    np.testing.assert_array_equal(gray, np.rint(widened(levels.astype(np.float64))))


@pytest.mark.parametrize("matrix", Matrix)
@pytest.mark.parametrize("source_format", [SourceFormat.BGR, SourceFormat.BGRX])
def test_gray_of_a_gray_source_is_exact(source_format: SourceFormat, matrix: Matrix) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256)
    frame = np.repeat(levels, source_format.pixel_bytes, axis=1)
    np.testing.assert_array_equal(to_gray(frame, source_format, Area.of(levels), matrix=matrix), levels)


@pytest.mark.parametrize("value_range", Range)
@pytest.mark.parametrize("source_format", SourceFormat)
@given(x=st.integers(0, WIDTH - 1), y=st.integers(0, HEIGHT - 1), data=st.data())
def test_a_crop_is_the_same_pixels(
    source_format: SourceFormat, value_range: Range, x: int, y: int, data: st.DataObject
) -> None:
    frame = random_frame(np.random.default_rng(5), source_format)
    area = Area(x, y, data.draw(st.integers(1, WIDTH - x)), data.draw(st.integers(1, HEIGHT - y)))
    whole = to_gray(frame, source_format, WHOLE, value_range=value_range)
    np.testing.assert_array_equal(to_gray(frame, source_format, area, value_range=value_range), area.view(whole))


def test_the_frame_may_be_read_only_and_the_picture_given(rng: np.random.Generator) -> None:
    frame = random_frame(rng, SourceFormat.YUYV)
    frame.flags.writeable = False
    out = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert to_gray(frame, SourceFormat.YUYV, WHOLE, out=out) is out
    np.testing.assert_array_equal(out, frame[:, ::2])


def test_areas_beyond_the_frame_and_pictures_of_another_shape_are_refused(rng: np.random.Generator) -> None:
    frame = random_frame(rng, SourceFormat.NV12)
    with pytest.raises(ValueError, match="not inside"):
        to_gray(frame, SourceFormat.NV12, Area(0, 0, WIDTH, HEIGHT + 1))
    with pytest.raises(ValueError, match="for an area"):
        to_gray(frame, SourceFormat.NV12, WHOLE, out=np.zeros((HEIGHT, WIDTH + 1), np.uint8))
