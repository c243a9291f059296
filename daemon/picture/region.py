"""Which macroblocks hold devices and vessels: they get more of the bits.

Spatial: the strongest thin dark line of each block (picture.blocks), in units of the noise around. Temporal: the same
of what moves against the background, a slow mean of the images that follows their global motion. A block's neighbours
count for it, for a wire goes on; and what was found fades over some images (hysteresis), for a wire may be seen in one
image and not in the next. The blocks with the highest scores are the region, SHARE of the picture and no more.
"""

from typing import Any

import numpy as np
from numba import types

from daemon.picture.blocks import MARGIN, BlockContent, BlockMap, line_strength
from daemon.picture.kernel import kernel
from hw.ports import BlockMask

SHARE = 0.04  # of the blocks: more would take from the rest what they give
FADING = 0.85  # an image
NOISE_RADIUS = 2  # blocks
NEIGHBOUR_RADIUS = 1
LEAST_ROUGHNESS = 1.5  # grey levels: below, what is "noise" is the encoder's or the console's work
BACKGROUND_SHIFT = 2  # a new image is 1/4 of the background
LARGEST_MOTION = 10  # pixels of the halved picture, an image; within MARGIN

_MAP = types.Array(types.float32, 2, "C")
_HALVED = types.Array(types.int16, 2, "C")
_PROFILE = types.Array(types.int64, 1, "C")


class RegionDetector:
    """Of one source's images, in their order. Used by one thread."""

    def __init__(self) -> None:
        self._background: Any = None
        self._profiles: tuple[Any, Any] | None = None
        self._score: BlockMap | None = None

    def find(self, content: BlockContent) -> BlockMask:
        """0.7 ms for 1024x1024 pixels on the development machine. Another size than before begins anew."""
        noise = np.maximum(_mean_around(content.roughness, NOISE_RADIUS), np.float32(LEAST_ROUGHNESS))
        score = content.line + self._moving_lines(content.halved)
        score /= noise
        score += _mean_around(score, NEIGHBOUR_RADIUS)
        if self._score is not None and self._score.shape == score.shape:
            score = np.maximum(score, FADING * self._score)
        self._score = score
        count = int(SHARE * score.size)
        mask = np.zeros(score.shape, np.bool_)
        if count:
            mask.flat[np.argpartition(score, -count, axis=None)[-count:]] = True
        return mask & (score > 0)

    def _moving_lines(self, halved: Any) -> BlockMap:
        profiles = np.zeros(halved.shape[0], np.int64), np.zeros(halved.shape[1], np.int64)
        _profiles(halved, *profiles)
        before, before_profiles = self._background, self._profiles
        self._background, self._profiles = halved, profiles
        if before is None or before_profiles is None or before.shape != halved.shape:
            return np.zeros_like(line_strength(halved))
        down, right = (_motion(*pair) for pair in zip(before_profiles, profiles, strict=True))
        self._background, moving = halved.copy(), np.zeros_like(halved)
        _part(before, halved, down, right, self._background, moving)
        return line_strength(moving)


def _mean_around(values: BlockMap, radius: int) -> BlockMap:
    means = np.empty_like(values)
    _fill_means(values, radius, means)
    return means


@kernel(_MAP, types.int64, _MAP)
def _fill_means(values: Any, radius: int, means: Any) -> None:
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            total, count = 0.0, 0
            for y in range(max(0, row - radius), min(rows, row + radius + 1)):
                for x in range(max(0, column - radius), min(columns, column + radius + 1)):
                    total += values[y, x]
                    count += 1
            means[row, column] = total / count


@kernel(_HALVED, _PROFILE, _PROFILE)
def _profiles(halved: Any, rows: Any, columns: Any) -> None:
    """Sums of each row and of each column."""
    for y in range(halved.shape[0]):
        total = 0
        for x in range(halved.shape[1]):
            total += halved[y, x]
            columns[x] += halved[y, x]
        rows[y] = total


@kernel(_PROFILE, _PROFILE, returns=types.int64)
def _motion(before: Any, now: Any) -> int:
    """By how much `now` lies further on: where the slopes of the two agree best."""
    best, least = 0, np.inf
    for k in range(2 * LARGEST_MOTION + 1):
        motion = (k + 1) // 2 * (1 - 2 * (k % 2))  # 0, -1, 1, -2, ...: the smaller of two equals
        difference = 0.0
        for i in range(MARGIN, now.shape[0] - MARGIN):
            slope = now[i] - now[i - 1]
            difference += abs(slope - (before[i - motion] - before[i - motion - 1]))
        if difference < least:
            best, least = motion, difference
    return best


@kernel(_HALVED, _HALVED, types.int64, types.int64, _HALVED, _HALVED)
def _part(before: Any, now: Any, down: int, right: int, background: Any, moving: Any) -> None:
    """Into the background as it is now and what moves before it."""
    left, width = MARGIN - right, now.shape[1] - 2 * MARGIN
    for y in range(MARGIN, now.shape[0] - MARGIN):
        old = before[y - down, left : left + width]
        new = now[y, MARGIN : MARGIN + width]
        still = background[y, MARGIN : MARGIN + width]
        rest = moving[y, MARGIN : MARGIN + width]
        for x in range(width):
            rest[x] = new[x] - old[x]
            still[x] = old[x] + (rest[x] >> BACKGROUND_SHIFT)
