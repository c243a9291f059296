"""From a decoded video frame of whatever format to 8-bit grey, full range."""

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from hw.errors import DeviceError
from hw.ports import GrayPicture


class GrayConverter:
    """Writes the luma of a frame into a picture: grey and full-range luma unchanged, 16..235 stretched to 0..255."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def write(self, frame: VideoFrame, picture: GrayPicture) -> None:
        """Raises DeviceError when the frame has another size than `picture`, shape (height, width)."""
        height, width = picture.shape
        if (frame.width, frame.height) != (width, height):
            raise DeviceError(f"the picture size changed from {width}x{height} to {frame.width}x{frame.height}")
        gray = self._reformatter.reformat(frame, format="gray", threads=1)  # libswscale's grey is always full range
        plane = gray.planes[0]
        picture[:] = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :width]
