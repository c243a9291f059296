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
BAND = 4  # rows of cells, whose sums stay in the first cache
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
    """Two neighbours of a row become one; across, 1 2 1. Beyond the picture there is nothing."""
    height, columns = halved.shape[0], halved.shape[1] // 2
    above = np.zeros(columns, np.int16)
    middle = np.zeros(columns, np.int16)
    below = np.zeros(columns, np.int16)
    for row in range(height + 1):
        if row < height:
            source = halved[row]
            for i in range(columns):
                below[i] = np.int16(source[2 * i] + source[2 * i + 1])
        else:
            below[:] = 0
        if row >= 1:
            target = flat[row - 1 + PAD, REACH : REACH + columns]
            for i in range(columns):
                target[i] = np.int16(above[i] + np.int16(2) * middle[i] + below[i])
        for i in range(columns):
            above[i] = middle[i]
            middle[i] = below[i]


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
    """Five taps a line. Of the two diagonals the one is done as flat, the other as steep.

    Some rows at a time, as one long row each: what is summed over the margins between them is not looked at.
    """
    rows, columns = cells.shape
    flat_width, steep_width = flat.shape[1], steep.shape[1]
    flat_line, steep_line = flat.reshape(-1), steep.reshape(-1)
    best_flat = np.empty(2 * BAND * flat_width, np.int16)
    best_steep = np.empty(BAND * steep_width, np.int16)
    for top in range(0, rows, BAND):
        band = min(BAND, rows - top)
        first, count = (2 * top + PAD) * flat_width, 2 * band * flat_width - 2 * REACH
        best = best_flat[:count]
        best[:] = 0
        for rise in RISES:
            step = rise * flat_width
            a = flat_line[first - 2 * step : first - 2 * step + count]
            b = flat_line[first - step + 1 : first - step + 1 + count]
            c = flat_line[first + 2 : first + 2 + count]
            d = flat_line[first + step + 3 : first + step + 3 + count]
            e = flat_line[first + 2 * step + 4 : first + 2 * step + 4 + count]
            for i in range(count):
                total = np.int16(a[i] + b[i] + c[i] + d[i] + e[i])
                best[i] = max(best[i], max(total, np.int16(-total)))
        first, count = top * steep_width + PAD, band * steep_width - 2 * PAD
        best = best_steep[:count]
        best[:] = 0
        for rise in RISES:
            run = rise if rise < 2 else -rise
            a = steep_line[first - 2 * run : first - 2 * run + count]
            b = steep_line[first + steep_width - run : first + steep_width - run + count]
            c = steep_line[first + 2 * steep_width : first + 2 * steep_width + count]
            d = steep_line[first + 3 * steep_width + run : first + 3 * steep_width + run + count]
            e = steep_line[first + 4 * steep_width + 2 * run : first + 4 * steep_width + 2 * run + count]
            for i in range(count):
                total = np.int16(a[i] + b[i] + c[i] + d[i] + e[i])
                best[i] = max(best[i], max(total, np.int16(-total)))
        for row in range(band):
            cell = cells[top + row]
            upper = best_flat[2 * row * flat_width : 2 * row * flat_width + columns]
            lower = best_flat[(2 * row + 1) * flat_width : (2 * row + 1) * flat_width + columns]
            pairs = best_steep[row * steep_width : row * steep_width + 2 * columns]
            for i in range(columns):
                strongest = max(max(upper[i], lower[i]), max(pairs[2 * i], pairs[2 * i + 1]))
                cell[i] = max(cell[i], strongest)
