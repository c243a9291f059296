"""From captured bytes to grey: time against a copy of the grey picture, against OpenCV and against swscale."""

from collections.abc import Callable
from itertools import cycle

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from daemon.picture.area import Area
from daemon.picture.convert import GrayConverter
from hw.ports import CaptureTiming, ColourMatrix, FrameBytes, GrayPicture, PixelFormat, ValueRange
from tests.bench.pictures.table import Bar, Row, Table
from tests.bench.pictures.timing import in_turn, memcpy_of, times_ms

SIZES = ((1024, 1024), (1920, 1080))
BARS = {PixelFormat.BGR24: 4.0, PixelFormat.BGRX: 4.0, PixelFormat.YUYV422: 1.6}
FRAMES = 8  # of each candidate alone: what one has read must not be in the cache for the next
OPENCV = {
    PixelFormat.BGR24: cv2.COLOR_BGR2GRAY,
    PixelFormat.BGRX: cv2.COLOR_BGRA2GRAY,
    PixelFormat.YUYV422: cv2.COLOR_YUV2GRAY_YUYV,
    PixelFormat.NV12: cv2.COLOR_YUV2GRAY_NV12,
}
SWSCALE = {
    PixelFormat.BGR24: "bgr24",
    PixelFormat.BGRX: "bgr0",
    PixelFormat.YUYV422: "yuyv422",
    PixelFormat.NV12: "nv12",
}


def run() -> Table:
    cv2.setNumThreads(1)
    rows: list[Row] = []
    for width, height in SIZES:
        for pixel_format in OPENCV:
            rows += _rows(width, height, pixel_format)
    return Table("Captured bytes to grey, one thread (BT.601, the only matrix that OpenCV has)", rows)


def _rows(width: int, height: int, pixel_format: PixelFormat) -> list[Row]:
    random = np.random.default_rng(1)
    shape = pixel_format.frame_shape(width, height)
    frames = [random.integers(16, 236, shape, np.uint8) for _ in range(FRAMES)]
    picture = np.zeros((height, width), np.uint8)
    is_luma = pixel_format in (PixelFormat.YUYV422, PixelFormat.NV12)
    area = Area(0, 0, width, height)

    def converter(value_range: ValueRange) -> GrayConverter:
        return GrayConverter(CaptureTiming(width, height, 60, pixel_format, ColourMatrix.BT601, value_range), area)

    full, limited = converter(ValueRange.FULL), converter(ValueRange.LIMITED)
    reformatter = VideoReformatter()
    code, name = OPENCV[pixel_format], SWSCALE[pixel_format]
    sws = [_for_swscale(frame, width, height, name) for frame in frames]
    turn = iter(range(1 << 30))

    def into(write: Callable[[FrameBytes, GrayPicture], object]) -> Callable[[], None]:
        """From frames of its own in turn into pictures of its own: neither is in the cache, as in a capture."""
        targets = iter(cycle([picture.copy() for _ in range(FRAMES)]))
        return in_turn(lambda frame: write(frame, next(targets)), [frame.copy() for frame in frames])

    took = times_ms(
        {
            "memcpy": memcpy_of(picture),
            "full": into(full.write),
            "limited": into(limited.write),
            "opencv": into(
                lambda frame, out: cv2.cvtColor(_for_opencv(frame, width, height, pixel_format), code, dst=out)
            ),
            "swscale": lambda: reformatter.reformat(sws[next(turn) % FRAMES], format="gray", threads=1),
        },
        rounds=120,
    )
    unit, what = took["memcpy"], f"{pixel_format} {width}x{height}"
    bar = BARS.get(pixel_format)
    note = f"{took['full'] * 1000:.0f} us; copy of the frame's own bytes: {frames[0].size / picture.size:g}x the grey's"
    widening = took["limited" if is_luma else "full"]
    is_copy = pixel_format is PixelFormat.NV12
    opencv_bar = () if is_copy else (Bar.AT_MOST, 1.0)
    opencv_note = "both copy the luma rows" if is_copy else ""
    return [
        Row(f"{what}, full range", took["full"] / unit, "x memcpy", *((Bar.AT_MOST, bar) if bar else ()), note=note),
        Row(f"{what}, limited range", took["limited"] / unit, "x memcpy"),
        Row(f"{what}: against OpenCV", took["full"] / took["opencv"], "x its time", *opencv_bar, note=opencv_note),
        Row(f"{what}: against swscale", widening / took["swscale"], "x its time", Bar.AT_MOST, 1.0),
    ]


def _for_opencv(
    frame: npt.NDArray[np.uint8], width: int, height: int, pixel_format: PixelFormat
) -> npt.NDArray[np.uint8]:
    return frame if pixel_format is PixelFormat.NV12 else frame.reshape(height, width, pixel_format.pixel_bytes)


def _for_swscale(frame: npt.NDArray[np.uint8], width: int, height: int, name: str) -> av.VideoFrame:
    decoded = av.VideoFrame(width, height, name)
    filled = 0
    for plane in decoded.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        rows[: plane.height, : frame.shape[1]] = frame[filled : filled + plane.height]
        filled += plane.height
    return decoded
