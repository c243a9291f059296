"""One frame of a source, as grey, whole and unmasked: it goes to the engineer's own screen alone."""

import time

import numpy as np

from daemon.picture.area import Area
from daemon.picture.convert import GrayConverter
from hw.errors import DeviceError
from hw.ports import CaptureDevice, GrayPicture

FIRST_FRAME_LIMIT_S = 5.0
READ_TIMEOUT_S = 0.2


class FrameGrabber:
    """Opens the device for each frame, so that it is free in between."""

    def __init__(self, device: CaptureDevice) -> None:
        self._device = device

    def grab(self) -> GrayPicture:
        """The first frame that comes. Raises DeviceError."""
        timing = self._device.open()
        try:
            deadline = time.monotonic() + FIRST_FRAME_LIMIT_S
            while (frame := self._device.read(READ_TIMEOUT_S)) is None:
                if time.monotonic() > deadline:
                    raise DeviceError(f"no frame from the source within {FIRST_FRAME_LIMIT_S:g} s", "check its signal")
            picture = np.empty((timing.height, timing.width), np.uint8)
            GrayConverter(timing, Area.of(picture)).write(frame.pixels, picture)
        finally:
            self._device.close()
        return picture
