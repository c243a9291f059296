"""The safe noise filter: less quantum noise where nothing is, nothing lost of a wire one or two pixels wide.

Each pixel is mixed with what was there before (first-order temporal recursion), except where something line-like has
changed (`oriented`), and never changed by more than LARGEST_CHANGE_SIGMAS of the noise there plus half a level. The
noise is measured on the pictures themselves (`noise_curve`). Where it cannot be known, or hides a wire, the filter
steps aside and says so.

The lines are looked for in two pictures: what changed since the past that would be mixed in, and what stands out as a
ridge from the average of the last images, which has less noise. The first finds whatever moves or fills with contrast,
the second a wire as faint as the noise of a pixel.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.picture.kernel import PICTURE, PICTURE_IN, kernel
from daemon.picture.noise_curve import NoiseCurve
from daemon.picture.oriented import CELL, LARGEST, PLANE, PLANE_IN, UNIT, WEIGHT, LineEvidence, Plane
from daemon.states import FilterState
from hw.capture.ring import FrameRing
from hw.ports import GrayPicture

LARGEST_CHANGE_SIGMAS = 1.0
"""k of the promise |out - in| <= k sigma + 0.5 level; sigma is the noise at the mean grey of the pixel's cell."""

RECURSION = 0.45  # share of the past where there is no evidence of anything
EVIDENCE_BEGINS = 0.47  # mean contrast along a line, in sigmas of a pixel's noise ...
EVIDENCE_IS_FULL = 0.57  # ... from here on nothing of the past; a wire of 1 sigma at its peak has about 0.5

STEP_BITS, SHARE_BITS = 4, 6
STEPS = 1 << STEP_BITS  # a level, in what is remembered
SHARES = 1 << SHARE_BITS  # shares of the past are given in these parts
LARGEST_DIFFERENCE = 32767 // SHARES  # in STEPS, so that all fits 16 bits; larger than any noise that is filtered
FOUR_OF_16_BITS = 0x0001_0001_0001_0001  # times a number of at most 15 bits: CELL times that number
AROUND = 2  # cells each way
CHANGE_NOISE = 1.22  # of a change, in that of a picture: the past has noise of its own, more than the average has
AVERAGE_SHIFT = 2  # the average takes a quarter of each new image
BORDER_CELLS = 2  # which the lines do not reach: never filtered
SMALLEST_SIGMA = 0.25
LARGEST_FLICKER = 32.0  # levels; more is another picture

LOW_DOSE_SIGMA = 9.0  # typical noise, in levels: above it a wire's body, some 4 levels, keeps less than 0.97 of itself
LOW_DOSE_LEFT_AT = 0.9  # of that

Levels = npt.NDArray[np.int16]
_TABLE = types.Array(types.int16, 1, "C", readonly=True)
_SCALES = types.Array(types.float32, 1, "C", readonly=True)


@dataclass(frozen=True, slots=True)
class FilterReport:
    """What was done to the last picture. `cause` says why the filter is suspended; sigma 0: not known yet."""

    state: FilterState
    cause: str = ""
    typical_sigma_levels: float = 0.0
    filtered_share: float = 0.0  # of the picture's cells, in which the past has any part


class SafeFilter:
    """Give it the new images in turn. Used by one thread; the same pictures give the same results."""

    def __init__(self) -> None:
        self.report = FilterReport(FilterState.SUSPENDED, "learning the noise")
        self.reset()

    def reset(self) -> None:
        """Forget all pictures and the noise."""
        self.noise = NoiseCurve()
        self._previous: GrayPicture | None = None
        self._low_dose = False
        self._memory: _Memory | None = None

    def apply(self, picture: GrayPicture) -> GrayPicture:
        """The filtered picture, or `picture` itself where nothing is filtered.

        `picture` must stay untouched until the next call; the result is, until the CAPTURE_FRAMES_KEPT-th call.
        """
        previous = self._previous
        if previous is not None and previous.shape != picture.shape:
            self.reset()
            previous = None
        self._previous = picture
        flicker = 0.0 if previous is None else self.noise.note(picture, previous)
        cause = self._reason_to_step_aside(picture)
        if cause:
            self._memory = None
            self.report = FilterReport(FilterState.SUSPENDED, cause, self.noise.typical_sigma)
            return picture
        if self._memory is None or abs(flicker) > LARGEST_FLICKER:
            self._memory = _Memory(picture)
            share, result = 0.0, picture
        else:
            share, result = self._memory.mix(picture, self.noise, flicker)
        self.report = FilterReport(FilterState.ON, "", self.noise.typical_sigma, share)
        return result

    def _reason_to_step_aside(self, picture: GrayPicture) -> str:
        if min(picture.shape) < CELL * (2 * BORDER_CELLS + 1):
            return "picture too small"
        if not self.noise.is_known:
            return "learning the noise"
        sigma = self.noise.typical_sigma
        self._low_dose = sigma > LOW_DOSE_SIGMA * (LOW_DOSE_LEFT_AT if self._low_dose else 1.0)
        return "low dose: the noise could hide a wire" if self._low_dose else ""


class _Memory:
    """What the filter remembers of the pictures of one size, and the buffers for it."""

    def __init__(self, picture: GrayPicture) -> None:
        height, width = picture.shape
        rows, columns = height // CELL, width // CELL
        self._past: Levels = np.empty(picture.shape, np.int16)  # in STEPS
        self._change: Plane = np.empty((2 * rows, 2 * columns), np.int16)
        self._novelty: Plane = np.empty((2 * rows, 2 * columns), np.int16)
        self._greys: Plane = np.empty((rows, columns), np.int16)
        self._shares: Plane = np.empty((rows, columns), np.int16)
        self._evidence = LineEvidence(rows, columns)
        self._outputs = FrameRing(width, height)
        np.left_shift(picture, STEP_BITS, out=self._past, dtype=np.int16)
        inner = self._past[: rows * CELL, : columns * CELL]
        self._average: Plane = inner.reshape(2 * rows, 2, 2 * columns, 2).sum(axis=(1, 3), dtype=np.int16)

    def mix(self, picture: GrayPicture, noise: NoiseCurve, flicker_levels: float) -> tuple[float, GrayPicture]:
        """(share of the cells in which the past has a part, filtered picture)."""
        flicker = round(flicker_levels * STEPS)
        sigmas = np.maximum(noise.sigma_by_grey, SMALLEST_SIGMA) * CHANGE_NOISE
        scales = np.repeat(UNIT / (4 * STEPS) / sigmas, 2).astype(np.float32)
        limits = np.floor(noise.sigma_by_grey * np.float32(LARGEST_CHANGE_SIGMAS * STEPS)).astype(np.int16)
        _compare(picture, self._past, flicker, scales, self._average, self._change, self._novelty, self._greys)
        _subtract_surroundings(self._novelty)
        evidence = self._evidence
        evidence.begin()
        evidence.add(self._change)
        evidence.add(self._novelty)
        most, none_from = RECURSION * SHARES, EVIDENCE_IS_FULL * UNIT * WEIGHT
        per_evidence = most / (none_from - EVIDENCE_BEGINS * UNIT * WEIGHT)
        filtered = _shares_of_past(evidence.cells, evidence.cells_before, none_from, per_evidence, most, self._shares)
        result = self._outputs.commit()
        _mix(picture, self._past, flicker, self._shares, self._greys, limits, result)
        return filtered / self._shares.size, result


@kernel(PICTURE_IN, PLANE_IN, types.int16, _SCALES, *[PLANE] * 4)
def _compare(
    picture: GrayPicture,
    past: Levels,
    flicker: int,
    scales: npt.NDArray[np.float32],
    average: Plane,
    change: Plane,
    novelty: Plane,
    greys: Plane,
) -> None:
    """Of 2x2 pixels, in units of the noise: `change` since the past, `novelty` against the average, which is updated.

    And the mean greys of cells, in levels. A row of cells at a time, so that its sums stay in the first cache.
    `scales`, of a change, has each grey's twice, to be spread as one number of 64 bits.
    """
    rows, columns = greys.shape
    sums = np.empty((2, 2 * columns), np.int16)
    cell_scales, cell_scale = scales.view(np.int64), np.empty(columns, np.int64)
    scale = cell_scale.view(np.float32)
    largest = np.float32(LARGEST)
    for row in range(rows):
        for half in range(2):
            y = 2 * row + half
            upper, lower = picture[2 * y], picture[2 * y + 1]
            past_upper, past_lower = past[2 * y], past[2 * y + 1]
            changes, novelties, averages, levels = change[y], novelty[y], average[y], sums[half]
            for i in range(2 * columns):
                levels[i] = (
                    np.int16(upper[2 * i])
                    + np.int16(upper[2 * i + 1])
                    + np.int16(lower[2 * i])
                    + np.int16(lower[2 * i + 1])
                )
            for i in range(2 * columns):
                then = past_upper[2 * i] + past_upper[2 * i + 1] + past_lower[2 * i] + past_lower[2 * i + 1]
                changes[i] = STEPS * levels[i] - then - 4 * flicker
            for i in range(2 * columns):
                expected = np.int16(averages[i] + 4 * flicker)
                difference = np.int16(STEPS * levels[i] - expected)
                novelties[i] = difference
                averages[i] = expected + (difference >> AVERAGE_SHIFT)
        upper_sums, lower_sums, grey = sums[0], sums[1], greys[row]
        for i in range(columns):
            grey[i] = (upper_sums[2 * i] + upper_sums[2 * i + 1] + lower_sums[2 * i] + lower_sums[2 * i + 1]) >> 4
        for i in range(columns):
            cell_scale[i] = cell_scales[np.uint8(grey[i])]
        for y in range(2 * row, 2 * row + 2):
            changes, novelties = change[y], novelty[y]
            for i in range(2 * columns):
                value = np.float32(changes[i]) * scale[i]
                changes[i] = np.int16(min(max(value, -largest), largest))
            for i in range(2 * columns):
                value = np.float32(novelties[i]) * scale[i] * np.float32(CHANGE_NOISE)
                novelties[i] = np.int16(min(max(value, -largest), largest))


@kernel(PLANE)
def _subtract_surroundings(novelty: Plane) -> None:
    """A wire stands out from what is around it; whatever changes broadly is found by its change alone."""
    rows, columns = novelty.shape[0] // 2, novelty.shape[1] // 2
    cells = np.zeros((rows + 2 * AROUND, columns), np.int16)
    for row in range(rows):
        upper, lower, cell = novelty[2 * row], novelty[2 * row + 1], cells[row + AROUND]
        for i in range(columns):
            cell[i] = (upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1]) >> 2
    columns_of_cells = np.zeros(columns + 2 * AROUND, np.int16)
    surroundings = np.empty(2 * columns, np.int16)
    for row in range(rows):
        inner = columns_of_cells[AROUND : AROUND + columns]
        inner[:] = 0
        for y in range(row, row + 2 * AROUND + 1):
            cell = cells[y]
            for i in range(columns):
                inner[i] += cell[i]
        for i in range(columns):
            total = np.int32(0)
            for k in range(2 * AROUND + 1):
                total += columns_of_cells[i + k]
            mean = np.int16(np.float32(total) * np.float32(1 / (2 * AROUND + 1) ** 2))
            surroundings[2 * i] = mean
            surroundings[2 * i + 1] = mean
        for y in range(2 * row, 2 * row + 2):
            novelties = novelty[y]
            for i in range(2 * columns):
                novelties[i] -= surroundings[i]


@kernel(*[PLANE_IN] * 2, *[types.float32] * 3, PLANE, returns=types.intp)
def _shares_of_past(
    evidence: Plane, before: Plane, none_from: float, per_evidence: float, most: float, shares: Plane
) -> int:
    """By the strongest evidence in the cell and its neighbours, now or in the image before: a line that was there has
    left its trace in the past. The number of cells with a share.
    """
    rows, columns = shares.shape
    filtered = 0
    strongest = np.zeros(columns, np.int16)
    shares[:] = 0
    for row in range(BORDER_CELLS, rows - BORDER_CELLS):
        above, here, below = evidence[row - 1], evidence[row], evidence[row + 1]
        for i in range(columns):
            strongest[i] = max(above[i], max(here[i], below[i]))
        above, here, below = before[row - 1], before[row], before[row + 1]
        for i in range(columns):
            strongest[i] = max(strongest[i], max(above[i], max(here[i], below[i])))
        share = shares[row]
        for i in range(BORDER_CELLS, columns - BORDER_CELLS):
            around = max(strongest[i - 1], max(strongest[i], strongest[i + 1]))
            left = (none_from - np.float32(around)) * per_evidence
            share[i] = min(max(left, np.float32(0)), most)
            filtered += share[i] > 0
    return filtered


@kernel(PICTURE_IN, PLANE, types.int16, *[PLANE_IN] * 2, _TABLE, PICTURE)
def _mix(
    picture: GrayPicture, past: Levels, flicker: int, shares: Plane, greys: Plane, limits: Levels, result: GrayPicture
) -> None:
    """Mix the past into `result`, within the limits, and make it the new past. The rest beyond the cells is copied.

    All arithmetic is of 16 bits, which doubles the speed, and so does spreading a cell's numbers as one of 64.
    """
    rows, columns = shares.shape
    width = picture.shape[1]
    cell_share = np.zeros(columns + 1, np.int64)
    cell_limit = np.zeros(columns + 1, np.int64)
    share, limit = cell_share.view(np.int16), cell_limit.view(np.int16)
    for y in range(picture.shape[0]):
        if y % CELL == 0:
            cell_share[:] = 0
            if y // CELL < rows:
                shares_of_row, greys_of_row = shares[y // CELL], greys[y // CELL]
                for i in range(columns):
                    cell_share[i] = np.int64(shares_of_row[i]) * FOUR_OF_16_BITS
                    cell_limit[i] = np.int64(limits[np.uint8(greys_of_row[i])]) * FOUR_OF_16_BITS
        now, then, out = picture[y], past[y], result[y]
        for i in range(width):
            level = np.int16(np.int16(now[i]) << np.int16(STEP_BITS))
            difference = np.int16(np.int16(then[i] + flicker) - level)
            difference = min(max(difference, np.int16(-LARGEST_DIFFERENCE)), np.int16(LARGEST_DIFFERENCE))
            rounded = np.int16(np.int16(difference * share[i]) + np.int16(SHARES // 2))
            change = np.int16(rounded >> np.int16(SHARE_BITS))
            most = limit[i]
            change = min(max(change, np.int16(-most)), most)
            mixed = min(max(np.int16(level + change), np.int16(0)), np.int16(255 * STEPS))
            then[i] = mixed
            out[i] = np.uint8(np.int16(mixed + np.int16(STEPS // 2)) >> np.int16(STEP_BITS))
