"""The part of Video4Linux2's kernel interface that we use: linux/videodev2.h and linux/v4l2-common.h, to the byte.

Names are the header's without their prefix; `tests/hw/test_capture_v4l2_abi.py` compares each layout and request number
with what the C compiler makes of the header.
"""

from ctypes import Structure, Union, addressof, c_char, c_int32, c_long, c_ulong, sizeof
from ctypes import c_uint8 as u8
from ctypes import c_uint16 as u16
from ctypes import c_uint32 as u32
from ctypes import c_uint64 as u64

# capabilities
CAP_VIDEO_CAPTURE = 0x00000001
CAP_VIDEO_CAPTURE_MPLANE = 0x00001000
CAP_STREAMING = 0x04000000
CAP_DEVICE_CAPS = 0x80000000

# buffers
BUF_TYPE_VIDEO_CAPTURE = 1
BUF_TYPE_VIDEO_CAPTURE_MPLANE = 9
MEMORY_MMAP = 1
BUF_FLAG_ERROR = 0x0040
BUF_FLAG_TIMESTAMP_MASK = 0xE000
BUF_FLAG_TIMESTAMP_MONOTONIC = 0x2000
BUF_FLAG_TSTAMP_SRC_MASK = 0x70000
BUF_FLAG_TSTAMP_SRC_SOE = 0x10000

# inputs
IN_ST_NO_POWER = 0x00000001
IN_ST_NO_SIGNAL = 0x00000002
IN_ST_NO_H_LOCK = 0x00000100
IN_ST_NO_V_LOCK = 0x00000400
IN_ST_NO_STD_LOCK = 0x00000800
IN_ST_NO_SYNC = 0x00010000
IN_ST_NO_CARRIER = 0x00040000
IN_CAP_DV_TIMINGS = 0x00000002

# timings
DV_BT_656_1120 = 0
DV_FL_REDUCED_FPS = 1 << 2

# events
EVENT_SOURCE_CHANGE = 5

# fields
FIELD_ANY = 0
FIELD_NONE = 1
FIELD_TOP = 2
FIELD_BOTTOM = 3
FIELD_INTERLACED = 4
FIELD_SEQ_TB = 5
FIELD_SEQ_BT = 6
FIELD_ALTERNATE = 7
FIELD_INTERLACED_TB = 8
FIELD_INTERLACED_BT = 9

# colour
COLORSPACE_SMPTE240M = 2
COLORSPACE_REC709 = 3
COLORSPACE_JPEG = 7
COLORSPACE_DCI_P3 = 12
YCBCR_ENC_DEFAULT = 0
YCBCR_ENC_709 = 2
YCBCR_ENC_XV709 = 4
YCBCR_ENC_SMPTE240M = 8
QUANTIZATION_DEFAULT = 0
QUANTIZATION_FULL_RANGE = 1
PIX_FMT_PRIV_MAGIC = 0xFEEDCAFE  # in `priv`: the fields after it mean something

CAP_TIMEPERFRAME = 0x1000

FRMSIZE_TYPE_DISCRETE = 1


class Capability(Structure):
    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", u32),
        ("capabilities", u32),
        ("device_caps", u32),
        ("reserved", u32 * 3),
    )


class FmtDesc(Structure):
    _fields_ = (
        ("index", u32),
        ("type", u32),
        ("flags", u32),
        ("description", c_char * 32),
        ("pixelformat", u32),
        ("mbus_code", u32),
        ("reserved", u32 * 3),
    )


class PixFormat(Structure):
    _fields_ = (
        ("width", u32),
        ("height", u32),
        ("pixelformat", u32),
        ("field", u32),
        ("bytesperline", u32),
        ("sizeimage", u32),
        ("colorspace", u32),
        ("priv", u32),
        ("flags", u32),
        ("ycbcr_enc", u32),
        ("quantization", u32),
        ("xfer_func", u32),
    )


class PlanePixFormat(Structure):
    _pack_ = 1
    _fields_ = (("sizeimage", u32), ("bytesperline", u32), ("reserved", u16 * 6))


class PixFormatMplane(Structure):
    _pack_ = 1
    _fields_ = (
        ("width", u32),
        ("height", u32),
        ("pixelformat", u32),
        ("field", u32),
        ("colorspace", u32),
        ("plane_fmt", PlanePixFormat * 8),
        ("num_planes", u8),
        ("flags", u8),
        ("ycbcr_enc", u8),
        ("quantization", u8),
        ("xfer_func", u8),
        ("reserved", u8 * 7),
    )


class _FormatUnion(Union):
    # the alignment is that of a member we do not use, struct v4l2_window, which has pointers
    _fields_ = (("pix", PixFormat), ("pix_mp", PixFormatMplane), ("raw_data", u8 * 200), ("_aligned", c_ulong))


class Format(Structure):
    _fields_ = (("type", u32), ("fmt", _FormatUnion))


class RequestBuffers(Structure):
    _fields_ = (
        ("count", u32),
        ("type", u32),
        ("memory", u32),
        ("capabilities", u32),
        ("flags", u8),
        ("reserved", u8 * 3),
    )


class _PlaneMemory(Union):
    _fields_ = (("mem_offset", u32), ("userptr", c_ulong), ("fd", c_int32))


class Plane(Structure):
    _fields_ = (
        ("bytesused", u32),
        ("length", u32),
        ("m", _PlaneMemory),
        ("data_offset", u32),
        ("reserved", u32 * 11),
    )


class TimeVal(Structure):
    _fields_ = (("tv_sec", c_long), ("tv_usec", c_long))


class TimeCode(Structure):
    _fields_ = (
        ("type", u32),
        ("flags", u32),
        ("frames", u8),
        ("seconds", u8),
        ("minutes", u8),
        ("hours", u8),
        ("userbits", u8 * 4),
    )


class _BufferMemory(Union):
    _fields_ = (("offset", u32), ("userptr", c_ulong), ("planes", c_ulong), ("fd", c_int32))


class Buffer(Structure):
    _fields_ = (
        ("index", u32),
        ("type", u32),
        ("bytesused", u32),
        ("flags", u32),
        ("field", u32),
        ("timestamp", TimeVal),
        ("timecode", TimeCode),
        ("sequence", u32),
        ("memory", u32),
        ("m", _BufferMemory),
        ("length", u32),
        ("reserved2", u32),
        ("request_fd", c_int32),
    )

    def point_to(self, plane: Plane) -> None:
        """Of a multi-planar device: its one plane, which must live as long as this buffer."""
        self.m.planes, self.length = addressof(plane), 1


class Fract(Structure):
    _fields_ = (("numerator", u32), ("denominator", u32))


class CaptureParm(Structure):
    _fields_ = (
        ("capability", u32),
        ("capturemode", u32),
        ("timeperframe", Fract),
        ("extendedmode", u32),
        ("readbuffers", u32),
        ("reserved", u32 * 4),
    )


class _ParmUnion(Union):
    _fields_ = (("capture", CaptureParm), ("raw_data", u8 * 200))


class StreamParm(Structure):
    _fields_ = (("type", u32), ("parm", _ParmUnion))


class Input(Structure):
    _fields_ = (
        ("index", u32),
        ("name", c_char * 32),
        ("type", u32),
        ("audioset", u32),
        ("tuner", u32),
        ("std", u64),
        ("status", u32),
        ("capabilities", u32),
        ("reserved", u32 * 3),
    )


class Index(Structure):
    """A plain int, of G_INPUT and STREAMON."""

    _fields_ = (("value", c_int32),)


class BtTimings(Structure):
    _pack_ = 1
    _fields_ = (
        ("width", u32),
        ("height", u32),
        ("interlaced", u32),
        ("polarities", u32),
        ("pixelclock", u64),
        ("hfrontporch", u32),
        ("hsync", u32),
        ("hbackporch", u32),
        ("vfrontporch", u32),
        ("vsync", u32),
        ("vbackporch", u32),
        ("il_vfrontporch", u32),
        ("il_vsync", u32),
        ("il_vbackporch", u32),
        ("standards", u32),
        ("flags", u32),
        ("picture_aspect", Fract),
        ("cea861_vic", u8),
        ("hdmi_vic", u8),
        ("reserved", u8 * 46),
    )


class _TimingsUnion(Union):
    _pack_ = 1
    _fields_ = (("bt", BtTimings), ("reserved", u32 * 32))


class DvTimings(Structure):
    _pack_ = 1
    _fields_ = (("type", u32), ("u", _TimingsUnion))


class EventSubscription(Structure):
    _fields_ = (("type", u32), ("id", u32), ("flags", u32), ("reserved", u32 * 5))


class TimeSpec(Structure):
    _fields_ = (("tv_sec", c_long), ("tv_nsec", c_long))


class _EventUnion(Union):
    _fields_ = (("changes", u32), ("data", u8 * 64), ("_aligned", u64))


class Event(Structure):
    _fields_ = (
        ("type", u32),
        ("u", _EventUnion),
        ("pending", u32),
        ("sequence", u32),
        ("timestamp", TimeSpec),
        ("id", u32),
        ("reserved", u32 * 8),
    )


class FrmSizeStepwise(Structure):
    _fields_ = (
        ("min_width", u32),
        ("max_width", u32),
        ("step_width", u32),
        ("min_height", u32),
        ("max_height", u32),
        ("step_height", u32),
    )


class FrmSizeDiscrete(Structure):
    _fields_ = (("width", u32), ("height", u32))


class _FrmSizeUnion(Union):
    _fields_ = (("discrete", FrmSizeDiscrete), ("stepwise", FrmSizeStepwise))


class FrmSizeEnum(Structure):
    _fields_ = (
        ("index", u32),
        ("pixel_format", u32),
        ("type", u32),
        ("u", _FrmSizeUnion),
        ("reserved", u32 * 2),
    )


class Edid(Structure):
    _fields_ = (
        ("pad", u32),
        ("start_block", u32),
        ("blocks", u32),
        ("reserved", u32 * 5),
        ("edid", c_ulong),
    )


def _request(direction: int, number: int, argument: type[Structure]) -> int:
    """asm-generic/ioctl.h: direction, size, type 'V', number."""
    return direction << 30 | sizeof(argument) << 16 | ord("V") << 8 | number


_WRITE, _READ, _BOTH = 1, 2, 3  # as the caller sees it

QUERYCAP = _request(_READ, 0, Capability)
ENUM_FMT = _request(_BOTH, 2, FmtDesc)
G_FMT = _request(_BOTH, 4, Format)
S_FMT = _request(_BOTH, 5, Format)
REQBUFS = _request(_BOTH, 8, RequestBuffers)
QUERYBUF = _request(_BOTH, 9, Buffer)
QBUF = _request(_BOTH, 15, Buffer)
DQBUF = _request(_BOTH, 17, Buffer)
STREAMON = _request(_WRITE, 18, Index)
STREAMOFF = _request(_WRITE, 19, Index)
G_PARM = _request(_BOTH, 21, StreamParm)
S_PARM = _request(_BOTH, 22, StreamParm)
ENUMINPUT = _request(_BOTH, 26, Input)
G_INPUT = _request(_READ, 38, Index)
G_EDID = _request(_BOTH, 40, Edid)
S_EDID = _request(_BOTH, 41, Edid)
ENUM_FRAMESIZES = _request(_BOTH, 74, FrmSizeEnum)
S_DV_TIMINGS = _request(_BOTH, 87, DvTimings)
DQEVENT = _request(_READ, 89, Event)
SUBSCRIBE_EVENT = _request(_WRITE, 90, EventSubscription)
QUERY_DV_TIMINGS = _request(_READ, 99, DvTimings)


def fourcc(text: str) -> int:
    """The number of a pixel format's four characters."""
    return int.from_bytes(text.encode("ascii"), "little")
