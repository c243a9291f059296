"""New or held: does a captured frame show another X-ray image than the one before, and how fast do images come?

A source of 60 frames/s repeats each X-ray image 2 to 8 times. A new image differs nearly everywhere, for its quantum
noise is new; a repeated one differs by the noise of the capture, +-1 level a frame, and wherever the console draws its
own things: ECG, clock, mouse pointer. So what counts is not how much changed but over how much of the image area.
"""

from collections import deque

import numpy as np
from numba import types

from daemon.picture.area import Area
from daemon.picture.kernel import PICTURE_IN, kernel
from hw.ports import GrayPicture

CAPTURE_NOISE_LEVELS = 2  # between two frames, each +-1
TILE = 32  # pixels, both ways
CHANGED_ROWS = 2  # a tile with fewer changed rows has a flipped bit, not another image
NEW_SHARE = 0.04  # of the tiles; a console's ECG strip is about half of this, the smallest collimation some more

INTERVALS_KEPT = 8
GAP_FACTOR = 2.2  # of what frames of 60 Hz make of even pulses (1, 2, 1, 2): longer is a gap between runs ...
SAME_MODE_FACTOR = 1.3  # ... unless the next one is the same: the X-ray system has another pulse rate
LONGEST_INTERVAL_NS = 1_100_000_000


class PulseDetector:
    """Compares each frame with the last new one, within `area` (None: the whole frame). Used by one thread.

    It keeps a copy of the last new image, so the frames may be overwritten. The first frame, and the first one of
    another size, is new. Changes that touch less than 4 % of the area's tiles are the console's, not the X-ray's.
    """

    def __init__(self, area: Area | None = None) -> None:
        self._area = area
        self._last_new: GrayPicture | None = None

    def is_new(self, pixels: GrayPicture) -> bool:
        """Raises ValueError when the area is not inside the picture."""
        area = self._area or Area.of(pixels)
        last = self._last_new
        if last is None or last.shape != pixels.shape:
            area.view(pixels)
            self._last_new = pixels.copy()
            return True
        if not _is_another_image(last, pixels, area.x, area.y, area.width, area.height):
            return False
        np.copyto(last, pixels)
        return True

    def reset(self) -> None:
        """The next frame is new, whatever it shows."""
        self._last_new = None


class ImageInterval:
    """The longest recent interval between new images while the beam is on; pauses between runs do not count."""

    def __init__(self) -> None:
        self._intervals_ns: deque[int] = deque(maxlen=INTERVALS_KEPT)
        self._last_ns: int | None = None
        self._odd_ns: int | None = None  # the last interval, when it was too long for this mode

    def note_new(self, capture_ns: int) -> None:
        """A new image was captured."""
        last_ns, self._last_ns = self._last_ns, capture_ns
        if last_ns is None or capture_ns <= last_ns:
            return
        interval_ns = capture_ns - last_ns
        if interval_ns > LONGEST_INTERVAL_NS:
            self._odd_ns = None
            return
        if self._intervals_ns and interval_ns > GAP_FACTOR * self.interval_ns:
            odd_ns, self._odd_ns = self._odd_ns, interval_ns
            if odd_ns is None or not odd_ns / SAME_MODE_FACTOR < interval_ns < odd_ns * SAME_MODE_FACTOR:
                return
            self._intervals_ns.clear()
            self._intervals_ns.append(odd_ns)
        self._odd_ns = None
        self._intervals_ns.append(interval_ns)

    @property
    def interval_ns(self) -> int:
        """0 while it is not known."""
        return max(self._intervals_ns, default=0)

    @property
    def pulse_rate_hz(self) -> float:
        """Mean rate of new images in the recent run; 0 while it is not known."""
        return len(self._intervals_ns) * 1e9 / sum(self._intervals_ns) if self._intervals_ns else 0.0


@kernel(*[PICTURE_IN] * 2, *[types.uint64] * 4, returns=types.boolean)
def _is_another_image(last: GrayPicture, pixels: GrayPicture, x: int, y: int, width: int, height: int) -> bool:
    """Stops as soon as enough tiles have changed, which a new image shows in its first rows.

    The inner loop's length is a constant: only so it becomes a few instructions on 32 pixels each.
    """
    columns = (width + TILE - 1) // TILE
    needed = max(1, int(NEW_SHARE * columns * ((height + TILE - 1) // TILE)))
    changed_rows = np.zeros(columns, np.int64)
    changed_tiles = 0
    for top in range(y, y + height, TILE):
        changed_rows[:] = 0
        bottom = min(top + TILE, y + height)
        for row in range(top, bottom):
            a = last[row, x : x + width]
            b = pixels[row, x : x + width]
            for column in range(width // TILE):
                start = column * TILE
                largest = np.uint8(0)
                for i in range(TILE):
                    p = a[start + i]
                    q = b[start + i]
                    largest = max(largest, np.uint8(max(p, q) - min(p, q)))
                changed_rows[column] += largest > CAPTURE_NOISE_LEVELS
            for i in range(width // TILE * TILE, width):
                if max(a[i], b[i]) - min(a[i], b[i]) > CAPTURE_NOISE_LEVELS:
                    changed_rows[columns - 1] += 1
                    break
        for column in range(columns):
            changed_tiles += changed_rows[column] >= min(CHANGED_ROWS, bottom - top)
        if changed_tiles >= needed:
            return True
    return False
