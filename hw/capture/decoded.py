"""From a decoded video frame to the buffer of a captured one.

Layouts that the picture kernels read are taken as they are; everything else becomes 8-bit grey, full range.
"""

import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from hw.errors import DeviceError
from hw.ports import CaptureTiming, ColourMatrix, FrameBytes, PixelFormat, ValueRange

FFMPEG_NAMES = {
    PixelFormat.GRAY8: "gray",
    PixelFormat.BGR24: "bgr24",
    PixelFormat.BGRX: "bgr0",
    PixelFormat.YUYV422: "yuyv422",
    PixelFormat.NV12: "nv12",
}
AS_THEY_ARE = {name: pixel_format for pixel_format, name in FFMPEG_NAMES.items()} | {"bgra": PixelFormat.BGRX}

JPEG_RANGE = 2  # AVCOL_RANGE_JPEG: full
BT601_SPACES = (5, 6)  # AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M


def timing_of(context: CodecContext, rate_hz: float, *, is_interlaced: bool = False) -> CaptureTiming:
    """What frames of this decoder will be once they are copied."""
    assert isinstance(context, VideoCodecContext)
    pixel_format = AS_THEY_ARE.get(context.pix_fmt or "", PixelFormat.GRAY8)
    is_luma = pixel_format in (PixelFormat.YUYV422, PixelFormat.NV12)
    is_limited = is_luma and context.color_range != JPEG_RANGE
    return CaptureTiming(
        context.width,
        context.height,
        rate_hz,
        pixel_format,
        ColourMatrix.BT601 if context.colorspace in BT601_SPACES else ColourMatrix.BT709,
        ValueRange.LIMITED if is_limited else ValueRange.FULL,
        is_interlaced,
    )


class FrameCopier:
    """Copies frames of `timing` into buffers of its shape."""

    def __init__(self, timing: CaptureTiming) -> None:
        self._timing = timing
        self._reformatter = VideoReformatter()

    def copy(self, frame: VideoFrame, buffer: FrameBytes) -> None:
        """Raises DeviceError when the frame has another size or layout than the timing says."""
        timing = self._timing
        if (frame.width, frame.height) != (timing.width, timing.height):
            raise DeviceError(
                f"the picture size changed from {timing.width}x{timing.height} to {frame.width}x{frame.height}"
            )
        if AS_THEY_ARE.get(frame.format.name, PixelFormat.GRAY8) is not timing.pixel_format:
            raise DeviceError(f"the pixel format changed from {timing.pixel_format} to {frame.format.name}")
        if timing.pixel_format is PixelFormat.GRAY8:  # grey and full-range luma unchanged, 16..235 stretched to 0..255
            frame = self._reformatter.reformat(frame, format="gray", threads=1)
        filled = 0
        for plane in frame.planes:
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            count = min(plane.height, buffer.shape[0] - filled)
            width = min(buffer.shape[1], plane.line_size)
            buffer[filled : filled + count, :width] = rows[:count, :width]
            filled += count
