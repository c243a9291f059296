"""What a source's signal is, from what its driver says: native timings, trouble in words, colour.

The trouble's words are what both ends read beside CAPTURE LOST, so they stand alone: "no signal", "unplugged".
"""

import errno
from dataclasses import dataclass

from hw.capture import v4l2_abi as abi
from hw.errors import DeviceError
from hw.ports import ColourMatrix, PixelFormat, ValueRange

SAME_RATE = 0.005  # pixel clocks are measured: two readings of one signal differ by less than this

NO_SIGNAL = ("no signal", "check the cable and the source")
NOT_LOCKED = ("signal not stable", "check the cable; the source may be changing its resolution")

INPUT_TROUBLE = (
    (abi.IN_ST_NO_POWER, ("source has no power", "switch it on")),
    (abi.IN_ST_NO_SIGNAL | abi.IN_ST_NO_CARRIER, NO_SIGNAL),
    (abi.IN_ST_NO_SYNC | abi.IN_ST_NO_H_LOCK | abi.IN_ST_NO_V_LOCK | abi.IN_ST_NO_STD_LOCK, NOT_LOCKED),
)
"""Bits of an input's status, the gravest first."""

OUT_OF_RANGE_REMEDY = "set the source to a resolution and rate that the capture card takes"


def input_trouble(status: int) -> DeviceError | None:
    """What the input's status (struct v4l2_input) says is wrong."""
    return next((DeviceError(*words) for bits, words in INPUT_TROUBLE if status & bits), None)


@dataclass(frozen=True, slots=True)
class SourceTimings:
    """The signal as the receiver chip measured it; `rate_hz` of whole frames, also when they come as two fields."""

    width: int
    height: int
    rate_hz: float
    is_interlaced: bool

    def __str__(self) -> str:
        return f"{self.width}x{self.height}{'i' if self.is_interlaced else 'p'}{self.rate_hz:.4g}"

    def is_same(self, other: "SourceTimings | None") -> bool:
        return (
            other is not None
            and (self.width, self.height, self.is_interlaced) == (other.width, other.height, other.is_interlaced)
            and abs(self.rate_hz - other.rate_hz) <= SAME_RATE * self.rate_hz
        )


def source_timings(timings: abi.DvTimings) -> SourceTimings | None:
    """None: they say nothing. The frame rate as V4L2_DV_BT_FRAME_WIDTH and _HEIGHT give it."""
    bt = timings.u.bt
    if timings.type != abi.DV_BT_656_1120 or not bt.width or not bt.height:
        return None
    line_pixels = bt.width + bt.hfrontporch + bt.hsync + bt.hbackporch
    lines = bt.height + bt.vfrontporch + bt.vsync + bt.vbackporch
    if bt.interlaced:
        lines += bt.il_vfrontporch + bt.il_vsync + bt.il_vbackporch
    rate_hz = bt.pixelclock / (line_pixels * lines)
    if bt.flags & abi.DV_FL_REDUCED_FPS:
        rate_hz *= 1000 / 1001
    return SourceTimings(bt.width, bt.height, round(rate_hz, 3), bool(bt.interlaced))


def out_of_range(timings: SourceTimings | None) -> DeviceError:
    return DeviceError(f"signal out of range{f' {timings}' if timings else ''}", OUT_OF_RANGE_REMEDY)


def timings_trouble(error: OSError, timings: SourceTimings | None) -> DeviceError | None:
    """What an error of QUERY_DV_TIMINGS says of the signal (its manual page); None: it is about the device."""
    match error.errno:
        case errno.ENOLINK:
            return DeviceError(*NO_SIGNAL)
        case errno.ENOLCK:
            return DeviceError(*NOT_LOCKED)
        case errno.ERANGE:
            return out_of_range(timings)
    return None


CAUSES = {
    errno.ENOENT: ("unplugged: {path} is not there", "plug the capture device in, or correct the path"),
    errno.ENXIO: ("unplugged: {path} is not there", "plug the capture device in, or correct the path"),
    errno.ENODEV: ("unplugged: {path} is gone", "plug the capture device in again"),
    errno.EACCES: ("{path} may not be opened", "let cathlink's user into the group 'video'"),
    errno.EPERM: ("{path} may not be opened", "let cathlink's user into the group 'video'"),
    errno.EBUSY: ("{path} is in use", "end the other program that captures from it"),
    errno.ENOTTY: ("{path} is not a capture device", "give one such as /dev/video0"),
    errno.EISDIR: ("{path} is not a capture device", "give one such as /dev/video0"),
    errno.ENOTSUP: ("{path} cannot be used: {error}", "take another capture device"),
    errno.EINVAL: ("{path} does not take these settings", "leave out size, rate and format, or give others"),
}


def device_trouble(path: str, error: OSError) -> DeviceError:
    """What an error of the device itself means for a person."""
    about_signal = timings_trouble(error, None)
    if about_signal is not None:
        return about_signal
    problem, remedy = CAUSES.get(error.errno or 0, ("{path} fails ({error})", ""))
    return DeviceError(problem.format(path=path, error=error.strerror or error), remedy)


# --- colour ---

MATRICES_709 = (abi.COLORSPACE_REC709, abi.COLORSPACE_DCI_P3)


@dataclass(frozen=True, slots=True)
class Colour:
    """The colour fields of a format that the driver agreed to."""

    colorspace: int
    ycbcr_enc: int
    quantization: int

    def matrix(self) -> ColourMatrix:
        """V4L2_MAP_YCBCR_ENC_DEFAULT; SMPTE 240M is nearer to BT.709 than to BT.601."""
        encoding = self.ycbcr_enc
        if encoding == abi.YCBCR_ENC_DEFAULT:
            is_709 = self.colorspace in (*MATRICES_709, abi.COLORSPACE_SMPTE240M)
        else:
            is_709 = encoding in (abi.YCBCR_ENC_709, abi.YCBCR_ENC_XV709, abi.YCBCR_ENC_SMPTE240M)
        return ColourMatrix.BT709 if is_709 else ColourMatrix.BT601

    def value_range(self, pixel_format: PixelFormat) -> ValueRange:
        """V4L2_MAP_QUANTIZATION_DEFAULT: of YCbCr limited but of JPEG full, as of RGB; of grey as vivid."""
        if self.quantization == abi.QUANTIZATION_DEFAULT:
            is_ycbcr = pixel_format in (PixelFormat.YUYV422, PixelFormat.NV12)
            is_full = not is_ycbcr or self.colorspace == abi.COLORSPACE_JPEG
        else:
            is_full = self.quantization == abi.QUANTIZATION_FULL_RANGE
        return ValueRange.FULL if is_full else ValueRange.LIMITED
