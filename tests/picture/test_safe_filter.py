"""What the safe filter promises: a hard bound, determinism, no memory across a reset, and a faint wire kept."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.noise_curve import IMAGES_NEEDED
from daemon.picture.safe_filter import LARGEST_CHANGE_SIGMAS, LOW_DOSE_SIGMA, SafeFilter
from daemon.states import FilterState
from hw.ports import CAPTURE_FRAMES_KEPT, GrayPicture
from tests.picture.filter_bound import pixels_over_the_bound

SIZE = 192
SIGMA = 4.0
LEARNING = IMAGES_NEEDED + 2


def _noise(count: int, seed: int = 0, sigma: float = SIGMA, size: int = SIZE) -> list[GrayPicture]:
    rng = np.random.default_rng(seed)
    return [_levels(120 + sigma * rng.standard_normal((size, size))) for _ in range(count)]


def _levels(values: npt.NDArray[np.float64]) -> GrayPicture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _filtered(images: list[GrayPicture]) -> list[GrayPicture]:
    safe = SafeFilter()
    return [safe.apply(image).copy() for image in images]


def _arbitrary_images(seed: int, width: int, height: int, kind: int, count: int) -> list[GrayPicture]:
    """Noise, ramps, jumps, moving lines, saturated greys, flicker; sizes that are no multiples of anything."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    images = []
    for i in range(count):
        sigma = rng.uniform(0, 8)
        base = [ramp, np.full((height, width), rng.uniform(0, 255)), np.roll(ramp, 13 * i, 1), 255 - ramp][kind]
        if rng.random() < 0.3:
            base = base.copy()
            base[:, rng.integers(width)] -= rng.uniform(0, 120)
        images.append(_levels(base + rng.uniform(-20, 20) * (i % 2) + sigma * rng.standard_normal((height, width))))
    return images


@given(st.integers(0, 2**32), st.integers(1, 150), st.integers(1, 150), st.integers(0, 3))
def test_no_pixel_is_over_the_bound(seed: int, width: int, height: int, kind: int) -> None:
    safe = SafeFilter()
    for image in _arbitrary_images(seed, width, height, kind, LEARNING + 6):
        assert pixels_over_the_bound(image, safe.apply(image), safe) == 0


@pytest.mark.slow
def test_no_pixel_of_many_is_over_the_bound() -> None:
    filtered = 0
    for seed in range(40):
        safe = SafeFilter()
        for image in _arbitrary_images(seed, 1021, 1027, seed % 4, 24):
            assert pixels_over_the_bound(image, safe.apply(image), safe) == 0
            filtered += safe.report.filtered_share > 0
    assert filtered > 100


def test_the_bound_is_reached_and_binds() -> None:
    """A step too small to be evidence, too large for the bound: so the bound was tested, not only the mixing."""
    safe = SafeFilter()
    for image in _noise(LEARNING):
        safe.apply(image)
    speckled = _noise(1, seed=9)[0]
    speckled[20:-20:24, 20:-20:24] += 30
    out = safe.apply(speckled)
    moved = np.abs(out.astype(int) - speckled)
    assert moved.max() == np.floor(LARGEST_CHANGE_SIGMAS * safe.noise.typical_sigma + 0.5)


def test_static_noise_becomes_less() -> None:
    images = _noise(LEARNING + 8)
    inner = np.s_[16:-16, 16:-16]
    assert _filtered(images)[-1][inner].std() < 0.85 * images[-1][inner].std()


def test_the_same_pictures_give_the_same_results() -> None:
    images = _noise(LEARNING + 4)
    for one, other in zip(_filtered(images), _filtered(images), strict=True):
        assert np.array_equal(one, other)


def test_nothing_leaks_over_a_reset_nor_over_a_change_of_size() -> None:
    images = _noise(LEARNING + 4)
    fresh = _filtered(images)
    for forget in ("reset", "size"):
        safe = SafeFilter()
        for other in _noise(LEARNING + 4, seed=5, sigma=2.0):
            safe.apply(other // 2)
        if forget == "reset":
            safe.reset()
        else:
            safe.apply(np.zeros((SIZE, SIZE + 4), np.uint8))
        for image, expected in zip(images, fresh, strict=True):
            assert np.array_equal(safe.apply(image), expected)


def test_while_it_learns_the_picture_itself_comes_out() -> None:
    safe = SafeFilter()
    for image in _noise(IMAGES_NEEDED):
        assert safe.apply(image) is image
        assert safe.report.state is FilterState.SUSPENDED
        assert safe.report.cause == "learning the noise"


def test_low_dose_suspends_it_with_a_cause() -> None:
    safe = SafeFilter()
    for image in _noise(LEARNING, sigma=1.3 * LOW_DOSE_SIGMA):
        assert safe.apply(image) is image
    assert safe.report.state is FilterState.SUSPENDED
    assert "low dose" in safe.report.cause
    for image in _noise(30, sigma=0.5 * LOW_DOSE_SIGMA):
        safe.apply(image)
    assert safe.report.state is FilterState.ON


def test_results_stay_untouched_as_long_as_a_source_keeps_its_frames() -> None:
    safe = SafeFilter()
    for image in _noise(LEARNING):
        safe.apply(image)
    first = safe.apply(_noise(1, seed=7)[0])
    before = first.copy()
    for image in _noise(CAPTURE_FRAMES_KEPT - 1, seed=8):
        safe.apply(image)
    assert np.array_equal(first, before)


def _wire(step: int, pixels_per_image: float, angle: float) -> npt.NDArray[np.float64]:
    """The profile of parallel wires, 1 at the middle; they move across themselves."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    across = x * np.cos(angle) + y * np.sin(angle) - pixels_per_image * step
    distance = (across + 24) % 48 - 24
    return np.exp(-(distance**2) / (2 * 0.96**2))


@pytest.mark.parametrize("pixels_per_image", [1, 4, 10])
@pytest.mark.parametrize("degrees", [0, 17, 45, 70, 112, 135, 160])
def test_a_wire_of_two_sigma_is_kept(pixels_per_image: int, degrees: int) -> None:
    rng = np.random.default_rng(degrees)
    count = LEARNING + 6
    wires = [_wire(i, pixels_per_image, np.radians(degrees)) for i in range(count)]
    images = [_levels(120 - 2 * SIGMA * wire + SIGMA * rng.standard_normal(wire.shape)) for wire in wires]
    out = _filtered(images)

    def contrast(pictures: list[GrayPicture]) -> float:
        return float(
            np.mean([np.sum((120.0 - p) * w) / np.sum(w * w) for p, w in zip(pictures, wires, strict=True)][-6:])
        )

    assert contrast(out) > 0.97 * contrast(images)
    ghosts = [np.sum((120.0 - p) * w * (now < 0.01)) for p, w, now in zip(out[1:], wires, wires[1:], strict=False)]
    clean = [np.sum((120.0 - p) * w * (now < 0.01)) for p, w, now in zip(images[1:], wires, wires[1:], strict=False)]
    if pixels_per_image == 10:
        assert abs(np.mean(ghosts[-6:]) - np.mean(clean[-6:])) < 0.02 * 2 * SIGMA * np.sum(wires[0] ** 2)


def test_a_jump_of_brightness_everywhere_passes_unchanged() -> None:
    safe = SafeFilter()
    for image in _noise(LEARNING):
        safe.apply(image)
    jump = _noise(1, seed=4)[0] + 60
    assert np.array_equal(safe.apply(jump), jump)


def test_flicker_of_the_whole_picture_does_not_stop_the_filter() -> None:
    steady, flickering = SafeFilter(), SafeFilter()
    for i, image in enumerate(_noise(LEARNING + 6)):
        steady.apply(image)
        flickering.apply(image + (i % 2) * 4)
    assert flickering.report.filtered_share > 0.9 * steady.report.filtered_share > 0.2


def test_breathing_does_not_stop_the_filter() -> None:
    """Broad, slow shading that moves is no wire."""
    still, breathing = SafeFilter(), SafeFilter()
    across = np.arange(SIZE)[None, :] / SIZE
    for i, image in enumerate(_noise(LEARNING + 12)):
        still.apply(image)
        breathing.apply(_levels(image + 6 * np.sin(2 * np.pi * across + 0.15 * i)))
    assert breathing.report.filtered_share > 0.6 * still.report.filtered_share > 0.2


def test_what_changes_broadly_is_not_delayed() -> None:
    """A vessel that fills: its middle must follow at once, however soft its border."""
    images = _noise(LEARNING + 3)
    x = np.arange(SIZE)[None, :].repeat(SIZE, 0)
    vessel = np.exp(-(((x - SIZE / 2) / 6.0) ** 4))
    for i, image in enumerate(images[LEARNING:]):
        image[:] = _levels(image - (i + 1) * 2 * SIGMA * vessel)
    out = _filtered(images)
    middle = vessel > 0.5
    for before, after in zip(images[LEARNING:], out[LEARNING:], strict=True):
        assert abs(float(before[middle].mean()) - float(after[middle].mean())) < 0.05 * 2 * SIGMA
