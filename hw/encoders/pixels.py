"""From our pictures to libavcodec's video frames."""

import numpy as np
from av.video.frame import VideoFrame

from hw.planes import plane_pixels
from hw.ports import ChromaSampling, ColourCoding, ColourMatrix, ColourPicture, Picture

FULL_RANGE = 2  # AVCOL_RANGE_JPEG
COLOUR_SPACES = {ColourMatrix.BT709: 1, ColourMatrix.BT601: 6}  # AVCOL_SPC_BT709, AVCOL_SPC_SMPTE170M
UNKNOWN_COLOUR_SPACE = 2  # of grey: a receiver takes a picture without a colour space as grey

GRAY, HALF, FULL = "gray", "yuv420p", "yuv444p"


def pixel_format(shape: tuple[int, ...], colour: ColourCoding | None) -> str:
    """libavcodec's name for pictures of `shape`. An odd size cannot be halved: it goes with chroma for every pixel."""
    if colour is None:
        return GRAY
    is_odd = any(side % 2 == 1 for side in shape)
    return FULL if is_odd or colour.sampling is ChromaSampling.FULL else HALF


def colour_space(colour: ColourCoding | None) -> int:
    return UNKNOWN_COLOUR_SPACE if colour is None else COLOUR_SPACES[colour.matrix]


def video_frame(picture: Picture, format_name: str) -> VideoFrame:
    """A grey picture is not copied: it must stay untouched as long as the frame lives."""
    if not isinstance(picture, ColourPicture):
        return VideoFrame.from_numpy_buffer(picture, format=format_name)
    height, width = picture.shape
    frame = VideoFrame(width, height, format_name)
    fill(frame, picture)
    return frame


def fill(frame: VideoFrame, picture: Picture) -> None:
    """Copy `picture` into a frame of its size, in the format that `pixel_format` chose for it."""
    if not isinstance(picture, ColourPicture):
        np.copyto(plane_pixels(frame, 0), picture)
        return
    np.copyto(plane_pixels(frame, 0), picture.luma)
    for number, chroma in enumerate(picture.chroma, start=1):
        plane = plane_pixels(frame, number)
        if plane.shape != chroma.shape:
            chroma = chroma.repeat(2, axis=0).repeat(2, axis=1)[: plane.shape[0], : plane.shape[1]]
        np.copyto(plane, chroma)
