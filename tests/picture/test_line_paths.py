"""Evidence of thin lines, and the paths along it: any direction, no edge, nothing broad; length before contrast."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from daemon.picture.blocks import halve
from daemon.picture.line_paths import MOST, REACH, LinePaths
from daemon.picture.thin_lines import DIRECTIONS, ThinLines

SIZE = 256
ANGLES = [180 / DIRECTIONS * number for number in range(DIRECTIONS)]


def line_at(angle: float, half_width: float) -> npt.NDArray[np.uint8]:
    """A dark line through the middle of a flat picture; the angle as the evidence counts it, from the vertical on."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] - SIZE / 2
    across = x * math.sin(math.radians(90 - angle)) - y * math.cos(math.radians(90 - angle))
    return np.where(np.abs(across) <= half_width, 60, 100).astype(np.uint8)


def evidence_of(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    halved = halve(picture)
    return ThinLines(halved).find(halved, halved - halve(np.full_like(picture, 100)))


@pytest.mark.parametrize("angle", ANGLES)
def test_a_thin_line_is_found_in_its_direction(angle: float) -> None:
    evidence = evidence_of(line_at(angle, 1.0))
    middle = evidence[:, 8:-8, 8:-8]
    strongest = middle.reshape(DIRECTIONS, -1).max(1)
    assert strongest.argmax() == round(angle / 180 * DIRECTIONS)
    assert strongest.max() > 32 * 10
    assert np.count_nonzero(middle.max(0)) < 0.2 * middle[0].size


@pytest.mark.parametrize("angle", ANGLES)
def test_an_edge_and_a_broad_band_are_no_lines(angle: float) -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] - SIZE / 2
    across = x * math.sin(math.radians(90 - angle)) - y * math.cos(math.radians(90 - angle))
    edge = np.where(across < 0, 60, 100).astype(np.uint8)
    for picture in (edge, line_at(angle, 12.0)):
        assert evidence_of(picture)[:, 8:-8, 8:-8].max() < 32 * 3


def test_what_stands_still_counts_a_quarter() -> None:
    halved = halve(line_at(0.0, 1.0))
    lines = ThinLines(halved)
    moving = lines.find(halved, halved - halve(np.full((SIZE, SIZE), 100, np.uint8))).max()
    still = lines.find(halved, np.zeros_like(halved)).max()
    assert moving / 4 - 1 <= still <= moving / 4


def lengths_of(evidence: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    noise = np.full([size // 2 for size in evidence.shape[1:]], 10, np.float32)
    return LinePaths(evidence).lengths(evidence, noise)


def path(cells: list[tuple[int, int]], direction: int, worth: int) -> npt.NDArray[np.int16]:
    evidence = np.zeros((DIRECTIONS, 64, 64), np.int16)
    for cell in cells:
        evidence[(direction, *cell)] = worth
    return evidence


def test_a_long_faint_line_is_worth_more_than_a_short_strong_one() -> None:
    faint = lengths_of(path([(row, 30) for row in range(10, 50)], 0, 20))[15, 15]
    strong = lengths_of(path([(row, 30) for row in range(28, 33)], 0, 1000))[15, 15]
    assert 0 < strong < faint


def test_a_path_bridges_a_gap_and_is_followed_for_its_reach() -> None:
    whole = lengths_of(path([(30, column) for column in range(64)], 4, 1000))
    gap = lengths_of(path([(30, column) for column in range(64) if not 33 <= column < 36], 4, 1000))
    assert whole[15, 15] == (2 * REACH + 1) * MOST
    assert gap[15, 15] == (2 * REACH + 1 - 3) * MOST


def test_a_path_turns_with_the_line_also_past_the_vertical() -> None:
    """It leans to one side, stands, leans to the other: the headings close in a circle."""
    evidence = np.zeros((DIRECTIONS, 64, 64), np.int16)
    column = 20
    for row in range(8, 40):
        direction = 1 if row < 18 else 0 if row < 28 else DIRECTIONS - 1
        column += {1: row % 2, 0: 0, DIRECTIONS - 1: -(row % 2)}[direction]
        evidence[direction, row, column] = 1000
    assert lengths_of(evidence)[23 // 2, 25 // 2] >= 28 * MOST


def test_a_path_does_not_run_on_from_one_side_of_the_picture_to_the_other() -> None:
    ends = path([(30, column) for column in range(56, 64)] + [(31, column) for column in range(8)], 4, 1000)
    assert lengths_of(ends).max() < 16 * MOST
