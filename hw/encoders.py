"""H.264 encoders behind `hw.ports.Encoder`.

libx264 through PyAV, monochrome (4:0:0, High profile) and full range, so that grey 0..255 is carried as it is.
What makes it immediate: `tune=zerolatency` (no look-ahead, no B-frames), two slices encoded by two threads (slice
threads add no frame of delay, frame threads would), and a rate buffer of a few images so that no access unit is far
above the mean.
There is no periodic IDR: a receiver that needs one asks, and gets the next image as IDR.
"""

from fractions import Fraction

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from hw.errors import DeviceError
from hw.ports import EncodedPicture, EncoderSettings, GrayPicture

SLICE_THREADS = 2
RATE_BUFFER_IMAGES = 2.5
NEVER = 1 << 30  # images between IDRs that nobody asked for
FULL_RANGE = 2  # AVCOL_RANGE_JPEG


class X264Encoder:
    """libx264 in software: works on every box, and takes over when an accelerator fails."""

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._has_bitrate = False
        self._next_pts = 0

    def open(self, settings: EncoderSettings) -> None:
        self.close()
        rate = Fraction(settings.image_rate_hz).limit_denominator(1001)
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = settings.width, settings.height, "gray"
        context.framerate, context.time_base = rate, 1 / rate
        context.color_range = FULL_RANGE
        context.options = {
            "preset": settings.preset,
            "tune": "zerolatency",
            "g": str(NEVER),
            "forced-idr": "1",
            "threads": str(SLICE_THREADS),
        }
        if settings.lossless:
            context.options["qp"] = "0"
        elif settings.crf is not None:
            context.options["crf"] = str(settings.crf)
        else:
            context.bit_rate = settings.bitrate_bps
            context.options["maxrate"] = str(settings.bitrate_bps)
            context.options["bufsize"] = str(int(settings.bitrate_bps / settings.image_rate_hz * RATE_BUFFER_IMAGES))
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise DeviceError(
                f"libx264 does not open for {settings.width}x{settings.height}, preset {settings.preset} ({error})",
                "check encoder.preset and the picture size",
            ) from error
        self._context = context
        self._has_bitrate = not settings.lossless and settings.crf is None
        self._next_pts = 0

    def encode(self, picture: GrayPicture, *, force_idr: bool) -> EncodedPicture:
        context = self._context
        if context is None:
            raise DeviceError("libx264 is not open")
        frame = VideoFrame.from_numpy_buffer(picture, format="gray")
        frame.pts, frame.time_base, frame.color_range = self._next_pts, context.time_base, FULL_RANGE
        self._next_pts += 1
        if force_idr:
            frame.pict_type = PictureType.I
        try:
            packets = context.encode(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise DeviceError(f"libx264 failed on an image ({error})") from error
        if len(packets) != 1:
            raise DeviceError(f"libx264 gave {len(packets)} access units for one image")
        return EncodedPicture(bytes(packets[0]), is_idr=packets[0].is_keyframe)

    def set_bitrate(self, bitrate_bps: int) -> None:
        if self._context is not None and self._has_bitrate:
            self._context.bit_rate = bitrate_bps

    def close(self) -> None:
        self._context = None
