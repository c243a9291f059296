"""The buffers that a source writes its frames into, allocated once."""

import numpy as np

from hw.ports import CAPTURE_FRAMES_KEPT, FrameBytes, PixelFormat


class FrameRing:
    """`slot` is the buffer to fill; `commit` delivers it and moves on to the oldest one.

    With one buffer more than CAPTURE_FRAMES_KEPT the promise on a frame's pixels holds, as long as every committed slot
    is delivered at least once.
    """

    def __init__(self, width: int, height: int, pixel_format: PixelFormat = PixelFormat.GRAY8) -> None:
        shape = pixel_format.frame_shape(width, height)
        self.buffers = [np.empty(shape, np.uint8) for _ in range(CAPTURE_FRAMES_KEPT + 1)]
        for buffer in self.buffers:
            buffer.fill(0)  # the pages are had now, not in the middle of the first frames
        self.index = 0

    @property
    def slot(self) -> FrameBytes:
        """Shape as `pixel_format` lays a frame out; (height, width) of grey."""
        return self.buffers[self.index]

    def commit(self) -> FrameBytes:
        """The filled slot. The next `slot` is another one."""
        filled = self.slot
        self.index = (self.index + 1) % len(self.buffers)
        return filled
