"""The promise of the safe filter, counted in floating point by other code than the filter's own."""

import numpy as np

from daemon.picture.safe_filter import LARGEST_CHANGE_SIGMAS, SafeFilter
from hw.ports import GrayPicture

CELL = 4


def pixels_over_the_bound(picture: GrayPicture, filtered: GrayPicture, safe: SafeFilter) -> int:
    """How many pixels differ by more than k sigma + 0.5 level, sigma at the mean grey of the pixel's 4x4 cell."""
    rows, columns = picture.shape[0] // CELL, picture.shape[1] // CELL
    largest = np.zeros(picture.shape)
    if rows and columns:
        inner = picture[: rows * CELL, : columns * CELL].astype(np.int64)
        greys = inner.reshape(rows, CELL, columns, CELL).sum(axis=(1, 3)) // CELL**2
        sigma = safe.noise.sigma_by_grey.astype(np.float64)[greys]
        cells = LARGEST_CHANGE_SIGMAS * sigma
        largest[: rows * CELL, : columns * CELL] = np.kron(cells, np.ones((CELL, CELL)))
        largest[largest > 0] += 0.5
    return int(np.count_nonzero(np.abs(filtered.astype(np.int64) - picture) > largest + 1e-4))
