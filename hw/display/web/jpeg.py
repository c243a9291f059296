"""Pictures to JPEG without holding up the threads beside it."""

import os

from PIL import Image

from hw.display.bgrx import bgrx_of
from hw.ports import ColourPicture, Picture

QUALITY = 92


class JpegEncoder:
    """Pillow lets other threads run only while it writes to a file descriptor, so it writes to one in memory.

    Into a BytesIO it would hold the interpreter for 3 ms each picture of 1024x1024, in the very process that decodes
    and presents; like this the others wait less than 0.2 ms. Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._file = os.fdopen(os.memfd_create("cathlink-jpeg", os.MFD_CLOEXEC), "w+b", buffering=0)

    def encode(self, picture: Picture) -> bytes:
        """Grey as grey. Colour as RGB says it: JPEG has one matrix of its own, and chroma for every pixel is kept."""
        self._file.seek(0)
        self._file.truncate()
        _image(picture).save(self._file, "JPEG", quality=QUALITY, subsampling="4:4:4")
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        self._file.close()


def _image(picture: Picture) -> Image.Image:
    if not isinstance(picture, ColourPicture):
        return Image.fromarray(picture)
    height, width = picture.shape
    return Image.frombuffer("RGB", (width, height), bgrx_of(picture), "raw", "BGRX", 0, 1)
