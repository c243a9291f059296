"""Access unit in, grey picture out, at once: slice threads only, so that no frame waits inside the decoder."""

import av
import av.error
import numpy as np
from av.codec.context import Flags

from daemon.errors import CodecError
from hw.ports import GrayPicture

DECODER_THREADS = 2


class Decoder:
    """libavcodec's H.264 decoder. After a CodecError it needs an IDR."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("h264", "r")
        self._context.thread_type = "SLICE"
        self._context.thread_count = DECODER_THREADS
        self._context.flags |= Flags.low_delay

    def decode(self, access_unit: bytes) -> GrayPicture:
        """The picture, shape (height, width), contiguous. Raises CodecError when the unit gives no intact picture."""
        try:
            frames = self._context.decode(av.Packet(access_unit))
        except (av.error.FFmpegError, ValueError) as error:
            raise CodecError(f"the access unit does not decode ({error})") from error
        if len(frames) != 1:
            raise CodecError(f"the access unit gave {len(frames)} pictures")
        frame = frames[0]
        if frame.is_corrupt:
            raise CodecError("the decoder marks the picture as corrupt")
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        return np.ascontiguousarray(rows[: frame.height, : frame.width])
