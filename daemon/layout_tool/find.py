"""Where on the screen the X-ray image is: what changes everywhere at once while the beam is on."""

import numpy as np
import numpy.typing as npt

from daemon.errors import LayoutError
from daemon.picture.area import Area
from daemon.picture.pulse import CAPTURE_NOISE_LEVELS
from hw.ports import GrayPicture

TILE = 16  # pixels, both ways
CHANGED_SHARE = 0.15  # of a tile's pixels; in an image most change, for its noise is new
SMALLEST_SHARE = 0.02  # of the screen

Mask = npt.NDArray[np.bool_]


def find_image_area(frames: list[GrayPicture]) -> Area:
    """The largest connected part of the screen in which nearly all changes. Raises LayoutError when there is none."""
    changed = np.zeros(frames[0].shape, np.bool_)
    for frame in frames[1:]:
        difference = np.maximum(frames[0], frame) - np.minimum(frames[0], frame)
        changed |= difference > CAPTURE_NOISE_LEVELS
    height, width = frames[0].shape
    rows, columns = height // TILE, width // TILE
    tiles = changed[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE).mean(axis=(1, 3))
    part = _largest_part(tiles >= CHANGED_SHARE)
    if part.sum() < SMALLEST_SHARE * part.size:
        raise LayoutError("nothing on the screen moves as an X-ray image does", "switch the beam on, then try again")
    inside = np.kron(part, np.ones((TILE, TILE), np.bool_))
    within = changed[: rows * TILE, : columns * TILE] & inside
    top, bottom = _ends(within.mean(axis=1))
    left, right = _ends(within.mean(axis=0))
    return Area(left, top, right - left, bottom - top)


def _ends(share: npt.NDArray[np.float64]) -> tuple[int, int]:
    """The first row or column in which about as much changes as in the middle, and the one after the last."""
    busy = np.flatnonzero(share > 0.2 * np.median(share[share > 0]))
    return int(busy[0]), int(busy[-1]) + 1


def _largest_part(tiles: Mask) -> Mask:
    """Of the connected parts (by edges) the one with most tiles."""
    left = tiles.copy()
    largest = np.zeros_like(tiles)
    for row, column in zip(*tiles.nonzero(), strict=True):
        part = np.zeros_like(tiles)
        waiting = [(int(row), int(column))]
        while waiting:
            place = waiting.pop()
            if left[place]:
                left[place], part[place] = False, True
                waiting += _beside(*place, tiles)
        if part.sum() > largest.sum():
            largest = part
    return largest


def _beside(row: int, column: int, tiles: Mask) -> list[tuple[int, int]]:
    near = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    rows, columns = len(tiles), len(tiles[0])
    return [place for place in near if 0 <= place[0] < rows and 0 <= place[1] < columns]
