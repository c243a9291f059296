"""Whole pictures of interlaced frames (1080i, 576i), without delay.

An X-ray image lasts at least two fields of a 50 or 60 Hz output, but a frame's two fields need not be of the same
image: then the upper one belongs to the lower one before. So the upper field is paired with whichever of the two lower
fields combs less; a true pair is an image as it was, with nothing interpolated. Only where both pairs comb (a source
that moves from field to field) is the picture interpolated, by FFmpeg's bwdif.
"""

from fractions import Fraction

import av.filter
import numpy as np
from av.video.frame import VideoFrame
from numba import types

from daemon.picture.kernel import PICTURE_IN, kernel
from hw.ports import GrayPicture

TILE = 16  # pixels, both ways
COMBED_SHARE = 0.02  # of the tiles; pure noise makes 0.3 % comb, another image of a still scene more than 2.5 %
COMBED_FACTOR = 2.1  # a tile combs when its fields differ by so much more than rows of one field (pure noise: 1.7) ...
COMBED_LEVELS = 2  # ... and by so many levels a pixel: in a dark flat tile rounding alone makes any factor
TIME_BASE = Fraction(1, 25)


class Deinterlacer:
    """For the frames of one source in turn, woven with the upper field first. Used by one thread.

    `first_row_is_lower`: the pictures are cut from an odd row on.
    """

    def __init__(self, width: int, height: int, *, first_row_is_lower: bool = False) -> None:
        self._first_lower = 0 if first_row_is_lower else 1
        self._lower_rows = slice(self._first_lower, None, 2)
        lower = np.zeros((height, width), np.uint8)[self._lower_rows]
        self._lower, self._lower_before = lower.copy(), lower.copy()
        self._frame_before: GrayPicture | None = None
        self._tiles = max(1, (height // TILE) * (width // TILE))
        self.interpolated = 0  # pictures so far

    def reset(self) -> None:
        """The next frame stands alone."""
        self._frame_before = None

    def make_whole(self, picture: GrayPicture) -> None:
        """Turn the woven frame into one image, in place. The first one stays as it is."""
        np.copyto(self._lower, picture[self._lower_rows])
        if self._frame_before is None:
            self._frame_before = picture.copy()
        else:
            self._pair(picture)
        self._lower, self._lower_before = self._lower_before, self._lower

    def _pair(self, picture: GrayPicture) -> None:
        assert self._frame_before is not None
        own, own_tiles = _comb(picture, self._lower, self._first_lower)
        before, before_tiles = _comb(picture, self._lower_before, self._first_lower)
        woven = picture.copy()
        if min(own_tiles, before_tiles) > COMBED_SHARE * self._tiles:
            picture[:] = _interpolated(self._frame_before, woven, is_upper_first=self._first_lower == 1)
            self.interpolated += 1
        elif before < own:
            picture[self._lower_rows] = self._lower_before
        self._frame_before = woven


def _interpolated(before: GrayPicture, woven: GrayPicture, *, is_upper_first: bool) -> GrayPicture:
    """bwdif looks at the frames on both sides; the one to come is not there yet, so this one stands for it, too."""
    height, width = woven.shape
    graph = av.filter.Graph()
    source = graph.add_buffer(
        format=av.VideoFormat("gray", width, height), width=width, height=height, time_base=TIME_BASE
    )
    bwdif = graph.add("bwdif", f"mode=send_frame:parity={'tff' if is_upper_first else 'bff'}:deint=all")
    source.link_to(bwdif)
    bwdif.link_to(graph.add("buffersink"))
    graph.configure()
    for number, picture in enumerate((before, woven, woven)):
        frame = VideoFrame.from_ndarray(picture, format="gray")
        frame.pts, frame.time_base = number, TIME_BASE
        graph.push(frame)
    graph.pull()
    made = graph.pull()
    assert isinstance(made, VideoFrame)
    return made.to_ndarray().astype(np.uint8, copy=False)


@kernel(PICTURE_IN, PICTURE_IN, types.uint64, returns=types.UniTuple(types.int64, 2))
def _comb(picture: GrayPicture, lower: GrayPicture, first_lower: int) -> tuple[int, int]:
    """(How much the upper rows of `picture` and the rows of `lower` comb together, number of tiles that do).

    A lower row is compared with the mean of its neighbours; what those two differ by is the picture's own detail.
    """
    columns = picture.shape[1] // TILE
    own = np.zeros(columns, np.int32)
    across = np.zeros(columns, np.int32)
    total = 0
    combed = 0
    rows = 0
    for index in range(np.uint64(1), np.uint64(lower.shape[0] - 1)):
        row = np.uint64(2) * index + first_lower
        above = picture[row - np.uint64(1)]
        below = picture[row + np.uint64(1)]
        middle = lower[index]
        for column in range(columns):
            start = column * TILE
            difference = np.int32(0)
            detail = np.int32(0)
            for i in range(TILE):
                a = np.int32(above[start + i])
                b = np.int32(below[start + i])
                difference += abs(np.int32(2) * np.int32(middle[start + i]) - a - b)
                detail += abs(a - b)
            across[column] += difference
            own[column] += detail
        rows += 1
        if rows == TILE // 2:
            for column in range(columns):
                total += across[column]
                level = COMBED_LEVELS * 2 * TILE * rows
                combed += across[column] > COMBED_FACTOR * own[column] and across[column] > level
            own[:] = 0
            across[:] = 0
            rows = 0
    return total, combed
