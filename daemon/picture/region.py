"""Which macroblocks hold devices and vessels: they get more of the bits.

Two lists share the region. First the blocks with the strongest thin dark lines (picture.blocks) in what moves
(picture.moving), in units of the noise around, and the blocks next to them: a wire that is plainly to be seen. Then
those on the longest lines, be they as faint as the noise (picture.line_paths): a wire that is not. The first list alone
goes to catheters and filled vessels where they are, which stand out more than any wire; the second alone loses the wire
in a filled vessel. What was found fades over some images, for a wire may be seen in one image and not in the next; the
long lines, over a second or so, for only then do they stand out from the noise.
"""

from typing import Any

import numpy as np
from numba import types

from daemon.picture.blocks import BlockMap, line_strength
from daemon.picture.kernel import kernel
from daemon.picture.line_paths import LinePaths
from daemon.picture.moving import Background
from daemon.picture.thin_lines import CELLS_OF_BLOCK, ThinLines
from hw.ports import BlockMask, FinerBlocks

SHARE = 0.1  # of the blocks
STRONGEST_SHARE = 0.01  # of the blocks, those next to them not counted
STRONGEST_STEPS = 8  # of the quantiser
LONGEST_STEPS = 3
FADING = 0.85  # of the strongest, an image
MEMORY = 0.05  # the weight of a new image in the mean length of a block's lines
NOISE_RADIUS = 4  # blocks
NEIGHBOUR_RADIUS = 1
LEAST_NOISE = 8  # in the unit of the evidence, 1/32 grey level: below is the encoder's or the console's work

_MAP = types.Array(types.float32, 2, "C")


class RegionDetector:
    """Of one source's images, in their order. Used by one thread."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._strength: BlockMap = np.zeros((0, 0), np.float32)
        self._length: BlockMap = np.zeros((0, 0), np.float32)

    def find(self, halved: Any) -> FinerBlocks:
        """`halved` as `blocks.halve` gives it. Another size than before begins anew.

        Takes 2 ms for 1024x1024 pixels on the development machine.
        """
        if halved.shape != self._shape:
            self._begin(halved)
        moving = self._background.moving(halved)
        evidence = self._thin_lines.find(halved, moving)
        noise = self._noise()
        strength = line_strength(moving) / noise
        strength += _mean_around(strength, NEIGHBOUR_RADIUS)
        self._strength = np.maximum(strength, FADING * self._strength)
        self._length += MEMORY * (self._paths.lengths(evidence, noise) - self._length)
        strongest = _highest(self._strength, int(STRONGEST_SHARE * strength.size))
        finer = STRONGEST_STEPS * _with_neighbours(strongest).astype(np.uint8)
        longest = np.where(finer, 0, self._length)
        finer[_highest(longest, int(SHARE * finer.size) - int(np.count_nonzero(finer)))] = LONGEST_STEPS
        return finer

    def _begin(self, halved: Any) -> None:
        self._shape = halved.shape
        self._background = Background(halved)
        self._thin_lines = ThinLines(halved)
        self._paths = LinePaths(self._thin_lines.evidence)
        self._strength = np.zeros([size // CELLS_OF_BLOCK for size in self._thin_lines.evidence.shape[1:]], np.float32)
        self._length = np.zeros_like(self._strength)

    def _noise(self) -> BlockMap:
        """What the evidence is on the average around, but no less than that is for half of the picture."""
        means = np.empty_like(self._strength)
        _mean_of_blocks(self._thin_lines.evidence, means)
        noise = _mean_around(means, NOISE_RADIUS)
        return np.maximum(noise, max(float(np.median(noise)), LEAST_NOISE))


def _highest(values: BlockMap, count: int) -> BlockMask:
    """The blocks with the highest values above 0, `count` of them at most."""
    mask = np.zeros(values.shape, np.bool_)
    if count > 0:
        mask.flat[np.argpartition(values, -count, axis=None)[-count:]] = True
    return mask & (values > 0)


def _with_neighbours(blocks: BlockMask) -> BlockMask:
    for axis in (0, 1):
        framed = np.pad(blocks, [(int(axis == 0),) * 2, (int(axis == 1),) * 2])
        before, after = ([slice(None)] * 2 for _ in range(2))
        before[axis], after[axis] = slice(None, -2), slice(2, None)
        blocks = blocks | framed[tuple(before)] | framed[tuple(after)]
    return blocks


def _mean_around(values: BlockMap, radius: int) -> BlockMap:
    means = np.empty_like(values)
    _fill_means(values, radius, means)
    return means


@kernel(_MAP, types.int64, _MAP)
def _fill_means(values: Any, radius: int, means: Any) -> None:
    rows, columns = values.shape
    sums = np.empty((rows, columns), np.float32)  # along the columns, then along the rows
    for row in range(rows):
        top, bottom = max(0, row - radius), min(rows, row + radius + 1)
        out = sums[row]
        out[:] = 0
        for y in range(top, bottom):
            one = values[y]
            for x in range(columns):
                out[x] += one[x]
        for x in range(columns):
            out[x] /= bottom - top
    for row in range(rows):
        for column in range(columns):
            left, right = max(0, column - radius), min(columns, column + radius + 1)
            total = np.float32(0)
            for x in range(left, right):
                total += sums[row, x]
            means[row, column] = total / (right - left)


@kernel(types.Array(types.int16, 3, "C"), _MAP)
def _mean_of_blocks(evidence: Any, means: Any) -> None:
    sums = np.empty(evidence.shape[2], np.int32)
    cells = evidence.shape[1] // means.shape[0]
    for row in range(means.shape[0]):
        sums[:] = 0
        for direction in range(evidence.shape[0]):
            for y in range(row * cells, (row + 1) * cells):
                one = evidence[direction, y]
                for x in range(sums.shape[0]):
                    sums[x] += one[x]
        for column in range(means.shape[1]):
            total = 0
            for x in range(column * cells, (column + 1) * cells):
                total += sums[x]
            means[row, column] = total / (cells * cells * evidence.shape[0])
