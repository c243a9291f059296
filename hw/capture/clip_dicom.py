"""DICOM files: multi-frame X-ray angiography (XA) and radiofluoroscopy (XRF), also with one frame alone.

Frames are read from the file and decoded one by one. 8-bit pixels are shown as they are; deeper ones go through the
linear window of DICOM PS3.3 C.11.2.1.2.1, or without one through the whole stored range. MONOCHROME1 is inverted.
"""

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels import iter_pixels

from hw.capture.pacing import SECOND_NS
from hw.capture.ring import FrameRing
from hw.errors import DeviceAddressError, DeviceError
from hw.ports import CaptureTiming, PixelFormat

DEFAULT_RATE_HZ = 15.0  # of a still, and of a file that does not say
MONOCHROME = ("MONOCHROME1", "MONOCHROME2")

GrayTable = npt.NDArray[np.uint8]


class DicomClip:
    """The frames of the DICOM file at `path`. Raises DeviceAddressError when they are none that can be shown."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            width, height = int(header.Columns), int(header.Rows)
            colours, bits = str(header.PhotometricInterpretation), int(header.BitsAllocated)
            if colours not in MONOCHROME or bits not in (8, 16):
                raise DeviceAddressError(
                    f"{path!r} has {colours} pixels of {bits} bits", "8 or 16 bits of grey are accepted"
                )
            self.timing = CaptureTiming(width, height, rate_hz(header), PixelFormat.GRAY8)
            self._table = gray_table(header)
        except (InvalidDicomError, AttributeError, TypeError, ValueError, EOFError) as error:
            raise DeviceAddressError(f"{path!r} has no DICOM pictures ({error})", "give a DICOM XA file") from error

    def play(self, ring: FrameRing) -> Generator[int, None, int]:
        count = 0
        try:
            for stored in iter_pixels(self._path):
                levels = stored.view(np.uint8 if stored.itemsize == 1 else np.uint16)
                np.take(self._table, levels, out=ring.slot, mode="clip")
                yield round(count * SECOND_NS / self.timing.rate_hz)
                count += 1
        except Exception as error:  # the decoders behind pydicom raise whatever they like
            raise DeviceError(f"{self._path!r} cannot be played on ({error})", "check the file") from error
        return count


def rate_hz(header: Any) -> float:
    """Images a second by FrameTime (0018,1063), CineRate (0018,0040) or RecommendedDisplayFrameRate (0008,2144)."""
    frame_time_ms = float(header.get("FrameTime") or 0)
    if frame_time_ms > 0:
        return 1000 / frame_time_ms
    return float(header.get("CineRate") or header.get("RecommendedDisplayFrameRate") or DEFAULT_RATE_HZ)


def gray_table(header: Any) -> GrayTable:
    """The grey level of each stored value, indexed by its unsigned bits; shape (2 ** BitsAllocated,)."""
    bits = int(header.BitsAllocated)
    stored = np.arange(1 << bits, dtype=np.uint8 if bits == 8 else np.uint16)
    signed = int(header.get("PixelRepresentation") or 0) == 1
    if int(header.BitsStored) == 8 and not signed:
        table = np.minimum(stored, 255).astype(np.uint8)
    else:
        signed_type = np.int8 if bits == 8 else np.int16
        low, high = _window(header, signed=signed)
        values = _rescaled(header, (stored.view(signed_type) if signed else stored).astype(np.float64))
        table = np.rint(np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
    return 255 - table if header.PhotometricInterpretation == "MONOCHROME1" else table


def _window(header: Any, *, signed: bool) -> tuple[float, float]:
    """The rescaled values that become 0 and 255."""
    centers, widths = header.get("WindowCenter"), header.get("WindowWidth")
    if centers is not None and widths is not None:
        # the first of several windows is the one to begin with
        center, width = (float(np.atleast_1d(numbers)[0]) for numbers in (centers, widths))
        return center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    levels = 1 << int(header.BitsStored)
    lowest = -levels // 2 if signed else 0
    low, high = sorted(_rescaled(header, np.array([lowest, lowest + levels - 1], np.float64)))
    return float(low), float(high)


def _rescaled(header: Any, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    return values * float(1 if slope is None else slope) + float(0 if intercept is None else intercept)
