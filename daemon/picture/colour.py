"""Does a source really carry colour? Decided by what it shows in the image area, outside of the identity areas.

A capture card's chroma noise and a slight tint are no colour; a coloured roadmap, a measurement or a pseudo-colour
image is, from 0.1 % of the area on. What a console draws around the image area is cut off before and never counts.
Each frame is looked at in one row of eight, another one each time, and the last eight count together. Colour that has
gone is believed after two seconds of 60 Hz, for each change costs the encoder an IDR. No clock, no thread.
"""

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import register_jitable

from daemon.picture.area import Area
from daemon.picture.kernel import PICTURE_IN, kernel
from daemon.picture.mask import Boxes
from hw.ports import NO_CHROMA, CaptureTiming, FrameBytes, PixelFormat

ROWS_APART = 8
BEGINS_AT_SHARE = 0.001  # of the pixels ...
ENDS_UNDER_SHARE = 0.00025
LOOKS_NEEDED = 2  # ... in as many looks: a single frame may be a disturbance
FRAMES_TO_END = 120

SATURATED_LEVELS = 32  # between the largest and the smallest of blue, green and red
CHROMA_LEVELS = 16  # from NO_CHROMA: about the same

Runs = npt.NDArray[np.uint32]
"""Shape (count, 3): row, first column and column after the last of pixels to look at, in those of the frame."""


class ColourWatch:
    """Of one screen of a source whose frames have chroma. `identity` is in pixels of `area`. Used by one thread."""

    def __init__(self, timing: CaptureTiming, area: Area, identity: Boxes) -> None:
        self._pixel_format = timing.pixel_format
        self._luma_rows = timing.height
        self._runs = [_runs(area, identity, phase) for phase in range(ROWS_APART)]
        self._pixels = max(1, sum(_pixels_in(runs) for runs in self._runs))
        self._looks: deque[int] = deque(maxlen=ROWS_APART)
        self._phase = 0
        self._frames_without = 0
        self.is_coloured = False

    def look(self, frame: FrameBytes) -> bool:
        """True when the verdict has changed. The first frame is looked at whole, and decides at once."""
        if not self._looks:
            self._looks.extend(self._coloured_pixels(frame, runs) for runs in self._runs)
        else:
            self._looks.append(self._coloured_pixels(frame, self._runs[self._phase]))
            self._phase = (self._phase + 1) % ROWS_APART
        share = sum(self._looks) / self._pixels
        before = self.is_coloured
        if not before:
            looks = sum(count > 0 for count in self._looks)
            self.is_coloured = share >= BEGINS_AT_SHARE and looks >= LOOKS_NEEDED
            self._frames_without = 0
        elif share < ENDS_UNDER_SHARE:
            self._frames_without += 1
            self.is_coloured = self._frames_without < FRAMES_TO_END
        else:
            self._frames_without = 0
        return self.is_coloured != before

    def _coloured_pixels(self, frame: FrameBytes, runs: Runs) -> int:
        match self._pixel_format:
            case PixelFormat.YUYV422:
                return int(_yuyv_with_chroma(frame, runs))
            case PixelFormat.NV12:
                return int(_nv12_with_chroma(frame, self._luma_rows, runs))
        return int(_saturated(frame, runs, self._pixel_format.pixel_bytes))


def _pixels_in(runs: Runs) -> int:
    return int((runs[:, 2] - runs[:, 1]).sum())


def _runs(area: Area, identity: Boxes, phase: int) -> Runs:
    """The rows of `area` of this phase, without what lies in the boxes."""
    found = []
    for row in range(phase, area.height, ROWS_APART):
        is_seen = np.ones(area.width, np.bool_)
        for x, y, width, height in identity.tolist():
            if y <= row < y + height:
                is_seen[x : x + width] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[False], is_seen, [False]]).astype(np.int8)))
        found += [(area.y + row, area.x + left, area.x + right) for left, right in edges.reshape(-1, 2)]
    return np.array(found, np.uint32).reshape(-1, 3)


_RUNS = types.Array(types.uint32, 2, "C", readonly=True)


# Marks are stored and then added up: a loop that counted at once would be ten times slower. So it would be without
# inlining, which makes `pixel_bytes` a constant.


@register_jitable(inline="always")  # type: ignore[untyped-decorator]
def _mark_saturated(pixels: Any, pixel_bytes: int, marks: Any) -> None:
    for i in range(marks.shape[0]):
        blue, green, red = pixels[pixel_bytes * i], pixels[pixel_bytes * i + 1], pixels[pixel_bytes * i + 2]
        apart = np.uint8(max(blue, max(green, red)) - min(blue, min(green, red)))
        marks[i] = apart > np.uint8(SATURATED_LEVELS)


@register_jitable(inline="always")  # type: ignore[untyped-decorator]
def _mark_chroma(pixels: Any, pixel_bytes: int, marks: Any) -> None:
    """A pixel's chroma, its last byte, is Cb or Cr; the other one is its neighbour's."""
    for i in range(marks.shape[0]):
        chroma = pixels[pixel_bytes * i + pixel_bytes - 1]
        apart = np.uint8(max(chroma, np.uint8(NO_CHROMA)) - min(chroma, np.uint8(NO_CHROMA)))
        marks[i] = apart > np.uint8(CHROMA_LEVELS)


@register_jitable(inline="always")  # type: ignore[untyped-decorator]
def _sum(marks: Any) -> int:
    count = 0
    for i in range(marks.shape[0]):
        count += marks[i]
    return count


@kernel(PICTURE_IN, _RUNS, types.uint32, returns=types.int64)
def _saturated(frame: FrameBytes, runs: Runs, pixel_bytes: int) -> int:
    total = 0
    scratch = np.empty(frame.shape[1], np.uint8)
    for n in range(runs.shape[0]):
        row, left, right = runs[n, 0], runs[n, 1], runs[n, 2]
        pixels, marks = frame[row, left * pixel_bytes : right * pixel_bytes], scratch[: right - left]
        if pixel_bytes == 3:
            _mark_saturated(pixels, 3, marks)
        else:
            _mark_saturated(pixels, 4, marks)
        total += _sum(marks)
    return total


@kernel(PICTURE_IN, _RUNS, returns=types.int64)
def _yuyv_with_chroma(frame: FrameBytes, runs: Runs) -> int:
    total = 0
    scratch = np.empty(frame.shape[1], np.uint8)
    for n in range(runs.shape[0]):
        row, left, right = runs[n, 0], runs[n, 1], runs[n, 2]
        marks = scratch[: right - left]
        _mark_chroma(frame[row, left * 2 : right * 2], 2, marks)
        total += _sum(marks)
    return total


@kernel(PICTURE_IN, types.uint32, _RUNS, returns=types.int64)
def _nv12_with_chroma(frame: FrameBytes, luma_rows: int, runs: Runs) -> int:
    total = 0
    scratch = np.empty(frame.shape[1], np.uint8)
    for n in range(runs.shape[0]):
        row, left, right = luma_rows + runs[n, 0] // 2, runs[n, 1], runs[n, 2]
        marks = scratch[: right - left]
        _mark_chroma(frame[row, left:right], 1, marks)
        total += _sum(marks)
    return total
