"""A hardware encoder of libavcodec behind `hw.ports.Encoder`.

Grey goes as NV12 with neutral chroma, and is tagged as full range: by the encoder where it can, and in the sequence
parameter set that leaves here in any case (bitstream filter `h264_metadata`), for drivers forget it. Memory is the
system's, with no hwaccel object: the encoders upload by themselves. Each IDR carries the parameter sets, also of a
driver that gives them once.
"""

from fractions import Fraction

import av
import av.error
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from hw.encoders.access_unit import read_access_unit
from hw.encoders.pixels import FULL_RANGE
from hw.encoders.table import Accelerator
from hw.encoders.x264 import NEVER, RATE_BUFFER_IMAGES
from hw.errors import DeviceError
from hw.ports import EncodedPicture, EncoderSettings, FinerBlocks, GrayPicture, Picture, luma_of

NEUTRAL_CHROMA = 128
PIXEL_FORMAT = "nv12"
REOPEN_RATE_FACTOR = 1.25  # of one whose bit rate is fixed: a smaller change is not worth an IDR
LONGEST_GOP = 1 << 16  # drivers keep it in 16 bits (mfxInfoMFX.GopPicSize); the link asks for IDRs long before


def unfit(settings: EncoderSettings) -> str:
    """Why no hardware encoder is for these settings; empty: they may be."""
    if settings.lossless or settings.crf is not None:
        return "exact pictures and constant quality are libx264's"
    if settings.colour is not None:
        return "colour pictures are libx264's"
    if settings.width % 2 or settings.height % 2:
        return f"a picture of {settings.width}x{settings.height} has an odd size"
    return ""


class AcceleratedEncoder:
    """`accelerator.name` as libavcodec has it. `encode` may hang as its driver does: see `hw.encoders.watched`."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._context: VideoCodecContext | None = None
        self._settings: EncoderSettings | None = None
        self._range_tag: BitStreamFilterContext | None = None
        self._parameter_sets = b""
        self._bitrate_bps = 0
        self._next_pts = 0

    @property
    def name(self) -> str:
        return self._accelerator.name

    def open(self, settings: EncoderSettings) -> None:
        if reason := unfit(settings):
            raise DeviceError(f"{self.name} is not for this picture: {reason}")
        self.close()
        self._open(settings, settings.bitrate_bps)

    def _open(self, settings: EncoderSettings, bitrate_bps: int) -> None:
        rate = Fraction(settings.image_rate_hz).limit_denominator(1001)
        try:
            context = av.CodecContext.create(self.name, "w")
            assert isinstance(context, VideoCodecContext)
            context.width, context.height, context.pix_fmt = settings.width, settings.height, PIXEL_FORMAT
            context.framerate, context.time_base = rate, 1 / rate
            context.color_range = FULL_RANGE
            context.bit_rate = bitrate_bps
            context.gop_size = min(NEVER, LONGEST_GOP)
            context.max_b_frames = 0
            context.options = {
                "maxrate": str(bitrate_bps),
                "bufsize": str(int(bitrate_bps / settings.image_rate_hz * RATE_BUFFER_IMAGES)),
                **self._accelerator.options,
            }
            context.open()
        except (av.error.FFmpegError, av.codec.codec.UnknownCodecError, ValueError) as error:
            raise DeviceError(f"{self.name} does not open ({_words(error)})") from error
        self._context, self._settings, self._bitrate_bps = context, settings, bitrate_bps
        self._range_tag = BitStreamFilterContext("h264_metadata=video_full_range_flag=1", "h264")
        self._parameter_sets = b""
        self._next_pts = 0

    def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
        """`finer` is left out: no driver takes it alike."""
        context = self._context
        if context is None:
            raise DeviceError(f"{self.name} is not open")
        frame = _nv12(luma_of(picture))
        frame.pts, frame.time_base, frame.color_range = self._next_pts, context.time_base, FULL_RANGE
        frame.pict_type = PictureType.I if force_idr else PictureType.NONE
        self._next_pts += 1
        try:
            packets = context.encode(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise DeviceError(f"{self.name} failed on an image ({_words(error)})") from error
        if len(packets) != 1:
            raise DeviceError(f"{self.name} gave {len(packets)} access units for one image")
        return self._finished(bytes(packets[0]))

    def _finished(self, data: bytes) -> EncodedPicture:
        """Tagged as full range, and with parameter sets if it is an IDR."""
        head = read_access_unit(data)
        if not head.is_idr:
            return EncodedPicture(data, is_idr=False)
        if not head.parameter_sets:
            data = (self._parameter_sets or _extradata(self._context)) + data
        assert self._range_tag is not None
        try:
            data = b"".join(bytes(tagged) for tagged in self._range_tag.filter(av.Packet(data)))
        except (av.error.FFmpegError, ValueError) as error:
            raise DeviceError(f"{self.name} gave an IDR that cannot be read ({error})") from error
        self._parameter_sets = read_access_unit(data).parameter_sets
        if not self._parameter_sets:
            raise DeviceError(f"{self.name} gave an IDR without parameter sets")
        return EncodedPicture(data, is_idr=True)

    def set_bitrate(self, bitrate_bps: int) -> None:
        if self._context is None or self._settings is None:
            return
        if self._accelerator.changes_rate_live:
            self._context.bit_rate = bitrate_bps
        elif not 1 / REOPEN_RATE_FACTOR < bitrate_bps / self._bitrate_bps < REOPEN_RATE_FACTOR:
            self._open(self._settings, bitrate_bps)

    def close(self) -> None:
        self._context = None
        self._range_tag = None


def _nv12(picture: GrayPicture) -> VideoFrame:
    """A frame of its own each time: a driver may still read the one before."""
    height, width = picture.shape
    frame = VideoFrame(width, height, PIXEL_FORMAT)
    luma, chroma = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        for plane in frame.planes
    )
    luma[:height, :width] = picture
    chroma[:] = NEUTRAL_CHROMA
    return frame


def _words(error: Exception) -> str:
    """libavcodec's last message where it is listened to (`cathlink probe` does), else what the error number means."""
    if not isinstance(error, av.error.FFmpegError):
        return str(error)
    message = error.log[2].strip() if error.log else ""  # type: ignore[misc]
    return message or str(error.strerror)


def _extradata(context: VideoCodecContext | None) -> bytes:
    """What a driver tells once, if it is Annex B."""
    data = bytes(context.extradata or b"") if context is not None else b""
    return data if data.startswith((b"\0\0\1", b"\0\0\0\1")) else b""
