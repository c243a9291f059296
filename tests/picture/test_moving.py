"""The background follows the motion of the whole; what stands still in it does not move."""

import numpy as np

from daemon.picture.blocks import MARGIN, halve
from daemon.picture.moving import Background, _motion

SIZE = 512


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

    def view(number: int) -> np.ndarray:
        return halve(np.ascontiguousarray(body[:SIZE, 6 * number : 6 * number + SIZE]))

    background = Background(view(0))
    for number in range(1, 4):
        moving = background.moving(view(number))
    inner = moving[2 * MARGIN : -2 * MARGIN, 2 * MARGIN : -2 * MARGIN]
    assert np.abs(inner).max() < 4 * 5, "away from the sides, where what comes in is new"


def test_what_appears_moves_and_fades() -> None:
    flat = np.full((64, 64), 100, np.uint8)
    background = Background(halve(flat))
    dark = flat.copy()
    dark[20:22, :] -= 40
    row = MARGIN + 10
    first = int(background.moving(halve(dark))[row, 30])
    for _ in range(12):
        last = int(background.moving(halve(dark))[row, 30])
    assert first == -4 * 40
    assert last > -4 * 4
