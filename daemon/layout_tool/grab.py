"""Frames of a source, as grey, whole and unmasked: they go to the engineer's own screen alone."""

import time

import numpy as np

from daemon.picture.area import Area
from daemon.picture.convert import GrayConverter
from hw.errors import DeviceError
from hw.ports import CaptureDevice, CapturedFrame, GrayPicture

NEXT_FRAME_LIMIT_S = 5.0
READ_TIMEOUT_S = 0.2


class FrameGrabber:
    """Opens the device for each grab, so that it is free in between."""

    def __init__(self, device: CaptureDevice) -> None:
        self._device = device

    def grab(self, count: int = 1, apart: int = 1) -> list[GrayPicture]:
        """The first frames that come, `apart` frames from each other. Raises DeviceError."""
        timing = self._device.open()
        try:
            converter = GrayConverter(timing, Area(0, 0, timing.width, timing.height))
            pictures = []
            for number in range((count - 1) * apart + 1):
                frame = self._next_frame()
                if number % apart == 0:
                    picture = np.empty((timing.height, timing.width), np.uint8)
                    converter.write(frame.pixels, picture)
                    pictures.append(picture)
        finally:
            self._device.close()
        return pictures

    def _next_frame(self) -> CapturedFrame:
        deadline = time.monotonic() + NEXT_FRAME_LIMIT_S
        while (frame := self._device.read(READ_TIMEOUT_S)) is None:
            if time.monotonic() > deadline:
                raise DeviceError(f"no frame from the source within {NEXT_FRAME_LIMIT_S:g} s", "check its signal")
        return frame
