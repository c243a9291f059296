"""When the picture has moved on: pans and new runs, and neither heart-beat nor contrast agent nor noise."""

import numpy as np
import numpy.typing as npt
import pytest

from daemon.pointing.scene import RUN_GAP_NS, SceneWatch
from hw.ports import GrayPicture
from tests.link.path_model import MS, S

SIDE = 512
BODY_SIDE = 900
EVERY_NS = 66 * MS


def body(seed: int = 1) -> npt.NDArray[np.float32]:
    """What stands still in a patient: bones and organs of all sizes, larger than a picture."""
    random = np.random.default_rng(seed)
    levels = np.full((BODY_SIDE, BODY_SIDE), 120.0, np.float32)
    for cells, contrast in ((9, 30), (25, 16), (60, 10)):
        coarse = random.normal(0, contrast, (cells, cells))
        at = np.linspace(0, cells - 1.001, BODY_SIDE)
        low, part = at.astype(int), (at % 1)[:, None]
        rows = coarse[low] * (1 - part) + coarse[low + 1] * part
        levels += rows[:, low] * (1 - part.T) + rows[:, low + 1] * part.T
    return levels


BODY = body()


def image(
    number: int, shift: tuple[int, int] = (0, 0), *, contrast: float = 0.0, heart_radius: int = 65
) -> GrayPicture:
    """With a heart that beats once a second, vessels with `contrast` on it, and quantum noise."""
    top, left = 150 + shift[0], 150 + shift[1]
    levels = BODY[top : top + SIDE, left : left + SIDE].copy()
    beat = 30 * np.sin(2 * np.pi * number / 15)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    heart = np.hypot(rows - 260 - beat + shift[0], columns - 280 + beat / 2 + shift[1]) < heart_radius
    vessels = heart & ((rows - columns + int(beat) + shift[0] - shift[1]) % 40 < 6)
    own = np.roll(BODY[:SIDE, :SIDE].T, (int(beat), 0), (0, 1)) - 15  # it moves with all that is in it
    levels[heart] = own[heart]
    levels[vessels] -= 50 * contrast
    noise = np.random.default_rng(number).normal(0, 8, levels.shape)
    return np.clip(levels + noise, 0, 255).astype(np.uint8)


def scenes(images: list[GrayPicture]) -> list[int]:
    watch = SceneWatch()
    return [number for number, each in enumerate(images) if watch.note(each, number * EVERY_NS)]


def test_heart_beat_contrast_agent_and_noise_begin_no_scene() -> None:
    assert scenes([image(n, contrast=min(1.0, n / 20), heart_radius=92) for n in range(45)]) == []


@pytest.mark.parametrize("pan", [(0, 40), (60, 0), (-50, 30), (90, -120)])
def test_a_pan_begins_one_soon(pan: tuple[int, int]) -> None:
    def share(number: int) -> float:
        return min(1.0, max(0.0, (number - 10) / 15))

    found = scenes([image(n, (int(pan[0] * share(n)), int(pan[1] * share(n))), contrast=1.0) for n in range(35)])
    assert found
    assert 10 < found[0] <= 30
    assert found[-1] <= 30, "it has ended"


def test_a_new_run_begins_one() -> None:
    watch = SceneWatch()
    assert not watch.note(image(0), S)
    assert not watch.note(image(1), S + RUN_GAP_NS)
    assert watch.note(image(2), S + 2 * RUN_GAP_NS + 1)


def test_another_size_begins_one() -> None:
    watch = SceneWatch()
    assert not watch.note(image(0), S)
    assert watch.note(np.ascontiguousarray(image(1)[:256]), S + EVERY_NS)


def test_an_image_that_is_encoded_again_begins_none() -> None:
    watch = SceneWatch()
    watch.note(image(0), S)
    assert not any(watch.note(image(0), S) for _ in range(5))
