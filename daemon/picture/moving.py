"""What moves in an image: what is left of it when the background is taken away.

The background is a slow mean of the images, which follows their motion as a whole (the table pans).
"""

from typing import Any

import numpy as np
from numba import types

from daemon.picture.blocks import HALVED, MARGIN
from daemon.picture.kernel import kernel

BACKGROUND_SHIFT = 2  # a new image is 1/4 of the background
LARGEST_MOTION = 10  # pixels of the halved picture, an image; within MARGIN

_PROFILE = types.Array(types.int64, 1, "C")


class Background:
    """Of one source's images, in their order, all of one shape. Keeps its arrays from image to image."""

    def __init__(self, halved: Any) -> None:
        """Begins with this image."""
        self._now, self._next = halved.copy(), halved.copy()
        self._moving = np.zeros_like(halved)
        self._profiles = _profiles_of(halved)

    def moving(self, halved: Any) -> Any:
        """The image without the background, in levels of the halved picture. Overwritten by the next."""
        profiles = _profiles_of(halved)
        down, right = (_motion(*pair) for pair in zip(self._profiles, profiles, strict=True))
        self._profiles = profiles
        np.copyto(self._next, halved)
        _part(self._now, halved, down, right, self._next, self._moving)
        self._now, self._next = self._next, self._now
        return self._moving


def _profiles_of(halved: Any) -> tuple[Any, Any]:
    rows, columns = np.zeros(halved.shape[0], np.int64), np.zeros(halved.shape[1], np.int64)
    _profiles(halved, rows, columns)
    return rows, columns


@kernel(HALVED, _PROFILE, _PROFILE)
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


@kernel(HALVED, HALVED, types.int64, types.int64, HALVED, HALVED)
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
