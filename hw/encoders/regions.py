"""Blocks that an encoder of libavcodec is asked to code finer than the rest."""

import ctypes
from fractions import Fraction

import av
import av.filter
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

from hw.encoders.pixels import fill
from hw.ports import MACROBLOCK, FinerBlocks, Picture

QP_RANGE = 51  # libavcodec takes an offset as a share of it
FINER_RECTANGLES = 256  # rows of neighbouring blocks alike, the finest first; what is beyond is coded like the rest

# AVRegionOfInterest, seven 32-bit integers: its size, top, bottom, left, right, and a quantiser offset as a fraction.
_SLOT_FIELDS = 7
_SIZE, _EDGES, _NUMERATOR, _DENOMINATOR = 0, slice(1, 5), 5, 6


class RegionFrame:
    """One video frame that carries regions of interest; see docs/decisions/0007-regions-through-side-data.md.

    PyAV gives a frame side data only through a filter, so the frame comes out of a chain of `addroi` filters, with a
    slot for each rectangle. Slots and pixels are then written anew for each picture.
    """

    def __init__(self, width: int, height: int, format_name: str) -> None:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            format=av.VideoFormat(format_name, width, height), width=width, height=height, time_base=Fraction(1)
        )
        last = source
        for _ in range(FINER_RECTANGLES):
            slot = graph.add("addroi", "x=0:y=0:w=0:h=0")
            last.link_to(slot)
            last = slot
        last.link_to(graph.add("buffersink"))
        graph.configure()
        blank = VideoFrame(width, height, format_name)
        blank.pts = 0
        graph.push(blank)
        frame = graph.pull()
        assert isinstance(frame, VideoFrame)
        self._frame = frame
        self._slots: SideData = frame.side_data["REGIONS_OF_INTEREST"]  # type: ignore[typeddict-item]
        assert self._slots.buffer_size == FINER_RECTANGLES * _SLOT_FIELDS * np.dtype(np.int32).itemsize

    def fill(self, picture: Picture, finer: FinerBlocks) -> VideoFrame:
        fill(self._frame, picture)
        slots = np.zeros((FINER_RECTANGLES, _SLOT_FIELDS), np.int32)
        slots[:, _SIZE], slots[:, _DENOMINATOR] = slots.strides[0], QP_RANGE
        rectangles, steps = _rectangles(finer)
        count = min(len(rectangles), FINER_RECTANGLES)
        slots[:count, _EDGES], slots[:count, _NUMERATOR] = rectangles[:count], -steps[:count]
        ctypes.memmove(self._slots.buffer_ptr, slots.ctypes.data, slots.nbytes)
        return self._frame


def _rectangles(finer: FinerBlocks) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each row of neighbouring blocks alike, the finest first: top, bottom, left, right in pixels, and its steps."""
    framed = np.pad(finer.astype(np.int64), ((0, 0), (1, 1)))
    changes = framed[:, 1:] != framed[:, :-1]
    rows, left = np.nonzero(changes & (framed[:, 1:] > 0))
    _, right = np.nonzero(changes & (framed[:, :-1] > 0))
    steps = framed[rows, left + 1]
    order = np.argsort(-steps, kind="stable")
    rows, left, right, steps = rows[order], left[order], right[order], steps[order]
    return np.stack([rows, rows + 1, left, right], axis=1) * MACROBLOCK, steps
