"""A kernel with one capture card, for tests: its cable can be pulled, its source can change, its driver can misbehave.

It answers the requests of `v4l2_abi` as drivers do (a buffer is the driver's or the application's, formats cannot
change while there are buffers, ...) and raises what they raise.
"""

import errno
import threading
from collections.abc import Callable
from ctypes import Structure, memmove, string_at
from dataclasses import dataclass
from select import POLLERR, POLLHUP, POLLIN, POLLPRI

import numpy as np

from hw.capture import v4l2_abi as abi
from hw.capture.pacing import SECOND_NS, Clock
from hw.capture.v4l2_device import EDID_BLOCK_BYTES, FOURCC
from hw.capture.v4l2_kernel import Mapping
from hw.capture.v4l2_timing import SourceTimings
from hw.ports import FrameBytes, PixelFormat

PAGE_BYTES = 4096
NOISE = -1  # the sequence number of what is no picture
BLANKING = (10, 6)  # pixels, lines
CAMERA = SourceTimings(64, 48, 10.0, is_interlaced=False)


@dataclass
class FakeCard:
    """How the card is and what its source sends, to be changed at will while it is used."""

    signal: SourceTimings | None = CAMERA  # None: no signal
    is_plugged: bool = True
    is_locked: bool = True
    has_timings: bool = True  # False: a camera, whose signal is its own
    highest_rate_hz: float = 240.0  # beyond it the signal is out of range
    tells_of_changes: bool = True
    refuses_timings: bool = False  # it measures more than it takes
    forgets_to_tell: bool = False  # it takes the subscription, and that is all
    tells_of_status: bool = True
    gives_noise: bool = False  # without a signal, or with one that it is not set to; else it gives nothing
    is_stuck: bool = False  # gives no frame, whatever the signal
    damages_frames: bool = False
    has_fatal_error: bool = False  # until it is opened again
    fatal_number: int = errno.EIO  # what fetching a frame then raises
    formats: tuple[str, ...] = ("YUYV", "GREY")
    woven_field: int = abi.FIELD_ALTERNATE  # how it gives an interlaced signal
    scales_fields: bool = False  # to the height that is asked for
    is_multiplanar: bool = False
    padding_bytes: int = 0  # after each row
    stamp_flags: int = abi.BUF_FLAG_TIMESTAMP_MONOTONIC
    stamp_delay_s: float = 0.0  # a frame is ready so much after its time
    colour: tuple[int, int, int] = (abi.COLORSPACE_REC709, abi.YCBCR_ENC_709, abi.QUANTIZATION_FULL_RANGE)
    edid: bytes = b""
    edids_set: int = 0
    fill: Callable[[FrameBytes, int], None] = lambda data, sequence: data.fill(sequence % 251)

    @property
    def is_in_range(self) -> bool:
        return self.signal is not None and self.signal.rate_hz <= self.highest_rate_hz


class _FakeMapping:
    def __init__(self, data: FrameBytes) -> None:
        self.data = data

    def close(self) -> None:
        self.data = np.empty(0, np.uint8)


@dataclass(slots=True)
class _FakeBuffer:
    data: FrameBytes
    is_queued: bool = False


@dataclass(slots=True)
class _Filled:
    index: int
    sequence: int
    field: int
    stamp_ns: int


class FakeKernel:
    """A `hw.capture.v4l2_kernel.Kernel`. `change_at` makes the script; its times count from the kernel's making."""

    def __init__(self, card: FakeCard, clock: Clock, path: str = "/dev/video0") -> None:
        self.card = card
        self.path = path
        self.open_descriptors = 0
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._script: list[tuple[int, Callable[[FakeCard], None]]] = []
        self._woken = threading.Event()
        self._opened = _Opened(card, self._start_ns)

    def change_at(self, seconds: float, change: Callable[[FakeCard], None]) -> None:
        self._script.append((self._start_ns + round(seconds * SECOND_NS), change))
        self._script.sort(key=lambda entry: entry[0])

    # --- Kernel ---

    def open(self, path: str) -> int:
        self._catch_up()
        if path != self.path or not self.card.is_plugged:
            raise OSError(errno.ENOENT, "No such file or directory")
        assert self.open_descriptors == 0, "opened twice"
        self.open_descriptors += 1
        self._woken.clear()
        self.card.has_fatal_error = False
        self._opened = _Opened(self.card, self._clock.now_ns())
        return 3

    def close(self, fd: int) -> None:
        self.open_descriptors -= 1

    def ioctl(self, fd: int, request: int, argument: Structure) -> None:
        self._catch_up()
        if not self.card.is_plugged or self._opened.was_unplugged:
            raise OSError(errno.ENODEV, "No such device")
        self._opened.answer(request, argument, self._clock.now_ns())

    def map(self, fd: int, length: int, offset: int) -> Mapping:
        return _FakeMapping(self._opened.buffers[offset // PAGE_BYTES].data[:length])

    def wait(self, fd: int, timeout_s: float) -> int:
        deadline_ns = self._clock.now_ns() + round(timeout_s * SECOND_NS)
        while True:
            self._catch_up()
            events = self._opened.events()
            now_ns = self._clock.now_ns()
            if events or now_ns >= deadline_ns:
                return events
            moments = [deadline_ns, self._opened.next_frame_ns(), *(at_ns for at_ns, _ in self._script[:1])]
            until_ns = min(moment for moment in moments if moment is not None)
            if self._clock.wait(self._woken, max(0, until_ns - now_ns) / SECOND_NS):
                return 0

    def wake(self) -> None:
        self._woken.set()

    # --- time passes ---

    def _catch_up(self) -> None:
        """All that should have happened by now, in its order."""
        now_ns = self._clock.now_ns()
        while self._script and self._script[0][0] <= now_ns:
            at_ns, change = self._script.pop(0)
            self._opened.run_until(at_ns)
            change(self.card)
            self._opened.note_change()
        self._opened.run_until(now_ns)


class _Opened:
    """One opening of the card: what its driver knows."""

    def __init__(self, card: FakeCard, now_ns: int) -> None:
        self.card = card
        self.buffers: list[_FakeBuffer] = []
        self.was_unplugged = False
        self._seen = self._state()
        self._timings: SourceTimings | None = None
        self._is_streaming = False
        self._is_subscribed = False
        self._events = 0
        self._queued: list[int] = []
        self._filled: list[_Filled] = []
        self._sequence = 0
        self._due_ns = now_ns
        self._number = abi.fourcc(card.formats[0])
        self._answers: dict[int, Callable[..., None]] = {
            abi.QUERYCAP: self._querycap,
            abi.G_INPUT: lambda index: None,
            abi.ENUMINPUT: self._enum_input,
            abi.QUERY_DV_TIMINGS: self._query_timings,
            abi.S_DV_TIMINGS: self._set_timings,
            abi.SUBSCRIBE_EVENT: self._subscribe,
            abi.DQEVENT: self._dequeue_event,
            abi.ENUM_FMT: self._enum_format,
            abi.G_FMT: lambda request: None,
            abi.S_FMT: self._set_format,
            abi.G_PARM: self._get_rate,
            abi.REQBUFS: self._request_buffers,
            abi.QUERYBUF: self._query_buffer,
            abi.QBUF: self._queue_buffer,
            abi.DQBUF: self._dequeue_buffer,
            abi.STREAMON: self._stream_on,
            abi.STREAMOFF: self._stream_off,
            abi.G_EDID: self._get_edid,
            abi.S_EDID: self._set_edid,
        }

    def answer(self, request: int, argument: Structure, now_ns: int) -> None:
        handler = self._answers.get(request)
        if handler is None:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        self._now_ns = now_ns
        handler(argument)

    # --- what happens ---

    def _state(self) -> tuple[object, ...]:
        return self.card.signal, self.card.is_locked, self.card.is_in_range

    def note_change(self) -> None:
        self.was_unplugged |= not self.card.is_plugged
        before, self._seen = self._seen, self._state()
        if before != self._seen and self._is_subscribed and not self.card.forgets_to_tell:
            self._events += 1

    def events(self) -> int:
        if not self.card.is_plugged or self.was_unplugged:
            return POLLERR | POLLHUP | POLLPRI
        events = POLLPRI if self._events else 0
        if self.card.has_fatal_error:
            return events | POLLERR
        return events | (POLLIN if self._filled else 0)

    @property
    def _sent(self) -> SourceTimings | None:
        """What frames come of it now."""
        card = self.card
        if not self._is_streaming or card.is_stuck or card.has_fatal_error:
            return None
        if not card.has_timings:
            return card.signal
        is_good = card.signal is not None and card.is_locked and card.signal.is_same(self._timings)
        return self._timings if is_good or card.gives_noise else None

    def next_frame_ns(self) -> int | None:
        return self._due_ns if self._sent else None

    def run_until(self, now_ns: int) -> None:
        if self.was_unplugged or not self.card.is_plugged:
            return
        while self._due_ns <= now_ns:
            sent = self._sent
            if sent is None:
                self._due_ns = max(self._due_ns, now_ns)
                return
            self._deliver(sent)
            self._due_ns += round(SECOND_NS / sent.rate_hz / (2 if self._is_by_field(sent) else 1))

    def _is_by_field(self, sent: SourceTimings) -> bool:
        return sent.is_interlaced and self.card.woven_field == abi.FIELD_ALTERNATE

    def _deliver(self, sent: SourceTimings) -> None:
        sequence, kind = self._sequence, abi.FIELD_NONE
        self._sequence += 1
        if self._is_by_field(sent):
            kind = abi.FIELD_BOTTOM if sequence % 2 else abi.FIELD_TOP
            sequence //= 2
        elif sent.is_interlaced:
            kind = self.card.woven_field
        if not self._queued:
            return  # lost
        index = self._queued.pop(0)
        is_noise = self.card.has_timings and not sent.is_same(self.card.signal)
        self.card.fill(self.buffers[index].data, NOISE if is_noise else sequence)
        stamp_ns = self._due_ns - round(self.card.stamp_delay_s * SECOND_NS)
        self._filled.append(_Filled(index, sequence, kind, stamp_ns))

    # --- answers ---

    def _querycap(self, capability: abi.Capability) -> None:
        kind = abi.CAP_VIDEO_CAPTURE_MPLANE if self.card.is_multiplanar else abi.CAP_VIDEO_CAPTURE
        capability.driver, capability.card = b"fake", b"Fake card"
        capability.capabilities = capability.device_caps = kind | abi.CAP_STREAMING | abi.CAP_DEVICE_CAPS

    def _enum_input(self, used: abi.Input) -> None:
        used.name = b"HDMI 0" if self.card.has_timings else b"Camera 0"
        used.capabilities = abi.IN_CAP_DV_TIMINGS if self.card.has_timings else 0
        used.status = 0
        if self.card.tells_of_status:
            if self.card.signal is None:
                used.status = abi.IN_ST_NO_SIGNAL
            elif not self.card.is_locked or not self.card.is_in_range:  # as vivid has it
                used.status = abi.IN_ST_NO_H_LOCK

    def _query_timings(self, timings: abi.DvTimings) -> None:
        signal = self.card.signal
        if not self.card.has_timings:
            raise OSError(errno.ENODATA, "No data available")
        if signal is None:
            raise OSError(errno.ENOLINK, "Link has been severed")
        if not self.card.is_locked:
            raise OSError(errno.ENOLCK, "No locks available")
        write_timings(timings, signal)
        if not self.card.is_in_range:
            raise OSError(errno.ERANGE, "Numerical result out of range")

    def _set_timings(self, timings: abi.DvTimings) -> None:
        self._must_have_no_buffers()
        if self.card.refuses_timings:
            raise OSError(errno.EINVAL, "Invalid argument")
        bt = timings.u.bt
        total = (bt.width + BLANKING[0]) * (bt.height + BLANKING[1])
        self._timings = SourceTimings(bt.width, bt.height, round(bt.pixelclock / total, 3), bool(bt.interlaced))

    def _subscribe(self, subscription: abi.EventSubscription) -> None:
        if not self.card.tells_of_changes:
            raise OSError(errno.EINVAL, "Invalid argument")
        self._is_subscribed = True

    def _dequeue_event(self, event: abi.Event) -> None:
        if not self._events:
            raise OSError(errno.ENOENT, "No such file or directory")
        self._events -= 1
        event.type, event.u.changes = abi.EVENT_SOURCE_CHANGE, 1

    def _enum_format(self, described: abi.FmtDesc) -> None:
        if described.index >= len(self.card.formats):
            raise OSError(errno.EINVAL, "Invalid argument")
        described.pixelformat = abi.fourcc(self.card.formats[described.index])

    def _set_format(self, request: abi.Format) -> None:
        self._must_have_no_buffers()
        part = request.fmt.pix_mp if self.card.is_multiplanar else request.fmt.pix
        if part.pixelformat not in map(abi.fourcc, self.card.formats):
            part.pixelformat = abi.fourcc(self.card.formats[0])
        source = (self._timings if self.card.has_timings else self.card.signal) or CAMERA
        self._number = part.pixelformat
        part.field = self.card.woven_field if source.is_interlaced else abi.FIELD_NONE
        part.width = source.width
        if not self._is_by_field(source):
            part.height = source.height
        elif not self.card.scales_fields:
            part.height = source.height // 2
        rows, row_bytes = _pixel_format(self._number).frame_shape(part.width, part.height)
        row_bytes += self.card.padding_bytes
        plane = part.plane_fmt[0] if self.card.is_multiplanar else part
        plane.bytesperline, plane.sizeimage = row_bytes, row_bytes * rows
        part.colorspace, part.ycbcr_enc, part.quantization = self.card.colour
        self._frame_bytes = row_bytes * rows

    def _get_rate(self, parameters: abi.StreamParm) -> None:
        rate_hz = self.card.signal.rate_hz if self.card.signal else 0.0
        parameters.parm.capture.timeperframe = abi.Fract(1000, round(1000 * rate_hz))

    def _request_buffers(self, request: abi.RequestBuffers) -> None:
        self._queued, self._filled = [], []
        self.buffers = [_FakeBuffer(np.zeros(self._frame_bytes, np.uint8)) for _ in range(request.count)]

    def _query_buffer(self, buffer: abi.Buffer) -> None:
        length, offset = self.buffers[buffer.index].data.size, buffer.index * PAGE_BYTES
        if self.card.is_multiplanar:
            plane = abi.Plane.from_address(buffer.m.planes)
            plane.length, plane.m.mem_offset = length, offset
        else:
            buffer.length, buffer.m.offset = length, offset

    def _queue_buffer(self, buffer: abi.Buffer) -> None:
        held = self.buffers[buffer.index]
        if held.is_queued:
            raise OSError(errno.EINVAL, "Invalid argument")
        held.is_queued = True
        self._queued.append(buffer.index)

    def _dequeue_buffer(self, buffer: abi.Buffer) -> None:
        if self.card.has_fatal_error:
            raise OSError(self.card.fatal_number, "Input/output error")
        if not self._is_streaming:
            raise OSError(errno.EINVAL, "Invalid argument")
        if not self._filled:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        filled = self._filled.pop(0)
        self.buffers[filled.index].is_queued = False
        buffer.index, buffer.sequence, buffer.field = filled.index, filled.sequence, filled.field
        buffer.timestamp = abi.TimeVal(filled.stamp_ns // SECOND_NS, filled.stamp_ns % SECOND_NS // 1000)
        buffer.flags = self.card.stamp_flags | (abi.BUF_FLAG_ERROR if self.card.damages_frames else 0)
        if self.card.is_multiplanar:
            abi.Plane.from_address(buffer.m.planes).bytesused = self._frame_bytes
        else:
            buffer.bytesused = self._frame_bytes

    def _stream_on(self, kind: abi.Index) -> None:
        self._is_streaming, self._sequence = True, 0
        self._due_ns = self._now_ns + round(SECOND_NS / (self._timings or self.card.signal or CAMERA).rate_hz)

    def _stream_off(self, kind: abi.Index) -> None:
        self._is_streaming = False
        self._queued, self._filled = [], []

    def _get_edid(self, edid: abi.Edid) -> None:
        if not self.card.edid:
            raise OSError(errno.ENODATA, "No data available")
        edid.blocks = len(self.card.edid) // EDID_BLOCK_BYTES
        memmove(edid.edid, self.card.edid, len(self.card.edid))

    def _set_edid(self, edid: abi.Edid) -> None:
        self.card.edid = string_at(edid.edid, edid.blocks * EDID_BLOCK_BYTES)
        self.card.edids_set += 1

    def _must_have_no_buffers(self) -> None:
        if self.buffers:
            raise OSError(errno.EBUSY, "Device or resource busy")


def write_timings(timings: abi.DvTimings, signal: SourceTimings) -> None:
    """`signal` as a receiver chip tells it."""
    bt = timings.u.bt
    timings.type = abi.DV_BT_656_1120
    bt.width, bt.height, bt.interlaced = signal.width, signal.height, int(signal.is_interlaced)
    bt.hsync, bt.vsync = BLANKING
    bt.pixelclock = round((signal.width + BLANKING[0]) * (signal.height + BLANKING[1]) * signal.rate_hz)


def _pixel_format(number: int) -> PixelFormat:
    return next(kind for kind, texts in FOURCC.items() if number in map(abi.fourcc, texts))
