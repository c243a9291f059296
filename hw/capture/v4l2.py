"""`v4l2:` a camera or capture card of Linux (Video4Linux2), by the kernel's own interface.

`v4l2_device` asks and sets, `v4l2_stream` moves frames, `v4l2_watch` notices that the signal has gone or changed. All
that ends a reading is a DeviceError in the words that both ends show beside CAPTURE LOST.
"""

import errno
from dataclasses import dataclass
from select import POLLERR, POLLHUP, POLLPRI

from hw.address import LARGEST_SIDE, SMALLEST_SIDE
from hw.capture import v4l2_abi as abi
from hw.capture.base import CaptureSource
from hw.capture.edid import load_edid
from hw.capture.pacing import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MONOTONIC_CLOCK, SECOND_NS, Clock
from hw.capture.signal import AS_THE_DEVICE_SAYS, Signal
from hw.capture.v4l2_device import FrameFormat, UnusableDeviceError, V4l2Device
from hw.capture.v4l2_kernel import Kernel, LinuxKernel
from hw.capture.v4l2_stream import INTERLACED_FIELDS, StreamCounts, V4l2Stream
from hw.capture.v4l2_timing import SourceTimings, device_trouble
from hw.capture.v4l2_watch import SignalWatch, adopt_signal
from hw.ports import CapturedFrame, CaptureTiming, PixelFormat

DEFAULT_RATE_HZ = 30.0  # of a driver that does not say


@dataclass(frozen=True, slots=True)
class V4l2Wish:
    """What an engineer asks for; None: as the device has it.

    Size and rate are for devices without native timings: a receiver takes what the source sends.
    """

    size: tuple[int, int] | None = None
    rate_hz: float | None = None
    pixel_format: PixelFormat | None = None
    edid_path: str | None = None


AS_THE_DEVICE_HAS = V4l2Wish()


class V4l2Capture(CaptureSource):
    """The device at `path`. A damaged frame is left out; lost ones show as a gap in the sequence numbers."""

    def __init__(
        self,
        path: str,
        wish: V4l2Wish = AS_THE_DEVICE_HAS,
        *,
        signal: Signal = AS_THE_DEVICE_SAYS,
        clock: Clock = MONOTONIC_CLOCK,
        kernel: Kernel | None = None,
    ) -> None:
        super().__init__()
        self._path = path
        self._wish = wish
        self._signal = signal
        self._clock = clock
        self._kernel = kernel or LinuxKernel()
        self._device: V4l2Device | None = None
        self._stream: V4l2Stream | None = None
        self._watch: SignalWatch | None = None

    @property
    def counts(self) -> StreamCounts:
        """Since the device was opened."""
        return self._stream.counts if self._stream else StreamCounts()

    def _open(self) -> CaptureTiming:
        try:
            device = self._device = V4l2Device(self._kernel, self._path)
            if self._wish.edid_path:
                device.set_edid(load_edid(self._wish.edid_path))
            has_events = device.subscribe_source_change()
            timings = adopt_signal(device)
            timing = self._start(device, timings)
        except OSError as error:
            raise device_trouble(self._path, error) from error
        self._watch = SignalWatch(
            device, timings, _interval_ns(timing.rate_hz), self._clock.now_ns(), has_events=has_events
        )
        return self._signal.over(timing)

    def _start(self, device: V4l2Device, timings: SourceTimings | None) -> CaptureTiming:
        number = device.choose_format(self._wish.pixel_format)
        if timings is None:
            size, field = self._wish.size, abi.FIELD_ANY
        else:
            size = timings.width, timings.height
            field = abi.FIELD_INTERLACED if timings.is_interlaced else abi.FIELD_NONE
        frame_format = device.set_format(number, size, field)
        said_hz = timings.rate_hz if timings else device.set_rate(self._wish.rate_hz)
        rate_hz = min(max(said_hz or self._wish.rate_hz or DEFAULT_RATE_HZ, LOWEST_RATE_HZ), HIGHEST_RATE_HZ)
        self._stream = V4l2Stream(device, self._kernel, frame_format, self._clock, _interval_ns(rate_hz))
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (frame_format.width, self._stream.height)):
            raise UnusableDeviceError(f"its frames are {frame_format.width}x{self._stream.height}")
        self._stream.start()
        return _timing(frame_format, self._stream.height, rate_hz)

    def _read(self, timeout_s: float) -> CapturedFrame | None:
        try:
            return self._wait_for_frame(self._clock.now_ns() + int(timeout_s * SECOND_NS))
        except OSError as error:
            raise device_trouble(self._path, error) from error

    def _wait_for_frame(self, deadline_ns: int) -> CapturedFrame | None:
        assert self._stream is not None
        assert self._watch is not None
        while not self._closing.is_set():
            now_ns = self._clock.now_ns()
            self._watch.note_listening(now_ns)
            self._watch.check(now_ns)
            until_ns = min(deadline_ns, self._watch.due_ns())
            events = self._stream.wait(max(0, until_ns - now_ns) / SECOND_NS)
            if events & POLLPRI:
                self._watch.note_event()
            frame = self._newest() if events else None
            self._watch.note_waited(self._clock.now_ns(), brought_frame=frame is not None)
            if frame is not None:
                return frame
            if events & (POLLERR | POLLHUP):
                self._watch.explain()
            if self._clock.now_ns() >= deadline_ns:
                return None
        return None

    def _newest(self) -> CapturedFrame | None:
        assert self._stream is not None
        assert self._watch is not None
        try:
            return self._stream.newest()
        except OSError as error:
            if error.errno in (errno.EIO, errno.EPIPE, errno.EINVAL):  # which often means that the signal has gone
                self._watch.explain()
            raise

    def _release(self) -> None:
        if self._stream is not None:
            self._stream.stop()
        if self._device is not None:
            self._device.close()
        self._stream = self._device = self._watch = None

    def _wake(self) -> None:
        self._kernel.wake()


def _interval_ns(rate_hz: float) -> int:
    return round(SECOND_NS / rate_hz)


def _timing(frame_format: FrameFormat, height: int, rate_hz: float) -> CaptureTiming:
    return CaptureTiming(
        frame_format.width,
        height,
        rate_hz,
        frame_format.pixel_format,
        frame_format.colour.matrix(),
        frame_format.colour.value_range(frame_format.pixel_format),
        is_interlaced=frame_format.field in INTERLACED_FIELDS,
    )
