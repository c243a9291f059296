"""One open Video4Linux2 device: questions and settings, each an ioctl or a few. No policy, no buffers.

Both of V4L2's APIs are spoken, for receivers on SoCs (Rockchip, i.MX) have the multi-planar one alone; of that the
formats in one plane.
"""

import ctypes
import errno
from collections.abc import Callable, Iterator
from ctypes import Structure
from dataclasses import dataclass
from typing import TypeVar

from hw.capture import v4l2_abi as abi
from hw.capture.v4l2_kernel import Kernel
from hw.capture.v4l2_timing import Colour
from hw.ports import PixelFormat

FOURCC = {
    PixelFormat.GRAY8: ("GREY",),
    PixelFormat.NV12: ("NV12",),
    PixelFormat.YUYV422: ("YUYV",),
    PixelFormat.BGR24: ("BGR3",),
    PixelFormat.BGRX: ("XR24", "AR24", "BGR4"),
}
"""By how little is to be done to get grey: the first that a device has is taken."""

FIELDS_BY_ONE = (abi.FIELD_TOP, abi.FIELD_BOTTOM, abi.FIELD_ALTERNATE)
"""A buffer holds one field."""

PIXEL_FORMATS = {abi.fourcc(text): pixel_format for pixel_format, texts in FOURCC.items() for text in texts}
HIGHEST_INDEX = 256  # of a driver's list: one that never ends must not hang us
EDID_BLOCK_BYTES = 128
NOT_THERE = (errno.ENOTTY, errno.EINVAL, errno.ENODATA)  # a driver does not have what an optional ioctl is about

T = TypeVar("T", bound=Structure)


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """How a driver lays its frames out; `lines` of a buffer, which holds one field where `field` says so."""

    width: int
    lines: int
    pixel_format: PixelFormat
    field: int
    row_bytes: int
    buffer_bytes: int
    colour: Colour

    @property
    def frame_bytes(self) -> int:
        """Of what a buffer holds, without anything after it."""
        return self.pixel_format.frame_shape(self.width, self.lines)[0] * self.row_bytes


class UnusableDeviceError(OSError):
    """The device works, but not for us; the text says why."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.ENOTSUP, why)


class V4l2Device:
    """Used by one thread. Every method raises OSError as the kernel does."""

    def __init__(self, kernel: Kernel, path: str) -> None:
        self._kernel = kernel
        self.fd = kernel.open(path)
        try:
            self.capability = self.call(abi.QUERYCAP, abi.Capability())
            self.is_multiplanar = self._is_multiplanar()
        except BaseException:
            kernel.close(self.fd)
            raise
        self.buffer_type = abi.BUF_TYPE_VIDEO_CAPTURE_MPLANE if self.is_multiplanar else abi.BUF_TYPE_VIDEO_CAPTURE

    def call(self, request: int, argument: T) -> T:
        self._kernel.ioctl(self.fd, request, argument)
        return argument

    def _listed(self, request: int, item: Callable[[int], T], ends: tuple[int, ...] = NOT_THERE) -> Iterator[T]:
        """What the driver answers for index 0, 1, 2, ... until it has no more."""
        for index in range(HIGHEST_INDEX):
            try:
                answer = self.call(request, item(index))
            except OSError as error:
                if error.errno in ends:
                    return
                raise
            yield answer

    def close(self) -> None:
        self._kernel.close(self.fd)

    def _is_multiplanar(self) -> bool:
        capability = self.capability
        able = capability.capabilities
        if able & abi.CAP_DEVICE_CAPS:  # of this node alone, not of the whole card
            able = capability.device_caps
        if not able & (abi.CAP_VIDEO_CAPTURE | abi.CAP_VIDEO_CAPTURE_MPLANE):
            raise OSError(errno.ENOTTY, "not a capture device")
        if not able & abi.CAP_STREAMING:
            raise UnusableDeviceError("its driver cannot stream")
        return not able & abi.CAP_VIDEO_CAPTURE

    # --- the input and its signal ---

    def input(self) -> abi.Input | None:
        """The input in use, with its status; None: the driver has no inputs to tell of."""
        try:
            number = self.call(abi.G_INPUT, abi.Index()).value
            return self.call(abi.ENUMINPUT, abi.Input(index=number))
        except OSError as error:
            if error.errno in NOT_THERE:
                return None
            raise

    def set_timings(self, timings: abi.DvTimings) -> None:
        self.call(abi.S_DV_TIMINGS, timings)

    def subscribe_source_change(self) -> bool:
        """False: the driver never tells."""
        try:
            self.call(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_SOURCE_CHANGE))
        except OSError as error:
            if error.errno in NOT_THERE:
                return False
            raise
        return True

    def has_source_changed(self) -> bool:
        """Whether the driver told so since the last call."""
        events = list(self._listed(abi.DQEVENT, lambda _: abi.Event(), (errno.ENOENT, errno.EAGAIN)))
        return any(event.type == abi.EVENT_SOURCE_CHANGE for event in events)

    def set_edid(self, edid: bytes) -> bool:
        """Whole blocks; the source then sees another display. False: it was this one already."""
        if self._edid() == edid:
            return False
        data = ctypes.create_string_buffer(edid, len(edid))
        blocks = len(edid) // EDID_BLOCK_BYTES
        self.call(abi.S_EDID, abi.Edid(blocks=blocks, edid=ctypes.addressof(data)))
        return True

    def _edid(self) -> bytes:
        data = ctypes.create_string_buffer(HIGHEST_INDEX * EDID_BLOCK_BYTES)
        try:
            reply = self.call(abi.G_EDID, abi.Edid(blocks=HIGHEST_INDEX, edid=ctypes.addressof(data)))
        except OSError as error:
            if error.errno == errno.ENODATA:  # none yet
                return b""
            raise
        return data.raw[: reply.blocks * EDID_BLOCK_BYTES]

    # --- formats ---

    def formats(self) -> Iterator[tuple[int, str]]:
        """Each format that the driver has: its four characters as a number, and its name."""
        for described in self._listed(abi.ENUM_FMT, lambda n: abi.FmtDesc(index=n, type=self.buffer_type)):
            yield described.pixelformat, described.description.decode("utf-8", "replace")

    def choose_format(self, wanted: PixelFormat | None) -> int:
        """The four characters of the least conversion, or of what is `wanted`. Raises UnusableDeviceError."""
        offered = {number for number, _ in self.formats()}
        for pixel_format in [wanted] if wanted else FOURCC:
            for text in FOURCC[pixel_format]:
                if abi.fourcc(text) in offered:
                    return abi.fourcc(text)
        names = ", ".join(sorted(fourcc_text(number) for number in offered)) or "nothing"
        raise UnusableDeviceError(f"its driver offers {names}, not {wanted or 'a format that is known here'}")

    def set_format(self, number: int, size: tuple[int, int] | None, field: int) -> FrameFormat:
        """The driver gives what is nearest; without `size` in the size that it has."""
        given = self._set_format(number, size, field)
        if size is not None and given.field in FIELDS_BY_ONE and given.lines != size[1] // 2:
            # The size of a format is a field's then, and a driver that scales would stretch it.
            given = self._set_format(number, (size[0], size[1] // 2), given.field)
        return given

    def _set_format(self, number: int, size: tuple[int, int] | None, field: int) -> FrameFormat:
        request = self.call(abi.G_FMT, abi.Format(type=self.buffer_type))
        part = request.fmt.pix_mp if self.is_multiplanar else request.fmt.pix
        if size is not None:
            part.width, part.height = size
        part.pixelformat, part.field = number, field
        # strides and colour are the driver's to say
        if self.is_multiplanar:
            part.num_planes = 1
            part.plane_fmt[0] = abi.PlanePixFormat()
        else:
            part.bytesperline = part.sizeimage = 0
            part.priv = abi.PIX_FMT_PRIV_MAGIC
        part.colorspace = part.ycbcr_enc = part.quantization = part.xfer_func = part.flags = 0
        self.call(abi.S_FMT, request)
        return self._frame_format(request)

    def _frame_format(self, reply: abi.Format) -> FrameFormat:
        part = reply.fmt.pix_mp if self.is_multiplanar else reply.fmt.pix
        pixel_format = PIXEL_FORMATS.get(part.pixelformat)
        if pixel_format is None or (self.is_multiplanar and part.num_planes != 1):
            raise UnusableDeviceError(f"its driver insists on the format {fourcc_text(part.pixelformat)}")
        plane = part.plane_fmt[0] if self.is_multiplanar else part
        row_bytes = pixel_format.frame_shape(part.width, part.height)[1]
        has_colour = self.is_multiplanar or part.priv == abi.PIX_FMT_PRIV_MAGIC
        colour = Colour(
            part.colorspace,
            part.ycbcr_enc if has_colour else abi.YCBCR_ENC_DEFAULT,
            part.quantization if has_colour else abi.QUANTIZATION_DEFAULT,
        )
        stride = plane.bytesperline or row_bytes
        layout = FrameFormat(part.width, part.height, pixel_format, part.field, stride, plane.sizeimage, colour)
        if not part.width * part.height or stride < row_bytes or plane.sizeimage < layout.frame_bytes:
            raise UnusableDeviceError(f"its driver's {plane.sizeimage} bytes cannot hold {part.width}x{part.height}")
        return layout

    def sizes(self, number: int) -> Iterator[tuple[int, int]]:
        """The sizes of a format; of a driver that scales freely the largest."""
        for size in self._listed(abi.ENUM_FRAMESIZES, lambda n: abi.FrmSizeEnum(index=n, pixel_format=number)):
            if size.type != abi.FRMSIZE_TYPE_DISCRETE:
                yield size.u.stepwise.max_width, size.u.stepwise.max_height
                return
            yield size.u.discrete.width, size.u.discrete.height

    # --- rate ---

    def set_rate(self, rate_hz: float | None) -> float | None:
        """The frame rate that the driver gives, asked for or not; None: it does not say."""
        parameters = abi.StreamParm(type=self.buffer_type)
        try:
            self.call(abi.G_PARM, parameters)
            if rate_hz is not None and parameters.parm.capture.capability & abi.CAP_TIMEPERFRAME:
                parameters.parm.capture.timeperframe = abi.Fract(1000, round(1000 * rate_hz))
                self.call(abi.S_PARM, parameters)
        except OSError as error:
            if error.errno in NOT_THERE:
                return None
            raise
        interval = parameters.parm.capture.timeperframe
        return interval.denominator / interval.numerator if interval.numerator and interval.denominator else None


def fourcc_text(number: int) -> str:
    """As people write it, for example YUYV."""
    characters = (number & 0x7FFF_FFFF).to_bytes(4, "little")
    return "".join(chr(byte) if 0x20 < byte < 0x7F else "?" for byte in characters)
