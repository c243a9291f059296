"""The pixels of a PyAV video frame as arrays, not copied."""

import numpy as np
from av.video.frame import VideoFrame

from hw.ports import FrameBytes


def plane_pixels(frame: VideoFrame, number: int) -> FrameBytes:
    """Plane `number` of a format with one byte a sample, shape (height, width) of that plane."""
    plane = frame.planes[number]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
