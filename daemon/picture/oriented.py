"""Where something line-like is: evidence along short straight lines in eight directions.

A guidewire is as faint as the noise of one pixel, yet it is long: along a line of some 22 pixels its contrast adds up
and the noise does not (Aufrichtig and Wilson, X-ray fluoroscopy spatio-temporal filtering with object detection, IEEE
Transactions on Medical Imaging 14, 1995). Evidence is gathered in cells of 4x4 pixels. Lines that lie flat are summed
in pictures at half of the height and a quarter of the width, steep ones the other way round: nothing is lost across
the line, and along it there is enough.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.picture.kernel import kernel

CELL = 4  # pixels, both ways
REACH = 2  # cells that a line goes each way from its middle
UNIT = 32  # the normalised pictures have this for one sigma of a pixel's noise
LARGEST = 6 * UNIT  # of them: one pixel alone is no line
WEIGHT = 2 * 4 * (2 * REACH + 1)  # of a line: pairs, across as 1 2 1, taps
PAD = 2 * REACH  # half-size pixels: at 45 degrees a line rises by two a tap
RISES = (0, 1, -1, 2)  # half-size pixels a tap of two: 0, +-22 to 27, 45 degrees
PLANE = types.Array(types.int16, 2, "C")
PLANE_IN = types.Array(types.int16, 2, "C", readonly=True)
Plane = npt.NDArray[np.int16]


class LineEvidence:
    """Buffers for pictures of `rows` x `columns` cells. Used by one thread."""

    def __init__(self, rows: int, columns: int) -> None:
        self.cells: Plane = np.zeros((rows, columns), np.int16)
        self.cells_before: Plane = np.zeros((rows, columns), np.int16)
        self._flat: Plane = np.zeros((2 * rows + 2 * PAD, columns + 2 * REACH), np.int16)
        self._steep: Plane = np.zeros((rows + 2 * REACH, 2 * columns + 2 * PAD), np.int16)

    def begin(self) -> None:
        """The next image: what was gathered of the last one becomes `cells_before`."""
        self.cells, self.cells_before = self.cells_before, self.cells
        self.cells[:] = 0

    def add(self, halved: Plane) -> None:
        """Raise each cell of `cells` to the largest line sum through it, of either sign.

        `halved` has shape (2 rows, 2 columns): at half of the size, in UNITs of the noise, within +-LARGEST.
        """
        _smooth_for_flat(halved, self._flat)
        _smooth_for_steep(halved, self._steep)
        _raise_to_line_sums(self._flat, self._steep, self.cells)


@kernel(PLANE_IN, PLANE)
def _smooth_for_flat(halved: Plane, flat: Plane) -> None:
    """Two neighbours of a row become one; across, 1 2 1."""
    height, columns = halved.shape[0], halved.shape[1] // 2
    pairs = np.zeros((3, columns), np.int16)
    for row in range(height + 1):
        newest = pairs[row % 3]
        if row < height:
            source = halved[row]
            for i in range(columns):
                newest[i] = source[2 * i] + source[2 * i + 1]
        if row >= 1:
            above, middle = pairs[(row + 1) % 3], pairs[(row + 2) % 3]
            target = flat[row - 1 + PAD, REACH : REACH + columns]
            for i in range(columns):
                target[i] = above[i] + 2 * middle[i] + newest[i]


@kernel(PLANE_IN, PLANE)
def _smooth_for_steep(halved: Plane, steep: Plane) -> None:
    """Two neighbours of a column become one; across, 1 2 1."""
    rows, width = halved.shape[0] // 2, halved.shape[1]
    pairs = np.zeros(width + 2, np.int16)
    for row in range(rows):
        upper, lower = halved[2 * row], halved[2 * row + 1]
        inner = pairs[1 : width + 1]
        for i in range(width):
            inner[i] = upper[i] + lower[i]
        target = steep[row + REACH, PAD : PAD + width]
        for i in range(width):
            target[i] = pairs[i] + 2 * pairs[i + 1] + pairs[i + 2]


@kernel(*[PLANE_IN] * 2, PLANE)
def _raise_to_line_sums(flat: Plane, steep: Plane, cells: Plane) -> None:
    """Five taps a line. Of the two diagonals the one is done as flat, the other as steep."""
    rows, columns = cells.shape
    best_steep = np.empty(2 * columns, np.int16)
    for row in range(rows):
        best = cells[row]
        for y in range(2 * row + PAD, 2 * row + PAD + 2):
            for rise in RISES:
                a = flat[y - 2 * rise, 0:columns]
                b = flat[y - rise, 1 : 1 + columns]
                c = flat[y, 2 : 2 + columns]
                d = flat[y + rise, 3 : 3 + columns]
                e = flat[y + 2 * rise, 4 : 4 + columns]
                for i in range(columns):
                    total = np.int16(a[i] + b[i] + c[i] + d[i] + e[i])
                    best[i] = max(best[i], max(total, np.int16(-total)))
        best_steep[:] = 0
        for rise in RISES:
            run = rise if rise < 2 else -rise
            a = steep[row, PAD - 2 * run : PAD - 2 * run + 2 * columns]
            b = steep[row + 1, PAD - run : PAD - run + 2 * columns]
            c = steep[row + 2, PAD : PAD + 2 * columns]
            d = steep[row + 3, PAD + run : PAD + run + 2 * columns]
            e = steep[row + 4, PAD + 2 * run : PAD + 2 * run + 2 * columns]
            for i in range(2 * columns):
                total = np.int16(a[i] + b[i] + c[i] + d[i] + e[i])
                best_steep[i] = max(best_steep[i], max(total, np.int16(-total)))
        for i in range(columns):
            best[i] = max(best[i], max(best_steep[2 * i], best_steep[2 * i + 1]))
