"""The region holds the wire, in any image and more so when it moves, and little else."""

import numpy as np
import numpy.typing as npt

from daemon.picture.blocks import halve
from daemon.picture.region import SHARE, RegionDetector
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
        found = detector.find(halve(picture))
        assert (found > 0).mean() <= SHARE
    return float((found > 0)[blocks].mean())


def test_the_wire_is_found() -> None:
    assert recall(RegionDetector(), pan=0) > 0.7


def test_it_is_found_while_the_table_pans() -> None:
    assert recall(RegionDetector(), pan=6) > 0.7


def test_another_size_begins_anew() -> None:
    detector = RegionDetector()
    recall(detector, pan=0, images=2)
    small = np.full((47, 66), 100, np.uint8)
    assert detector.find(halve(small)).shape == (3, 5)
    recall(detector, pan=0, images=2)


def test_a_flat_picture_has_no_region() -> None:
    flat = np.full((SIZE, SIZE), 100, np.uint8)
    assert not RegionDetector().find(halve(flat)).any()


def test_what_was_there_fades() -> None:
    """When the wire is gone, its blocks are in the end those that noise draws, one in ten."""
    detector = RegionDetector()
    recall(detector, pan=0)
    _, blocks = image(7)
    for number in range(100):
        noise = np.random.default_rng(100 + number).normal(120, NOISE_LEVELS, (SIZE, SIZE)).astype(np.uint8)
        found = detector.find(halve(noise))
    assert (found > 0)[blocks].mean() < 0.3
