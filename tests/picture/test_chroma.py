"""Captured bytes to chroma planes, against plain arithmetic on the same pixels."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.area import Area
from daemon.picture.chroma import PAIRED, SAMPLINGS, ChromaConverter, has_chroma
from daemon.picture.convert import LUMA_WEIGHTS
from hw.ports import (
    NO_CHROMA,
    CaptureTiming,
    ChromaPlanes,
    ChromaSampling,
    ColourMatrix,
    FrameBytes,
    PixelFormat,
    ValueRange,
)

HEIGHT, WIDTH = 46, 90


def timing_of(
    pixel_format: PixelFormat,
    matrix: ColourMatrix = ColourMatrix.BT709,
    value_range: ValueRange = ValueRange.FULL,
) -> CaptureTiming:
    return CaptureTiming(WIDTH, HEIGHT, 60.0, pixel_format, matrix, value_range)


def random_frame(pixel_format: PixelFormat, seed: int = 3) -> FrameBytes:
    return np.random.default_rng(seed).integers(0, 256, pixel_format.frame_shape(WIDTH, HEIGHT), dtype=np.uint8)


def to_chroma(frame: FrameBytes, timing: CaptureTiming, area: Area | None = None) -> ChromaPlanes:
    converter = ChromaConverter(timing, area or Area(0, 0, WIDTH, HEIGHT))
    planes = np.full(converter.shape, 77, np.uint8)
    converter.write(frame, planes)
    return planes


def formula(frame: FrameBytes, timing: CaptureTiming) -> npt.NDArray[np.float64]:
    """Shape (2, rows, columns), of ITU-R BT.601-7 and BT.709-6, from 0 to 255."""
    limited = timing.value_range is ValueRange.LIMITED
    if timing.pixel_format in PAIRED:
        if timing.pixel_format is PixelFormat.YUYV422:
            pairs = frame.reshape(HEIGHT, WIDTH // 2, 4)[:, :, 1::2].astype(float)
            chroma = np.floor((pairs[::2] + pairs[1::2] + 1) / 2)
        else:
            chroma = frame[HEIGHT:].reshape(HEIGHT // 2, WIDTH // 2, 2).astype(float)
        chroma = chroma.transpose(2, 0, 1) - NO_CHROMA
        chroma = chroma * 255 / 224 if limited else chroma
    else:
        blue, green, red = frame.reshape(HEIGHT, WIDTH, -1)[:, :, :3].astype(float).transpose(2, 0, 1)
        kb, kg, kr = LUMA_WEIGHTS[timing.matrix]
        luma = kb * blue + kg * green + kr * red
        chroma = np.stack([(blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)])
        chroma = chroma * 255 / 219 if limited else chroma
    return np.clip(chroma + NO_CHROMA, 0, 255)


@pytest.mark.parametrize("value_range", ValueRange)
@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("pixel_format", SAMPLINGS)
def test_each_level_is_within_one_of_the_formula(
    pixel_format: PixelFormat, matrix: ColourMatrix, value_range: ValueRange
) -> None:
    frame, timing = random_frame(pixel_format), timing_of(pixel_format, matrix, value_range)
    chroma = to_chroma(frame, timing)
    assert chroma.shape[1:] == SAMPLINGS[pixel_format].plane_shape((HEIGHT, WIDTH))
    assert np.abs(chroma - formula(frame, timing)).max() <= 1.01


@pytest.mark.parametrize("value_range", ValueRange)
@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("pixel_format", [PixelFormat.BGR24, PixelFormat.BGRX])
def test_grey_has_none_at_any_level(pixel_format: PixelFormat, matrix: ColourMatrix, value_range: ValueRange) -> None:
    frame = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH).repeat(pixel_format.pixel_bytes, axis=1)
    assert (to_chroma(frame, timing_of(pixel_format, matrix, value_range)) == NO_CHROMA).all()


@pytest.mark.parametrize("value_range", ValueRange)
@pytest.mark.parametrize("pixel_format", PAIRED)
def test_no_chroma_stays_none(pixel_format: PixelFormat, value_range: ValueRange) -> None:
    frame = random_frame(pixel_format)
    if pixel_format is PixelFormat.YUYV422:
        frame[:, 1::2] = NO_CHROMA
    else:
        frame[HEIGHT:] = NO_CHROMA
    assert (to_chroma(frame, timing_of(pixel_format, value_range=value_range)) == NO_CHROMA).all()


@pytest.mark.parametrize("value_range", ValueRange)
@pytest.mark.parametrize("pixel_format", SAMPLINGS)
@given(x=st.integers(0, WIDTH - 1), y=st.integers(0, HEIGHT - 1), data=st.data())
def test_a_crop_is_the_same_chroma(
    pixel_format: PixelFormat, value_range: ValueRange, x: int, y: int, data: st.DataObject
) -> None:
    """From an odd pixel on, that of the pairs in which its samples begin; and nothing from beyond the crop's rows."""
    frame = random_frame(pixel_format, seed=5)
    frame.flags.writeable = False
    timing = timing_of(pixel_format, value_range=value_range)
    area = Area(x, y, data.draw(st.integers(1, WIDTH - x)), data.draw(st.integers(1, HEIGHT - y)))
    cropped, whole = to_chroma(frame, timing, area), to_chroma(frame, timing)
    if SAMPLINGS[pixel_format] is ChromaSampling.FULL:
        expected = whole[:, area.y : area.bottom, area.x : area.right]
    elif pixel_format is PixelFormat.NV12:
        rows, columns = cropped.shape[1:]
        expected = whole[:, y // 2 : y // 2 + rows, x // 2 : x // 2 + columns]
    else:
        upper = np.arange(area.y, area.bottom, 2)
        lower = np.minimum(upper + 1, area.bottom - 1)
        means = np.zeros_like(frame)
        means[: 2 * upper.size] = ((frame[upper].astype(int) + frame[lower] + 1) // 2).repeat(2, axis=0)[:HEIGHT]
        expected = to_chroma(means, timing)[:, : upper.size, x // 2 : x // 2 + cropped.shape[2]]
    np.testing.assert_array_equal(cropped, expected)


def test_what_has_no_chroma_to_be_had() -> None:
    assert not has_chroma(CaptureTiming(64, 48, 60.0, PixelFormat.GRAY8))
    assert not has_chroma(CaptureTiming(63, 48, 60.0, PixelFormat.YUYV422))
    assert not has_chroma(CaptureTiming(64, 48, 60.0, PixelFormat.BGR24, is_interlaced=True))
    assert has_chroma(CaptureTiming(63, 48, 60.0, PixelFormat.BGR24))
    assert has_chroma(CaptureTiming(64, 47, 60.0, PixelFormat.NV12))
