"""Interlaced frames: whichever field the images change at, each comes out as it was, and motion is not combed."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from daemon.picture.deinterlace import Deinterlacer
from hw.capture.phantom_render import PhantomRenderer
from hw.ports import GrayPicture

WIDTH, HEIGHT = 320, 240
IMAGES = 12


@pytest.fixture(scope="module")
def images() -> list[GrayPicture]:
    renderer = PhantomRenderer(WIDTH, HEIGHT, 60.0, 3)
    made = [np.empty((HEIGHT, WIDTH), np.uint8) for _ in range(IMAGES)]
    for number, picture in enumerate(made):
        renderer.render(number, number / 15, number / 15, picture)
    return made


def frames(images: list[GrayPicture], fields_each: int, first_field: int, lower: int = 1) -> Iterator[GrayPicture]:
    """Woven frames of a source that shows each image for so many fields; `lower`: row of the first lower one."""
    for number in range(first_field, first_field + fields_each * (len(images) - 1), 2):
        woven = images[number // fields_each].copy()
        woven[lower::2] = images[(number + 1) // fields_each][lower::2]
        yield woven


@pytest.mark.parametrize("first_field", [0, 1])
@pytest.mark.parametrize("fields_each", [2, 3, 4, 8])
def test_each_image_comes_out_as_it_was(images: list[GrayPicture], fields_each: int, first_field: int) -> None:
    deinterlacer = Deinterlacer(WIDTH, HEIGHT)
    seen = []
    for frame in frames(images, fields_each, first_field):
        deinterlacer.make_whole(frame)
        matches = [n for n, image in enumerate(images) if np.array_equal(frame, image)]
        seen.append(matches[0] if matches else None)
    assert None not in seen[1:], "only the first frame may be of two images"
    assert len(set(seen[1:])) >= IMAGES - 3
    assert deinterlacer.interpolated == 0


def test_a_picture_cut_from_an_odd_row_on(images: list[GrayPicture]) -> None:
    deinterlacer = Deinterlacer(WIDTH, HEIGHT, first_row_is_lower=True)
    for number, frame in enumerate(frames(images, 4, 1, lower=0)):
        deinterlacer.make_whole(frame)
        if number > 0:
            assert any(np.array_equal(frame, image) for image in images)


def test_capture_noise_does_not_matter(images: list[GrayPicture]) -> None:
    random = np.random.default_rng(1)
    deinterlacer = Deinterlacer(WIDTH, HEIGHT)
    for number, frame in enumerate(frames(images, 4, 1)):
        noisy = np.clip(frame + random.integers(-1, 2, frame.shape), 0, 255).astype(np.uint8)
        deinterlacer.make_whole(noisy)
        if number > 0:
            assert min(np.abs(noisy.astype(int) - image).max() for image in images) <= 1


def test_motion_from_field_to_field_is_interpolated_and_does_not_comb() -> None:
    bar = np.full((HEIGHT, WIDTH + 400), 90, np.uint8)
    bar[:, 100:140] = 200
    moving = [bar[:, 12 * n : 12 * n + WIDTH].copy() for n in range(IMAGES)]
    deinterlacer = Deinterlacer(WIDTH, HEIGHT)
    for frame in islice(frames(moving, 1, 0), 1, 5):
        combed = np.abs(np.diff(frame.astype(int), axis=0)).mean()
        deinterlacer.make_whole(frame)
    assert deinterlacer.interpolated == 3
    assert np.abs(np.diff(frame.astype(int), axis=0)).mean() < combed / 3


def test_after_a_reset_a_frame_stands_alone(images: list[GrayPicture]) -> None:
    deinterlacer = Deinterlacer(WIDTH, HEIGHT)
    first, second = islice(frames(images, 4, 1), 2)
    deinterlacer.make_whole(first.copy())
    deinterlacer.reset()
    alone = second.copy()
    deinterlacer.make_whole(alone)
    np.testing.assert_array_equal(alone, second)


@pytest.mark.parametrize("size", [(16, 16), (17, 19), (1, 2), (40, 3)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    deinterlacer = Deinterlacer(*size)
    random = np.random.default_rng(2)
    for _ in range(3):
        deinterlacer.make_whole(random.integers(0, 256, size[::-1]).astype(np.uint8))
