"""How long the line is that a cell lies on: the evidence of thin lines, summed along the best path through the cell.

Noise and the texture of bones make short pieces in any direction; a wire goes on. A path goes from cell to cell, the
way that it heads, and turns by at most 22.5 degrees a cell. It is followed for REACH cells both ways; where it finds
nothing it goes on all the same, for a wire has gaps. What one cell can add is limited, so that length counts for more
than contrast: many cells of a faint line beat a few of a strong one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.picture.blocks import BlockMap
from daemon.picture.kernel import kernel
from daemon.picture.thin_lines import CELLS_OF_BLOCK, DIRECTIONS, Evidence

REACH = 14  # cells, of 8 pixels; with 16 a path could come back to where it began
_HEADINGS = 2 * DIRECTIONS
_STEPS = 8  # of a cell's worth, for each time that its evidence holds the noise
_LEAST = 10  # and below is worth nothing
MOST = 12  # beyond that: what REACH + 1 cells are worth fits 8 bits

# Where a path goes on, by its heading, from downwards to upwards in steps of 22.5 degrees: the cells next to it, as
# (row, column), within 36 degrees of it. The other headings are these, the other way.
_HALF_TURN = (
    [(1, 0), (1, 0)],
    [(1, 0), (1, 1)],
    [(1, 1), (1, 1)],
    [(1, 1), (0, 1)],
    [(0, 1), (0, 1)],
    [(0, 1), (-1, 1)],
    [(-1, 1), (-1, 1)],
    [(-1, 1), (-1, 0)],
)

Cells = npt.NDArray[np.uint8]

_CELLS = types.Array(types.uint8, 2, "C")
_ROW = types.Array(types.uint8, 1, "C")
_EVIDENCE = types.Array(types.int16, 3, "C")
_MAP = types.Array(types.float32, 2, "C")
_AHEAD = types.Array(types.int64, 2, "C")


class LinePaths:
    """Keeps its arrays from image to image: rows of cells one behind the other, with cells around that are none."""

    def __init__(self, evidence: Evidence) -> None:
        """For evidence of this shape."""
        _, rows, columns = evidence.shape
        stride, size = columns + 2, (rows + 2) * (columns + 2)
        half = np.array([[row * stride + column for row, column in pair] for pair in _HALF_TURN], np.int64)
        self._ahead = np.concatenate([half, -half])
        self._worth: Cells = np.zeros((DIRECTIONS, size), np.uint8)
        self._sums: Cells = np.zeros((_HEADINGS, size), np.uint8)
        self._turned: Cells = np.zeros((_HEADINGS, size), np.uint8)
        inside = np.zeros((rows + 2, stride), np.uint8)
        inside[1:-1, 1:-1] = 255
        self._inside = inside.reshape(-1)

    def lengths(self, evidence: Evidence, noise: BlockMap) -> BlockMap:
        """Of each block's best path, in steps of worth. `noise`: the evidence that noise alone gives, above 0."""
        _weigh(evidence, noise, self._worth)
        _follow(self._worth, self._ahead, self._inside, evidence.shape[2] + 2, self._sums, self._turned)
        lengths = np.empty(noise.shape, np.float32)
        _best_of_blocks(self._worth, self._sums, evidence.shape[2] + 2, lengths)
        return lengths


@kernel(_EVIDENCE, _MAP, _CELLS)
def _weigh(evidence: Any, noise: Any, worth: Any) -> None:
    columns = evidence.shape[2]
    scale = np.empty(columns, np.float32)
    for row in range(evidence.shape[1]):
        noise_of_row = noise[row // CELLS_OF_BLOCK]
        for column in range(columns):
            scale[column] = np.float32(_STEPS) / noise_of_row[column // CELLS_OF_BLOCK]
        first = (row + 1) * (columns + 2) + 1
        for direction in range(evidence.shape[0]):
            cells, out = evidence[direction, row], worth[direction, first : first + columns]
            for column in range(columns):
                steps = min(cells[column] * scale[column], np.float32(_LEAST + MOST)) - np.float32(_LEAST)
                out[column] = np.uint8(max(steps, np.float32(0)))


@kernel(_CELLS, _AHEAD, _ROW, types.int64, _CELLS, _CELLS)
def _follow(worth: Any, ahead: Any, inside: Any, stride: int, sums: Any, turned: Any) -> None:
    """Into `sums`, by heading: the most that a path from each cell on is worth, the cell's own worth included."""
    first, size = stride + 1, worth.shape[1] - 2 * (stride + 1)
    for heading in range(_HEADINGS):
        sums[heading] = worth[heading % DIRECTIONS]
    for _ in range(REACH):
        for heading in range(_HEADINGS):
            left, right = sums[(heading + _HEADINGS - 1) % _HEADINGS], sums[(heading + 1) % _HEADINGS]
            here, out = sums[heading], turned[heading]
            for i in range(out.shape[0]):
                out[i] = max(max(left[i], right[i]), here[i])
        for heading in range(_HEADINGS):
            one = turned[heading, first + ahead[heading, 0] : first + ahead[heading, 0] + size]
            other = turned[heading, first + ahead[heading, 1] : first + ahead[heading, 1] + size]
            own, out = worth[heading % DIRECTIONS, first : first + size], sums[heading, first : first + size]
            real = inside[first : first + size]
            for i in range(size):
                out[i] = np.uint8((max(one[i], other[i]) & real[i]) + own[i])


@kernel(_CELLS, _CELLS, types.int64, _MAP)
def _best_of_blocks(worth: Any, sums: Any, stride: int, lengths: Any) -> None:
    best = np.empty(stride, np.uint16)
    for row in range(lengths.shape[0]):
        best[:] = 0
        for cell_row in range(row * CELLS_OF_BLOCK + 1, (row + 1) * CELLS_OF_BLOCK + 1):
            first = cell_row * stride
            for direction in range(DIRECTIONS):
                one, other = (
                    sums[direction, first : first + stride],
                    sums[direction + DIRECTIONS, first : first + stride],
                )
                own = worth[direction, first : first + stride]
                for i in range(stride):
                    best[i] = max(best[i], np.uint16(np.uint16(one[i]) + np.uint16(other[i]) - np.uint16(own[i])))
        for column in range(lengths.shape[1]):
            lengths[row, column] = max(best[CELLS_OF_BLOCK * column + 1], best[CELLS_OF_BLOCK * column + 2])
