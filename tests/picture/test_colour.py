"""What counts as colour of a source, and how fast it comes and goes."""

import numpy as np
import pytest

from daemon.picture.area import Area
from daemon.picture.chroma import SAMPLINGS
from daemon.picture.colour import FRAMES_TO_END, ROWS_APART, ColourWatch
from daemon.picture.mask import Boxes, boxes_inside
from hw.ports import NO_CHROMA, CaptureTiming, FrameBytes, PixelFormat

WIDTH, HEIGHT = 320, 240
IMAGE = Area(41, 13, 250, 200)
RED = (40, 40, 220)

pytestmark = pytest.mark.parametrize("pixel_format", SAMPLINGS)


def frame_of(pixel_format: PixelFormat, *coloured: Area, noise: int = 0, tint: int = 0) -> FrameBytes:
    """Grey of all levels, some areas red; chroma that is off by `tint`, and by `noise` at random."""
    random = np.random.default_rng(4)
    grey = random.integers(0, 256, (HEIGHT, WIDTH)).astype(np.int16)
    off = tint + random.integers(-noise, noise + 1, (HEIGHT, WIDTH, 3))
    is_red = np.zeros((HEIGHT, WIDTH), np.bool_)
    for area in coloured:
        is_red[area.y : area.bottom, area.x : area.right] = True
    if pixel_format in (PixelFormat.BGR24, PixelFormat.BGRX):
        pixels = np.clip(grey[:, :, None] + off, 0, 255)
        pixels[is_red] = RED
        if pixel_format is PixelFormat.BGRX:
            pixels = np.concatenate([pixels, random.integers(0, 256, (HEIGHT, WIDTH, 1))], axis=2)
        return pixels.astype(np.uint8).reshape(HEIGHT, -1)
    chroma = np.where(is_red, 200, NO_CHROMA + off[:, :, 0]).astype(np.uint8)
    if pixel_format is PixelFormat.YUYV422:
        return np.stack([grey.astype(np.uint8), chroma], axis=2).reshape(HEIGHT, -1)
    return np.concatenate([grey.astype(np.uint8), chroma[::2]])


def watch(pixel_format: PixelFormat, identity: Boxes | None = None) -> ColourWatch:
    timing = CaptureTiming(WIDTH, HEIGHT, 60.0, pixel_format)
    return ColourWatch(timing, IMAGE, boxes_inside((), IMAGE) if identity is None else identity)


def after(looking: ColourWatch, frame: FrameBytes, frames: int = 3 * ROWS_APART) -> bool:
    for _ in range(frames):
        looking.look(frame)
    return looking.is_coloured


@pytest.mark.parametrize(
    "overlay",
    [Area(100, 100, 60, 2), Area(100, 100, 2, 60), Area(100, 100, 12, 12), IMAGE],
    ids=["line across", "line down", "patch", "everywhere"],
)
def test_colour_in_the_image_counts_at_once(pixel_format: PixelFormat, overlay: Area) -> None:
    looking = watch(pixel_format)
    assert looking.look(frame_of(pixel_format, overlay))
    assert looking.is_coloured


def test_noise_and_a_slight_tint_are_no_colour(pixel_format: PixelFormat) -> None:
    assert not after(watch(pixel_format), frame_of(pixel_format, noise=6, tint=5))


def test_colour_around_the_image_does_not_count(pixel_format: PixelFormat) -> None:
    around = (Area(0, 0, WIDTH, IMAGE.y), Area(0, IMAGE.bottom, WIDTH, HEIGHT - IMAGE.bottom), Area(0, 0, 40, HEIGHT))
    assert not after(watch(pixel_format), frame_of(pixel_format, *around, Area(292, 0, 28, HEIGHT)))


def test_a_coloured_name_does_not_count(pixel_format: PixelFormat) -> None:
    name = Area(101, 51, 91, 31)
    assert not after(watch(pixel_format, boxes_inside((Area(100, 50, 94, 34),), IMAGE)), frame_of(pixel_format, name))


def test_a_few_coloured_pixels_do_not_count(pixel_format: PixelFormat) -> None:
    assert not after(watch(pixel_format), frame_of(pixel_format, Area(100, 100, 6, 6)))


def test_colour_that_comes_later_is_seen_within_the_rows_of_eight_frames(pixel_format: PixelFormat) -> None:
    looking, coloured = watch(pixel_format), frame_of(pixel_format, Area(100, 100, 12, 12))
    assert not after(looking, frame_of(pixel_format))
    assert after(looking, coloured, ROWS_APART)


def test_a_single_disturbed_frame_is_no_colour(pixel_format: PixelFormat) -> None:
    looking = watch(pixel_format)
    assert not after(looking, frame_of(pixel_format))
    assert not looking.look(frame_of(pixel_format, IMAGE))
    assert not after(looking, frame_of(pixel_format))


def test_colour_that_has_gone_is_believed_late_and_told_once(pixel_format: PixelFormat) -> None:
    looking, grey = watch(pixel_format), frame_of(pixel_format)
    looking.look(frame_of(pixel_format, IMAGE))
    assert after(looking, grey, FRAMES_TO_END - 1)
    assert after(looking, frame_of(pixel_format, IMAGE), 2), "it comes back in between"
    changes = [looking.look(grey) for _ in range(FRAMES_TO_END + 2 * ROWS_APART)]
    assert changes.count(True) == 1
    assert changes.index(True) >= FRAMES_TO_END - 1
    assert not looking.is_coloured


def test_colour_at_the_threshold_does_not_flicker(pixel_format: PixelFormat) -> None:
    """Between the two shares nothing changes."""
    looking, little = watch(pixel_format), frame_of(pixel_format, Area(100, 100, 6, 6))
    assert after(looking, frame_of(pixel_format, IMAGE), 1)
    assert after(looking, little, 3 * FRAMES_TO_END)
