"""The region holds the wire, in any image and more so when it moves, and little else."""

import numpy as np
import numpy.typing as npt

from daemon.picture.blocks import block_content, halve
from daemon.picture.region import RegionDetector, _motion
from hw.ports import MACROBLOCK, BlockMask, GrayPicture

SIZE = 512
WIRE_LEVELS = 15.0
NOISE_LEVELS = 5.0


def image(number: int, *, pan: int = 0, speed: int = 3) -> tuple[GrayPicture, BlockMask]:
    """Anatomy with a broad dark band, that pans, and a wire of two pixels that moves before it; the wire's blocks."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    body: npt.NDArray[np.float64] = 120 + 40 * np.sin((x - pan * number) / 90) * np.cos(y / 70)
    body -= 50 * np.exp(-(((x - pan * number - 380 + y / 8) / 14) ** 2))
    blocks = np.zeros((SIZE // MACROBLOCK, SIZE // MACROBLOCK), np.bool_)
    for row in range(40, 400):
        column = int(120 + speed * number + 25 * np.sin(row / 60))
        body[row, column : column + 2] -= WIRE_LEVELS
        blocks[row // MACROBLOCK, column // MACROBLOCK] = True
    return np.clip(body + random.normal(0, NOISE_LEVELS, body.shape), 0, 255).astype(np.uint8), blocks


def recall(detector: RegionDetector, *, pan: int, images: int = 8) -> float:
    """Of the wire's blocks in the last image."""
    for number in range(images):
        picture, blocks = image(number, pan=pan)
        found = detector.find(block_content(picture))
        assert found.mean() <= 0.04
    return float(found[blocks].mean())


def test_the_wire_is_found() -> None:
    assert recall(RegionDetector(), pan=0) > 0.7


def test_it_is_found_while_the_table_pans() -> None:
    assert recall(RegionDetector(), pan=6) > 0.7


def test_another_size_begins_anew() -> None:
    detector = RegionDetector()
    recall(detector, pan=0, images=2)
    small = np.full((47, 66), 100, np.uint8)
    assert detector.find(block_content(small)).shape == (3, 5)
    recall(detector, pan=0, images=2)


def test_a_flat_picture_has_no_region() -> None:
    flat = np.full((SIZE, SIZE), 100, np.uint8)
    assert not RegionDetector().find(block_content(flat)).any()


def test_what_was_there_fades() -> None:
    """When the wire is gone its blocks are those that noise draws, one in twenty-five."""
    detector = RegionDetector()
    recall(detector, pan=0)
    _, blocks = image(7)
    for number in range(20):
        noise = np.random.default_rng(100 + number).normal(120, NOISE_LEVELS, (SIZE, SIZE)).astype(np.uint8)
        found = detector.find(block_content(noise))
    assert found[blocks].mean() < 0.3


def test_the_motion_of_the_whole_is_found() -> None:
    profile = np.random.default_rng(1).integers(0, 1000, 300).cumsum()
    for motion in (-9, -1, 0, 4, 10):
        assert _motion(profile, np.roll(profile, motion)) == motion


def test_what_moves_with_the_whole_does_not_move() -> None:
    """Two thin lines in a body that pans by 6 pixels an image: against the background they are still."""
    random = np.random.default_rng(2)
    body = np.kron(random.integers(60, 180, (40, 60)), np.ones((16, 16), int)).astype(np.uint8)
    body[:, 200:202] -= 40
    body[300:302] -= 40
    detector = RegionDetector()
    for number in range(4):
        moving = detector._moving_lines(halve(np.ascontiguousarray(body[:SIZE, 6 * number : 6 * number + SIZE])))
    assert moving[1:-1, 2:-3].max() < 5, "away from the sides, where what comes in is new"
