"""How noisy the pictures are, by grey level: sigma(grey), measured from what changes between consecutive images.

Quantum noise is new in every image, so the difference of two has sqrt(2) of it, wherever nothing moves. What moves is
left out by taking, of the blocks of equal grey, one of the calmest sixth. The brightness of the whole picture, which
flickers with the generator's, is taken out first; it is an output of its own.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.picture.kernel import PICTURE_IN, kernel
from hw.ports import GrayPicture

SigmaByGrey = npt.NDArray[np.float32]
"""Shape (256,): standard deviation of the noise, in levels, of a pixel of this grey."""

BLOCK = 8  # pixels, both ways
ROWS_SKIPPED = 4  # of the block rows one in so many is looked at, another one each image
BINS = 16
LEVELS_PER_BIN = 256 // BINS
DEVIATION_STEPS = 8  # a level, in the histograms
DEVIATIONS = 64 * DEVIATION_STEPS
FLICKER_STEPS = 16  # a level
CALM_QUANTILE = 0.15
MEAN_DEVIATION_PER_SIGMA = 1.128  # E|d| of the difference d of two Gaussians: 2 / sqrt(pi)
CALM_SHARE = 0.895  # what the calm quantile of a block's mean |d| is of its mean, 64 pixels of a detector's noise
BLOCKS_NEEDED = 12  # in a bin, to believe it
IMAGES_NEEDED = 6
END_RISE = 1.3  # at most, of the first and the last bin over its neighbour
FALLING, RISING = 0.5, 0.1  # share of a new measurement: motion can only make it too large

_COUNTS = types.Array(types.int32, 2, "C")
_SUMS = types.Array(types.int32, 1, "C")
_BINS = types.Array(types.float64, 1, "C")


class NoiseCurve:
    """Give it the images in turn. Used by one thread; keeps no pixels."""

    def __init__(self) -> None:
        self.sigma_by_grey: SigmaByGrey = np.zeros(256, np.float32)
        self._sigma_by_bin: npt.NDArray[np.float64] = np.full(BINS, np.nan)
        self._histograms = np.zeros((BINS, DEVIATIONS), np.int32)
        self._images = 0
        self.typical_sigma = 0.0
        """The median over the greys that occur, in levels; 0 while it is not known."""

    @property
    def is_known(self) -> bool:
        return self._images >= IMAGES_NEEDED and self.typical_sigma > 0

    def note(self, picture: GrayPicture, previous: GrayPicture) -> float:
        """Measure on two consecutive images of one size; returns how much brighter `picture` is as a whole, in levels.

        Pictures under 8x8 pixels teach nothing.
        """
        first_row = self._images % ROWS_SKIPPED
        self._images += 1
        columns = picture.shape[1] // BLOCK
        if columns == 0 or picture.shape[0] < BLOCK:
            return 0.0
        rows = range(first_row, picture.shape[0] // BLOCK, ROWS_SKIPPED)
        shifts = np.zeros(columns * len(rows), np.int32)
        _block_shifts(picture, previous, first_row, shifts)
        flicker = _median(shifts) / BLOCK**2 if shifts.size else 0.0
        self._histograms[:] = 0
        _deviation_histograms(picture, previous, first_row, round(flicker), self._histograms)
        self._learn()
        return flicker

    def _learn(self) -> None:
        blocks, calm = np.empty(BINS), np.empty(BINS)
        _calm_deviations(self._histograms, blocks, calm)
        measured = calm / DEVIATION_STEPS / (MEAN_DEVIATION_PER_SIGMA * CALM_SHARE)
        before = self._sigma_by_bin
        share = np.where(np.isnan(before), 1.0, np.where(measured < before, FALLING, RISING))
        after = np.where(np.isnan(before), 0.0, before) * (1 - share) + share * measured
        self._sigma_by_bin = np.where(blocks >= BLOCKS_NEEDED, after, before)
        known = np.flatnonzero(~np.isnan(self._sigma_by_bin))
        if known.size:
            sigmas = _without_peaks(self._sigma_by_bin[known])
            self.typical_sigma = _median(sigmas)
            centres = (known + 0.5) * LEVELS_PER_BIN
            self.sigma_by_grey[:] = np.interp(np.arange(256), centres, sigmas)


def _median(values: npt.NDArray[Any]) -> float:
    """Of at least one. NumPy's own takes longer by what it does for arrays of more dimensions."""
    middle = values.size // 2
    parted = np.partition(values, (max(middle - 1, 0), middle))
    return float(parted[middle]) if values.size % 2 else float(parted[middle - 1] + parted[middle]) / 2


def _without_peaks(sigmas: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Noise changes smoothly with grey: a bin above both of its neighbours holds nothing but motion."""
    if sigmas.size == 1:
        return sigmas
    beyond_ends = END_RISE * sigmas[[1, -2]]
    padded = np.concatenate([beyond_ends[:1], sigmas, beyond_ends[1:]])
    allowed: npt.NDArray[np.float64] = np.maximum(padded[:-2], padded[2:])
    return np.minimum(sigmas, allowed)


@kernel(*[PICTURE_IN] * 2, types.intp, _SUMS)
def _block_shifts(picture: GrayPicture, previous: GrayPicture, first_row: int, shifts: npt.NDArray[np.int32]) -> None:
    """The sum of the differences of each block that is looked at."""
    columns = picture.shape[1] // BLOCK
    column_sums = np.empty(columns * BLOCK, np.int16)
    block = 0
    for block_row in range(first_row, picture.shape[0] // BLOCK, ROWS_SKIPPED):
        column_sums[:] = 0
        for row in range(block_row * BLOCK, block_row * BLOCK + BLOCK):
            now = picture[row]
            then = previous[row]
            for i in range(columns * BLOCK):
                column_sums[i] += np.int16(now[i]) - np.int16(then[i])
        for column in range(columns):
            shift = np.int32(0)
            for i in range(BLOCK):
                shift += column_sums[column * BLOCK + i]
            shifts[block] = shift
            block += 1


@kernel(*[PICTURE_IN] * 2, types.intp, types.int16, _COUNTS)
def _deviation_histograms(
    picture: GrayPicture, previous: GrayPicture, first_row: int, flicker: int, histograms: npt.NDArray[np.int32]
) -> None:
    """Count the blocks by mean grey (row) and mean |difference - flicker| (column, the last one for all above)."""
    columns = picture.shape[1] // BLOCK
    greys = np.empty(columns * BLOCK, np.int16)
    deviations = np.empty(columns * BLOCK, np.int16)
    for block_row in range(first_row, picture.shape[0] // BLOCK, ROWS_SKIPPED):
        greys[:] = 0
        deviations[:] = 0
        for row in range(block_row * BLOCK, block_row * BLOCK + BLOCK):
            now = picture[row]
            then = previous[row]
            for i in range(columns * BLOCK):
                difference = np.int16(np.int16(now[i]) - np.int16(then[i]) - flicker)
                greys[i] += np.int16(now[i])
                deviations[i] += max(difference, np.int16(-difference))
        for column in range(columns):
            grey = 0
            deviation = 0
            for i in range(BLOCK):
                grey += greys[column * BLOCK + i]
                deviation += deviations[column * BLOCK + i]
            step = min(deviation * DEVIATION_STEPS // BLOCK**2, DEVIATIONS - 1)
            histograms[grey // (LEVELS_PER_BIN * BLOCK**2), step] += 1


@kernel(_COUNTS, _BINS, _BINS)
def _calm_deviations(histograms: npt.NDArray[np.int32], blocks: npt.NDArray[Any], calm: npt.NDArray[Any]) -> None:
    """Of each bin the number of blocks, and the deviation under which the calm quantile of them lies, in steps."""
    for k in range(histograms.shape[0]):
        counts = histograms[k]
        total = 0
        for step in range(counts.shape[0]):
            total += counts[step]
        blocks[k] = total
        passed, step = 0, 0
        while step < counts.shape[0] and passed + counts[step] < CALM_QUANTILE * total:
            passed += counts[step]
            step += 1
        calm[k] = step + 0.5
