"""The small Protocols that every device stands behind. Nothing here opens anything.

Each Protocol has a shipped fake, in `hw.fake` or beside the device; the same contract test runs on the fake and on
the real thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hw.overlay import NOTHING_OVER, Input, Overlay

GrayPicture = npt.NDArray[np.uint8]
"""Shape (height, width), C-contiguous, 8-bit grey, full range 0..255."""

ChromaPlanes = npt.NDArray[np.uint8]
"""Shape (2, rows, columns), C-contiguous: Cb and Cr, full range; NO_CHROMA is grey."""

NO_CHROMA = 128

MACROBLOCK = 16
"""Pixels, both ways: the grain in which an encoder spends its bits."""

BlockMask = npt.NDArray[np.bool_]
"""Macroblocks of a picture, shape (ceil(height / 16), ceil(width / 16)), C-contiguous."""

FinerBlocks = npt.NDArray[np.uint8]
"""Of each macroblock, by how many steps of the quantiser it is coded finer than the rest; shaped as a BlockMask."""

CAPTURE_FRAMES_KEPT = 6
"""A captured frame's pixels stay untouched until the device has delivered this many further frames."""


FrameBytes = npt.NDArray[np.uint8]
"""Shape (rows, bytes of a row), C-contiguous: a captured frame as its PixelFormat lays it out."""


class PixelFormat(StrEnum):
    """How the bytes of a captured frame are laid out; the words of FFmpeg and V4L2 where they agree."""

    GRAY8 = "gray8"
    BGR24 = "bgr24"
    BGRX = "bgrx"
    YUYV422 = "yuyv422"
    NV12 = "nv12"  # all luma rows, then half as many rows of chroma

    @property
    def pixel_bytes(self) -> int:
        """From one pixel's luma (or blue) to the next one's."""
        return {PixelFormat.BGR24: 3, PixelFormat.BGRX: 4, PixelFormat.YUYV422: 2}.get(self, 1)

    def frame_shape(self, width: int, height: int) -> tuple[int, int]:
        """(rows, bytes of a row). NV12 has whole rows of chroma: of an odd height one more."""
        rows = height + (height + 1) // 2 if self is PixelFormat.NV12 else height
        return rows, width * self.pixel_bytes


class ColourMatrix(StrEnum):
    """Which weights red, green and blue have in the luma of a colour source (ITU-R BT.601-7, BT.709-6)."""

    BT601 = "bt601"
    BT709 = "bt709"


class ValueRange(StrEnum):
    FULL = "full"
    LIMITED = "limited"  # black is 16, white is 235


class ChromaSampling(StrEnum):
    HALF = "4:2:0"  # half of the luma's rows and columns, rounded up
    FULL = "4:4:4"

    def plane_shape(self, luma_shape: tuple[int, ...]) -> tuple[int, int]:
        """Of each chroma plane."""
        height, width = luma_shape
        return (height, width) if self is ChromaSampling.FULL else ((height + 1) // 2, (width + 1) // 2)


@dataclass(frozen=True, slots=True)
class ColourCoding:
    """How the colour of a picture is written as numbers."""

    sampling: ChromaSampling
    matrix: ColourMatrix


@dataclass(frozen=True, slots=True, eq=False)
class ColourPicture:
    """A picture of a colour source. `luma` is the GrayPicture that it would be without its colour."""

    luma: GrayPicture
    chroma: ChromaPlanes
    coding: ColourCoding

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width), as that of a GrayPicture."""
        return self.luma.shape

    def copy(self) -> "ColourPicture":
        return ColourPicture(self.luma.copy(), self.chroma.copy(), self.coding)


Picture = GrayPicture | ColourPicture
"""What goes from the chain to the screens: grey as a rule. Who asks only for brightness takes `luma_of` it."""


def luma_of(picture: Picture) -> GrayPicture:
    return picture.luma if isinstance(picture, ColourPicture) else picture


def coding_of(picture: Picture) -> ColourCoding | None:
    """None: grey."""
    return picture.coding if isinstance(picture, ColourPicture) else None


@dataclass(frozen=True, slots=True)
class CaptureTiming:
    """What the source sends. `rate_hz` is the frame rate of the signal, not the rate of new X-ray images.

    Each frame of an interlaced source is two fields, woven row by row, the upper one first.
    """

    width: int
    height: int
    rate_hz: float
    pixel_format: PixelFormat
    matrix: ColourMatrix = ColourMatrix.BT709
    value_range: ValueRange = ValueRange.FULL
    is_interlaced: bool = False

    def __str__(self) -> str:
        return f"{self.width}x{self.height}{'i' if self.is_interlaced else 'p'}{self.rate_hz:g}"


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """One frame as the device delivered it; pixels as in CAPTURE_FRAMES_KEPT."""

    pixels: FrameBytes  # as the timing's pixel_format says; of gray8 it is a GrayPicture
    capture_ns: int  # monotonic time at which the frame was complete
    sequence: int  # counts frames of the signal, gaps are frames that the device lost


class CaptureDevice(Protocol):
    """A source of frames. Used by one thread; `close` may be called from any thread and ends a blocked `read`."""

    def open(self) -> CaptureTiming:
        """Open or reopen. Raises DeviceError with a reason that the operator understands ("no signal")."""
        ...

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """The next frame at its own time, or None when none came within `timeout_s`.

        Raises DeviceError when the signal or the device is lost; the caller closes and opens again.
        """
        ...

    def close(self) -> None:
        """Release the device. Harmless when it is not open."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """What an encoder is opened with. Only the bit rate can be changed while it runs."""

    width: int
    height: int
    image_rate_hz: float  # of distinct images, which is what the encoder is given
    bitrate_bps: int
    preset: str
    lossless: bool = False
    crf: float | None = None  # constant quality instead of the bit rate: for judging, not for a link
    colour: ColourCoding | None = None  # None: grey


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One access unit: H.264, Annex B byte stream."""

    data: bytes
    is_idr: bool


class Encoder(Protocol):
    """Pictures in, access units out, one for one and without delay. Used by one thread."""

    def open(self, settings: EncoderSettings) -> None:
        """Raises DeviceError when this encoder cannot be had here or does not take the settings."""
        ...

    def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
        """The access unit of `picture`, which is as the settings say. Raises DeviceError; the encoder must then be
        opened anew.

        `finer`: the blocks that get more than their share of the bits, as far as this encoder can.
        """
        ...

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Takes effect with the next picture."""
        ...

    def close(self) -> None:
        """Release the encoder. Harmless when it is not open."""
        ...


class Tone(StrEnum):
    """How loud a banner is; a display maps it to its own colours."""

    GOOD = "good"
    NOTICE = "notice"
    WARNING = "warning"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Banner:
    """The true state of the picture, ready to draw. It stands beside the picture, never over it."""

    tone: Tone
    state: str  # "LIVE", "HELD", "LINK STALLED", ...
    cause: str  # one line, may be empty
    age_ms: int | None  # age of the picture on the screen; None: there is no picture
    latency_ms: int | None  # measured glass-to-glass latency of that picture; None: not known
    latency_bound_ms: int | None  # +- bound of that measurement
    latency_tone: Tone


class Display(Protocol):
    """A place where pictures are seen. Used by one thread."""

    def open(self) -> None:
        """Raises DeviceError when the display cannot be had."""
        ...

    def show(self, picture: Picture | None, banner: Banner, *, is_new: bool, overlay: Overlay = NOTHING_OVER) -> None:
        """Show `picture` with `banner`; called for every new picture and at least every 50 ms besides.

        `overlay`: what is drawn over the picture, by displays that people look at.

        `is_new` is False when `picture` is the one shown before and only the banner moves on. The pixels may be
        reused by the caller after the call returns. None: no picture to show yet. Raises DeviceError.
        """
        ...

    def take_inputs(self) -> Sequence[Input]:
        """What people did on this display since the last call. Raises DeviceError."""
        ...

    def close(self) -> None:
        """Release the display. Harmless when it is not open."""
        ...
