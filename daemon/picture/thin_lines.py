"""Thin dark lines that were not there before: where they are, in which direction, how dark.

As in picture.blocks, pixels of the halved picture are summed along segments of 8 in 8 directions. A line counts by how
much it is darker than what lies close by on both its sides: in the image, and in what moves against the background,
whichever is less. So an edge gives nothing, and what stands still little. A catheter or a filled vessel differs from
its wider surroundings by more than from what lies close by; it is not what coding loses, and counts less by that.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.picture.blocks import HALVED, MARGIN
from daemon.picture.kernel import kernel

DIRECTIONS = 8
CELL = 4  # pixels of the halved picture, both ways
CELLS_OF_BLOCK = 2  # both ways

Evidence = npt.NDArray[np.int16]
"""Shape (DIRECTIONS, rows, columns) of cells: the darkest line of a cell, 0 at least, in 1/32 of a grey level."""

# For each direction, from the vertical on in steps of 22.5 degrees, (row, column) steps: a pixel and its neighbour
# make a segment of 2, two of these, apart by the next step, one of 4, two of these one of 8; then what lies close by
# on one side, and the wider surroundings there.
_STEPS = np.array(
    [
        [(1, 0), (2, 0), (4, 0), (0, 1), (0, 2)],
        [(1, 0), (2, 1), (4, 2), (1, -1), (1, -2)],
        [(1, 1), (1, 1), (3, 3), (1, -1), (2, -2)],
        [(0, 1), (1, 2), (2, 4), (1, -1), (2, -1)],
        [(0, 1), (0, 2), (0, 4), (2, 0), (3, 0)],
        [(0, 1), (-1, 2), (-2, 4), (1, 1), (2, 1)],
        [(-1, 1), (-1, 1), (-3, 3), (1, 1), (2, 2)],
        [(1, 0), (2, -1), (4, -2), (1, 1), (1, 2)],
    ],
    np.int64,
)
_STEPS.setflags(write=False)

_STRIP = CELL * CELLS_OF_BLOCK  # rows that are done together, so that the sums stay in the first cache
_SUMS = 24  # rows at most: a strip, its surroundings and the segments' reach
_STILL_SHIFT = 2  # what stands still counts a quarter

_EVIDENCE = types.Array(types.int16, 3, "C")
_STEPS_OF_ONE = types.Array(types.int64, 2, "C", readonly=True)
_STEPS_OF_ALL = types.Array(types.int64, 3, "C", readonly=True)


class ThinLines:
    """Keeps its arrays from image to image."""

    def __init__(self, halved: Any) -> None:
        """For images halved to this shape."""
        rows, columns = (size - 2 * MARGIN for size in halved.shape)
        self.evidence: Evidence = np.zeros((DIRECTIONS, rows // CELL, columns // CELL), np.int16)
        self._sums = np.empty((3, _SUMS, halved.shape[1]), np.int16)
        self._lines = np.empty((DIRECTIONS + 2, _STRIP, columns), np.int16)

    def find(self, halved: Any, moving: Any) -> Evidence:
        """Of an image and of what moves in it. Overwritten by the next."""
        _find(halved, moving, _STEPS, self._sums, self._lines, self.evidence)
        return self.evidence


@kernel(HALVED, types.int64, types.int64, _STEPS_OF_ONE, _EVIDENCE)
def _sum_segments(picture: Any, top: int, rows: int, steps: Any, sums: Any) -> None:
    """Into sums[2], whose columns are the segments' first; row 0 is the segment that begins at row `top`."""
    (y1, x1), (y2, x2), (y4, x4) = (steps[0, 0], steps[0, 1]), (steps[1, 0], steps[1, 1]), (steps[2, 0], steps[2, 1])
    columns = picture.shape[1]
    above4, below4 = min(0, y4), max(0, y4)
    above2, below2 = above4 + min(0, y2), below4 + max(0, y2)
    for k in range(rows + below2 - above2):
        y = top + above2 + k
        here, ends = sums[0, k, 1 : columns - 1], picture[y, 1 : columns - 1]
        others = picture[y + y1, 1 + x1 : columns - 1 + x1]
        for x in range(here.shape[0]):
            here[x] = ends[x] + others[x]
    for k in range(rows + below4 - above4):
        y = k + above4 - above2
        here, ends = sums[1, k, 3 : columns - 3], sums[0, y, 3 : columns - 3]
        others = sums[0, y + y2, 3 + x2 : columns - 3 + x2]
        for x in range(here.shape[0]):
            here[x] = ends[x] + others[x]
    for k in range(rows):
        y = k - above4
        here, ends = sums[2, k, 7 : columns - 7], sums[1, y, 7 : columns - 7]
        others = sums[1, y + y4, 7 + x4 : columns - 7 + x4]
        for x in range(here.shape[0]):
            here[x] = ends[x] + others[x]


@kernel(HALVED, HALVED, _STEPS_OF_ALL, _EVIDENCE, _EVIDENCE, _EVIDENCE)
def _find(halved: Any, moving: Any, steps: Any, sums: Any, lines: Any, evidence: Any) -> None:
    width = lines.shape[2]
    eights, narrow, wide = sums[2], lines[DIRECTIONS], lines[DIRECTIONS + 1]
    for strip in range(evidence.shape[1] // CELLS_OF_BLOCK):
        narrow[:] = 0
        wide[:] = 0
        for direction in range(DIRECTIONS):
            of_one = steps[direction]
            reach_y = of_one[0, 0] + of_one[1, 0] + of_one[2, 0]
            reach_x = of_one[0, 1] + of_one[1, 1] + of_one[2, 1]
            close_y, close_x, wide_y, wide_x = of_one[3, 0], of_one[3, 1], of_one[4, 0], of_one[4, 1]
            first = strip * _STRIP + MARGIN - reach_y // 2
            left = MARGIN - reach_x // 2
            _sum_segments(halved, first - wide_y, _STRIP + 2 * wide_y, of_one, sums)
            for k in range(_STRIP):
                y, line, most_narrow, most_wide = k + wide_y, lines[direction, k], narrow[k], wide[k]
                centre = eights[y, left : left + width]
                one = eights[y - close_y, left - close_x : left - close_x + width]
                other = eights[y + close_y, left + close_x : left + close_x + width]
                one_wide = eights[y - wide_y, left - wide_x : left - wide_x + width]
                other_wide = eights[y + wide_y, left + wide_x : left + wide_x + width]
                for x in range(width):
                    line[x] = min(one[x], other[x]) - centre[x]
                    most_narrow[x] = max(most_narrow[x], line[x])
                    most_wide[x] = max(most_wide[x], np.int16(min(one_wide[x], other_wide[x]) - centre[x]))
            _sum_segments(moving, first - close_y, _STRIP + 2 * close_y, of_one, sums)
            for k in range(_STRIP):
                y, line = k + close_y, lines[direction, k]
                centre = eights[y, left : left + width]
                one = eights[y - close_y, left - close_x : left - close_x + width]
                other = eights[y + close_y, left + close_x : left + close_x + width]
                for x in range(width):
                    new = np.int16(min(one[x], other[x]) - centre[x])
                    line[x] = min(line[x], max(new, np.int16(line[x] >> _STILL_SHIFT)))
        for k in range(_STRIP):
            most_narrow, most_wide = narrow[k], wide[k]
            for x in range(width):  # a thin line's own noise makes it up to 1.2 times as dark as that
                expected = np.int16(most_narrow[x] + (most_narrow[x] >> 3) + (most_narrow[x] >> 4))
                most_wide[x] = max(np.int16(0), np.int16(most_wide[x] - expected))
        for direction in range(DIRECTIONS):
            for part in range(CELLS_OF_BLOCK):
                most = narrow[0]
                most[:] = 0
                for k in range(part * CELL, (part + 1) * CELL):
                    line, too_wide = lines[direction, k], wide[k]
                    for x in range(width):
                        most[x] = max(most[x], np.int16(line[x] - too_wide[x]))
                out = evidence[direction, strip * CELLS_OF_BLOCK + part]
                for column in range(out.shape[0]):
                    out[column] = max(
                        max(most[CELL * column], most[CELL * column + 1]),
                        max(most[CELL * column + 2], most[CELL * column + 3]),
                    )
