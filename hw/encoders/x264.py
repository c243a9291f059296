"""libx264 behind `hw.ports.Encoder`.

Through PyAV, monochrome (4:0:0, High profile) and full range, so that grey 0..255 is carried as it is; a colour source
as 4:2:0 or 4:4:4, full range too, with its matrix.
What makes it immediate: `tune=zerolatency` (no look-ahead, no B-frames), two slices encoded by two threads (slice
threads add no frame of delay, frame threads would), and a rate buffer of one image, so that no access unit, IDR or
not, takes longer on its way than the others. (`force-cfr=0` would add a whole image of delay.)
There is no periodic IDR: a receiver that needs one asks, and gets the next image as IDR.

What keeps a guidewire of one or two pixels: a finer quantiser on the blocks that the caller names, no dead zones, no
adaptive quantisation, and little deblocking. Measured by `make bench-pictures`, tables "wire" and "clip".
"""

from fractions import Fraction

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from hw.encoders.pixels import FULL_RANGE, GRAY, colour_space, pixel_format, video_frame
from hw.encoders.regions import RegionFrame
from hw.errors import DeviceError
from hw.ports import EncodedPicture, EncoderSettings, FinerBlocks, Picture

SLICE_THREADS = 2
RATE_BUFFER_IMAGES = 1.0
NEVER = 1 << 30  # images between IDRs that nobody asked for

# Dead zones in 1/64 of a quantiser step (x264's own: 21 and 11): a faint wire is a small coefficient, and so is all
# that a held image still lacks when it is encoded again. (Wider ones spare bits of noise, which helps a little where
# there are many quanta, and costs much of the saving on a real clip.)
# A change of scene is no reason for an IDR: nobody asked for it, and it would be the largest access unit.
WIRE_PARAMS = "scenecut=0:deadzone-inter=0:deadzone-intra=0"
# The finer blocks ride on adaptive quantisation, which is therefore on, at no strength. The fastest preset has neither
# it nor deblocking, and stays as fast as it is.
REGION_PARAMS = "deblock=-2,-2:aq-mode=1:aq-strength=0.01"
FASTEST_PRESET = "ultrafast"


class X264Encoder:
    """libx264 in software: works on every box, and takes over when an accelerator fails."""

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._has_bitrate = False
        self._regions: RegionFrame | None = None
        self._next_pts = 0

    def open(self, settings: EncoderSettings) -> None:
        self.close()
        rate = Fraction(settings.image_rate_hz).limit_denominator(1001)
        context = av.CodecContext.create("libx264", "w")
        format_name = pixel_format((settings.height, settings.width), settings.colour)
        context.width, context.height, context.pix_fmt = settings.width, settings.height, format_name
        context.framerate, context.time_base = rate, 1 / rate
        context.color_range, context.colorspace = FULL_RANGE, colour_space(settings.colour)
        context.options = {
            "preset": settings.preset,
            "tune": "zerolatency",
            "g": str(NEVER),
            "forced-idr": "1",
            "threads": str(SLICE_THREADS),
        }
        is_fastest = settings.preset == FASTEST_PRESET
        if not settings.lossless:
            context.options["x264-params"] = WIRE_PARAMS if is_fastest else f"{WIRE_PARAMS}:{REGION_PARAMS}"
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
        has_regions = not (settings.lossless or is_fastest)
        self._regions = RegionFrame(settings.width, settings.height, format_name) if has_regions else None
        self._next_pts = 0

    def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
        context = self._context
        if context is None:
            raise DeviceError("libx264 is not open")
        if finer is not None and self._regions is not None:
            frame = self._regions.fill(picture, finer)
        else:
            frame = video_frame(picture, context.pix_fmt or GRAY)
        frame.pts, frame.time_base, frame.color_range = self._next_pts, context.time_base, FULL_RANGE
        frame.colorspace = context.colorspace
        frame.pict_type = PictureType.I if force_idr else PictureType.NONE
        self._next_pts += 1
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
        self._regions = None
