"""The driver's buffers while it streams: mapped, queued, fetched, and copied once into frames of ours.

A driver fills the buffers that it has and then loses frames, so buffers are few, and who comes late takes the newest.
Where a driver gives fields instead of frames they are woven here, row by row.
"""

import contextlib
import errno
from dataclasses import dataclass

from hw.capture import v4l2_abi as abi
from hw.capture.pacing import SECOND_NS, Clock
from hw.capture.ring import FrameRing
from hw.capture.v4l2_device import FrameFormat, UnusableDeviceError, V4l2Device
from hw.capture.v4l2_kernel import Kernel, Mapping
from hw.ports import CapturedFrame, FrameBytes, PixelFormat

BUFFERS = 3  # one that is filled, one that waits to be, one that we read
MOST_BUFFERS = 32
MOST_BUFFER_BYTES = 1 << 28
OLDEST_STAMP_NS = 60 * SECOND_NS  # a driver's time that is further from now is not on our clock

WOVEN_FIELDS = (abi.FIELD_INTERLACED, abi.FIELD_INTERLACED_TB, abi.FIELD_INTERLACED_BT)
SEQUENTIAL_FIELDS = (abi.FIELD_SEQ_TB, abi.FIELD_SEQ_BT)
INTERLACED_FIELDS = (*WOVEN_FIELDS, *SEQUENTIAL_FIELDS, abi.FIELD_ALTERNATE)
"""Frames in these are two fields; in all others a buffer is a whole picture."""


@dataclass(slots=True)
class StreamCounts:
    """What went wrong since the stream began."""

    damaged: int = 0  # frames that the driver itself marked as such, or gave in part
    late: int = 0  # frames that came while nobody read
    foreign_stamps: int = 0  # frames whose time was not the driver's but ours


class V4l2Stream:
    """From `start` to `stop` of one format. `interval_ns`: of frames."""

    def __init__(self, device: V4l2Device, kernel: Kernel, frame_format: FrameFormat, clock: Clock, interval_ns: int):
        self._device = device
        self._kernel = kernel
        self._format = frame_format
        self._clock = clock
        self._interval_ns = interval_ns
        self._plane = abi.Plane()
        self._mappings: list[Mapping] = []
        self._weaver = _Weaver(frame_format)
        self._first_sequence: int | None = None
        self._is_stamped = False  # by the driver, the frame that was fetched last
        self.counts = StreamCounts()

    @property
    def height(self) -> int:
        """Of a whole frame."""
        return self._weaver.height

    def start(self) -> None:
        """Raises OSError; `stop` must then be called all the same."""
        asked = abi.RequestBuffers(count=BUFFERS, type=self._device.buffer_type, memory=abi.MEMORY_MMAP)
        granted = self._device.call(abi.REQBUFS, asked).count
        if not 1 < granted <= MOST_BUFFERS:
            raise UnusableDeviceError(f"its driver gives {granted} buffers")
        for index in range(granted):
            self._mappings.append(self._map(index))
        for index in range(granted):
            self._queue(index)
        self._device.call(abi.STREAMON, abi.Index(self._device.buffer_type))

    def stop(self) -> None:
        """Also of a device that is gone."""
        for mapping in self._mappings:
            mapping.close()
        with contextlib.suppress(OSError):
            self._device.call(abi.STREAMOFF, abi.Index(self._device.buffer_type))
        if self._mappings:
            self._mappings = []
            with contextlib.suppress(OSError):
                none = abi.RequestBuffers(count=0, type=self._device.buffer_type, memory=abi.MEMORY_MMAP)
                self._device.call(abi.REQBUFS, none)

    def wait(self, timeout_s: float) -> int:
        """As `Kernel.wait`."""
        return self._kernel.wait(self._device.fd, timeout_s)

    def newest(self) -> CapturedFrame | None:
        """The newest whole frame that the driver has ready, if any. Raises OSError.

        When all buffers are full at once the driver had to lose the frames after them: what is in them is old by an
        unknown time. They are given back, and the next frame, which comes within an interval, is a new one.
        """
        frame = None
        for count in range(1, len(self._mappings) + 1):
            buffer = self._fetch()
            if buffer is None:
                return frame
            newer = self._take(buffer)
            if newer is not None:
                self.counts.late += frame is not None
                frame = newer
            if count == len(self._mappings) and self._is_old(frame):
                self.counts.late += 1
                return None
        return frame

    def _is_old(self, frame: CapturedFrame | None) -> bool:
        if frame is None or not self._is_stamped:
            return frame is not None
        return self._clock.now_ns() - frame.capture_ns > self._interval_ns

    # --- buffers ---

    def _buffer(self, index: int = 0) -> abi.Buffer:
        buffer = abi.Buffer(index=index, type=self._device.buffer_type, memory=abi.MEMORY_MMAP)
        if self._device.is_multiplanar:
            self._plane = abi.Plane()
            buffer.point_to(self._plane)
        return buffer

    def _map(self, index: int) -> Mapping:
        buffer = self._device.call(abi.QUERYBUF, self._buffer(index))
        length, offset = buffer.length, buffer.m.offset
        if self._device.is_multiplanar:
            length, offset = self._plane.length, self._plane.m.mem_offset
        if not self._format.buffer_bytes <= length <= MOST_BUFFER_BYTES:
            raise UnusableDeviceError(f"its driver's buffers have {length} bytes")
        return self._kernel.map(self._device.fd, length, offset)

    def _queue(self, index: int) -> None:
        self._device.call(abi.QBUF, self._buffer(index))

    def _fetch(self) -> abi.Buffer | None:
        try:
            buffer = self._device.call(abi.DQBUF, self._buffer())
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise
        if buffer.index >= len(self._mappings):
            raise UnusableDeviceError(f"its driver gave buffer {buffer.index} of {len(self._mappings)}")
        return buffer

    def _take(self, buffer: abi.Buffer) -> CapturedFrame | None:
        """The whole frame that this buffer completes; the buffer is the driver's again."""
        now_ns = self._clock.now_ns()
        if buffer.flags & abi.BUF_FLAG_ERROR or self._bytes_used(buffer) < self._format.frame_bytes:
            self.counts.damaged += 1
            pixels = None
        else:
            data = self._mappings[buffer.index].data[self._data_offset :]
            pixels = self._weaver.weave(data, buffer.field, buffer.sequence)
        self._queue(buffer.index)
        if self._first_sequence is None:
            self._first_sequence = buffer.sequence
        if pixels is None:
            return None
        sequence = (buffer.sequence - self._first_sequence) & 0xFFFF_FFFF
        return CapturedFrame(pixels, self._complete_ns(buffer, now_ns), sequence)

    @property
    def _data_offset(self) -> int:
        """Where the frame begins in the buffer that was fetched last."""
        return self._plane.data_offset if self._device.is_multiplanar else 0

    def _bytes_used(self, buffer: abi.Buffer) -> int:
        used: int = self._plane.bytesused if self._device.is_multiplanar else buffer.bytesused
        return min(used, len(self._mappings[buffer.index].data)) - self._data_offset

    def _complete_ns(self, buffer: abi.Buffer, now_ns: int) -> int:
        """When the frame was complete: as the driver says, if it says so on our clock."""
        stamp_ns: int = buffer.timestamp.tv_sec * SECOND_NS + buffer.timestamp.tv_usec * 1000
        is_monotonic = buffer.flags & abi.BUF_FLAG_TIMESTAMP_MASK == abi.BUF_FLAG_TIMESTAMP_MONOTONIC
        self._is_stamped = is_monotonic and now_ns - OLDEST_STAMP_NS <= stamp_ns <= now_ns + self._interval_ns
        if not self._is_stamped:
            self.counts.foreign_stamps += 1
            return now_ns
        if buffer.flags & abi.BUF_FLAG_TSTAMP_SRC_MASK == abi.BUF_FLAG_TSTAMP_SRC_SOE:  # the frame's beginning
            stamp_ns += self._interval_ns
        return min(stamp_ns, now_ns)  # drivers that reckon the frame's end may be ahead of it


class _Weaver:
    """Copies buffers of `frame_format` into whole frames in a ring."""

    def __init__(self, frame_format: FrameFormat) -> None:
        self._format = frame_format
        self._is_alternate = frame_format.field == abi.FIELD_ALTERNATE
        self.height = frame_format.lines * (2 if self._is_alternate else 1)
        is_apart = self._is_alternate or frame_format.field in SEQUENTIAL_FIELDS
        if is_apart and frame_format.pixel_format is PixelFormat.NV12:  # a row of chroma belongs to two rows of a field
            raise UnusableDeviceError("its driver gives fields in the format nv12")
        self._ring = FrameRing(frame_format.width, self.height, frame_format.pixel_format)
        self._half: tuple[int, int] | None = None  # field and sequence of the field that waits for the other

    def weave(self, data: FrameBytes, field: int, sequence: int) -> FrameBytes | None:
        """The frame that `data` completes."""
        if self._is_alternate:
            return self._weave_field(data, field, sequence)
        slot = self._ring.slot
        rows = self._rows(data, slot.shape[0], slot.shape[1])
        if self._format.field in SEQUENTIAL_FIELDS:
            top, bottom = slot[0::2], slot[1::2]
            first, second = (top, bottom) if self._format.field == abi.FIELD_SEQ_TB else (bottom, top)
            first[:], second[:] = rows[: len(first)], rows[len(first) :]
        else:
            slot[:] = rows
        return self._ring.commit()

    def _weave_field(self, data: FrameBytes, field: int, sequence: int) -> FrameBytes | None:
        if field not in (abi.FIELD_TOP, abi.FIELD_BOTTOM):
            return None
        rows = self._ring.slot[int(field == abi.FIELD_BOTTOM) :: 2]
        rows[:] = self._rows(data, *rows.shape)
        before, self._half = self._half, (field, sequence)
        if before is None or before[0] == field or before[1] != sequence:
            return None
        self._half = None
        return self._ring.commit()

    def _rows(self, data: FrameBytes, rows: int, row_bytes: int) -> FrameBytes:
        """The buffer's rows without their padding."""
        stride = self._format.row_bytes
        return data[: rows * stride].reshape(rows, stride)[:, :row_bytes]
