"""The buffers that frames and pictures are written into, allocated once."""

import numpy as np
import numpy.typing as npt

from hw.ports import CAPTURE_FRAMES_KEPT, PixelFormat

Bytes = npt.NDArray[np.uint8]


class ArrayRing:
    """`slot` is the buffer to fill; `commit` delivers it and moves on to the oldest one.

    With one buffer more than CAPTURE_FRAMES_KEPT the promise on a frame's pixels holds, as long as every committed slot
    is delivered at least once.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.buffers = [np.empty(shape, np.uint8) for _ in range(CAPTURE_FRAMES_KEPT + 1)]
        for buffer in self.buffers:
            buffer.fill(0)  # the pages are had now, not in the middle of the first frames
        self.index = 0

    @property
    def slot(self) -> Bytes:
        return self.buffers[self.index]

    def commit(self) -> Bytes:
        """The filled slot. The next `slot` is another one."""
        filled = self.slot
        self.index = (self.index + 1) % len(self.buffers)
        return filled


class FrameRing(ArrayRing):
    """Of frames as `pixel_format` lays them out; of grey ones the shape is (height, width)."""

    def __init__(self, width: int, height: int, pixel_format: PixelFormat = PixelFormat.GRAY8) -> None:
        super().__init__(pixel_format.frame_shape(width, height))
