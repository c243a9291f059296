"""Access unit in, picture out, at once: slice threads only, so that no frame waits inside the decoder."""

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.video.frame import VideoFrame

from daemon.errors import CodecError
from hw.planes import plane_pixels
from hw.ports import ChromaSampling, ColourCoding, ColourMatrix, ColourPicture, Picture

DECODER_THREADS = 2

SAMPLINGS = {"yuvj420p": ChromaSampling.HALF, "yuvj444p": ChromaSampling.FULL}  # full range alone
MATRICES = {1: ColourMatrix.BT709, 6: ColourMatrix.BT601}  # AVCOL_SPC_BT709, AVCOL_SPC_SMPTE170M


class Decoder:
    """libavcodec's H.264 decoder. After a CodecError it needs an IDR."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("h264", "r")
        self._context.thread_type = "SLICE"
        self._context.thread_count = DECODER_THREADS
        self._context.flags |= Flags.low_delay
        # Or else slice threads do not notice that a part of a picture is missing. What is mended is marked as corrupt.
        self._context.options = {"enable_er": "1"}

    def decode(self, access_unit: bytes) -> Picture:
        """The picture, contiguous. Raises CodecError when the unit gives no intact picture."""
        try:
            frames = self._context.decode(av.Packet(access_unit))
        except (av.error.FFmpegError, ValueError) as error:
            raise CodecError(f"the access unit does not decode ({error})") from error
        if len(frames) != 1:
            raise CodecError(f"the access unit gave {len(frames)} pictures")
        frame = frames[0]
        if frame.is_corrupt:
            raise CodecError("the decoder marks the picture as corrupt")
        luma = np.ascontiguousarray(plane_pixels(frame, 0))
        coding = _coding(frame)
        if coding is None:
            return luma
        return ColourPicture(luma, np.stack([plane_pixels(frame, 1), plane_pixels(frame, 2)]), coding)


def _coding(frame: VideoFrame) -> ColourCoding | None:
    """None: grey. So is chroma of which the stream does not say what it means: an encoder that cannot do without."""
    sampling, matrix = SAMPLINGS.get(frame.format.name), MATRICES.get(frame.colorspace)
    return None if sampling is None or matrix is None else ColourCoding(sampling, matrix)
