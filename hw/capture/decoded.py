"""From a decoded video frame to the buffer of a captured one.

Layouts that the picture kernels read are taken as they are. Others are brought to the one that is next to them: grey
to 8-bit grey, RGB to BGRX, luma and chroma to YUYV or NV12, with the levels and the range that they have.
"""

from functools import cache

import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
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


@cache
def layout_of(format_name: str) -> PixelFormat:
    """Of frames that FFmpeg decodes to this format, once they are copied."""
    if format_name in AS_THEY_ARE:
        return AS_THEY_ARE[format_name]
    video_format = VideoFormat(format_name, 16, 16)
    if video_format.is_rgb or video_format.has_palette:
        return PixelFormat.BGRX
    if len(video_format.components) < 3:
        return PixelFormat.GRAY8
    has_chroma_in_each_row = video_format.chroma_width(16) == 8 and video_format.chroma_height(16) == 16
    return PixelFormat.YUYV422 if has_chroma_in_each_row else PixelFormat.NV12


def timing_of(context: CodecContext, rate_hz: float, *, is_interlaced: bool = False) -> CaptureTiming:
    """What frames of this decoder will be once they are copied."""
    assert isinstance(context, VideoCodecContext)
    pixel_format = layout_of(context.pix_fmt or FFMPEG_NAMES[PixelFormat.GRAY8])
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
        if layout_of(frame.format.name) is not timing.pixel_format:
            raise DeviceError(f"the pixel format changed from {timing.pixel_format} to {frame.format.name}")
        if frame.format.name not in AS_THEY_ARE:
            frame = self._reformatter.reformat(frame, format=FFMPEG_NAMES[timing.pixel_format], threads=1)
        filled = 0
        for plane in frame.planes:
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            count = min(plane.height, buffer.shape[0] - filled)
            width = min(buffer.shape[1], plane.line_size)
            buffer[filled : filled + count, :width] = rows[:count, :width]
            filled += count
