"""What `file:` plays: a clip of either kind (`clip_video`, `clip_dicom`) gives its pictures pass by pass."""

from collections.abc import Generator
from typing import Protocol

from hw.capture.ring import FrameRing
from hw.ports import CaptureTiming


class Clip(Protocol):
    """A clip that was found good. It holds no file open between passes."""

    timing: CaptureTiming  # its rate is 0 when the clip does not say

    def play(self, ring: FrameRing) -> Generator[int, None, int]:
        """One pass from the first picture to the last: each step fills `ring.slot` and gives the picture's time.

        The time is in nanoseconds from the clip's first picture. Returns the number of pictures. Raises DeviceError.
        """
        ...


PREAMBLE_BYTES = 128
DICOM_MARK = b"DICM"


def is_dicom(path: str) -> bool:
    """Whether the file has the mark of DICOM PS3.10 section 7.1. Raises OSError."""
    with open(path, "rb") as file:
        file.seek(PREAMBLE_BYTES)
        return file.read(len(DICOM_MARK)) == DICOM_MARK
