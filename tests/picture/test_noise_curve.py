"""The noise is measured on what changes between images, by grey level, and not on what moves."""

from itertools import pairwise

import numpy as np
import pytest

from daemon.picture.noise_curve import IMAGES_NEEDED, NoiseCurve
from hw.ports import GrayPicture

SIZE = 256


def _steps_of_grey() -> np.ndarray:
    return np.repeat(np.linspace(40, 200, 8), SIZE // 8)[None, :].repeat(SIZE, 0)


def _sigma_of(grey: np.ndarray) -> np.ndarray:
    return 6.0 - grey / 50


def _images(count: int, clean: np.ndarray, offsets: list[float] | None = None) -> list[GrayPicture]:
    rng = np.random.default_rng(3)
    return [
        np.clip(
            np.rint(clean + (offsets[i] if offsets else 0) + _sigma_of(clean) * rng.standard_normal(clean.shape)),
            0,
            255,
        ).astype(np.uint8)
        for i in range(count)
    ]


def _learn(images: list[GrayPicture]) -> tuple[NoiseCurve, list[float]]:
    curve = NoiseCurve()
    return curve, [curve.note(now, then) for then, now in pairwise(images)]


def test_sigma_by_grey_within_a_tenth() -> None:
    curve, _ = _learn(_images(12, _steps_of_grey()))
    assert curve.is_known
    for grey in (45, 85, 132, 178):
        assert curve.sigma_by_grey[grey] == pytest.approx(_sigma_of(np.array(grey)), rel=0.1)
    assert curve.typical_sigma == pytest.approx(_sigma_of(np.array(120)), rel=0.15)


def test_not_known_before_enough_images() -> None:
    curve, _ = _learn(_images(IMAGES_NEEDED, _steps_of_grey()))
    assert not curve.is_known
    assert curve.typical_sigma > 0


def test_flicker_is_told_and_no_noise() -> None:
    offsets = [0.0, 5.0, -3.0, 4.0] * 3
    steady, _ = _learn(_images(12, _steps_of_grey()))
    curve, flicker = _learn(_images(12, _steps_of_grey(), offsets))
    assert flicker == pytest.approx(np.diff(offsets), abs=0.5)
    assert curve.typical_sigma == pytest.approx(steady.typical_sigma, rel=0.1)


def test_motion_in_half_of_the_picture_is_no_noise() -> None:
    wave = np.tile(np.repeat([0, 30], 16), SIZE // 32)
    images = _images(12, _steps_of_grey())
    for i, image in enumerate(images):
        image[: SIZE // 2] += np.roll(wave, 9 * i).astype(np.uint8)
    curve, _ = _learn(images)
    assert curve.sigma_by_grey[132] == pytest.approx(_sigma_of(np.array(132)), rel=0.2)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (300, 7)])
def test_too_small_a_picture_teaches_nothing(shape: tuple[int, int]) -> None:
    curve = NoiseCurve()
    for level in range(20):
        curve.note(np.full(shape, level, np.uint8), np.zeros(shape, np.uint8))
    assert not curve.is_known
