"""Is the signal still the one that the device was opened for?

Three sources of the answer, from cheap to dear: the driver's event that the source changed; the input's status, looked
at every SIGNAL_CHECK_NS, for many drivers go on giving noise or a test picture when the cable is pulled; and the
timings that the receiver chip measures, asked for after an event or a silence alone, or regularly where the driver has
no events, for it may take some time.
"""

import errno

from hw.capture import v4l2_abi as abi
from hw.capture.pacing import SECOND_NS
from hw.capture.v4l2_device import V4l2Device
from hw.capture.v4l2_timing import SourceTimings, input_trouble, out_of_range, source_timings, timings_trouble
from hw.errors import DeviceError, SourceChangedError

SIGNAL_CHECK_NS = 200_000_000
SILENCE_NS = 100_000_000  # without a frame for this long ...
SILENCE_INTERVALS = 2.5  # ... or this many of a slow source's, the source is asked for its timings
AWAY_NS = 50_000_000  # a reader that was busy for longer has not listened
STALL_NS = SECOND_NS  # with a good signal and no frame for this long ...
STALL_INTERVALS = 6  # ... or this many, the driver is opened again


def adopt_signal(device: V4l2Device) -> SourceTimings | None:
    """What the source sends, the device now set to it; None: the device has no native timings.

    Raises DeviceError in the words that both ends show, OSError when the device itself fails.
    """
    used = device.input()
    seen = None
    if used is not None and used.capabilities & abi.IN_CAP_DV_TIMINGS:
        timings, seen = _query(device)
        try:
            device.set_timings(timings)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ERANGE):
                raise out_of_range(seen) from error
            raise
    _require_good(used)
    return seen


def _require_good(used: abi.Input | None) -> None:
    if used is not None and (trouble := input_trouble(used.status)):
        raise trouble


def _query(device: V4l2Device) -> tuple[abi.DvTimings, SourceTimings]:
    timings = abi.DvTimings()
    try:
        device.call(abi.QUERY_DV_TIMINGS, timings)
    except OSError as error:
        raise timings_trouble(error, source_timings(timings)) or error from error
    seen = source_timings(timings)
    if seen is None:
        raise out_of_range(None)
    return timings, seen


class SignalWatch:
    """For one opening. Raises DeviceError when the signal has gone, SourceChangedError when it is another one."""

    def __init__(
        self, device: V4l2Device, timings: SourceTimings | None, interval_ns: int, now_ns: int, *, has_events: bool
    ) -> None:
        self._device = device
        self._timings = timings
        self._has_events = has_events
        self._silence_ns = max(SILENCE_NS, int(SILENCE_INTERVALS * interval_ns))
        self._stall_ns = max(STALL_NS, STALL_INTERVALS * interval_ns)
        self._heard_ns = now_ns  # when a good frame came, or we began to listen
        self._listened_ns = now_ns  # when we listened last
        self._checked_ns = now_ns

    def note_listening(self, now_ns: int) -> None:
        """The reader is here. While it was away nobody can say whether frames came."""
        if now_ns - self._listened_ns > AWAY_NS:
            self._heard_ns = now_ns
        self._listened_ns = now_ns

    def note_waited(self, now_ns: int, *, brought_frame: bool) -> None:
        """A wait is over, which brought a good frame or did not."""
        self._listened_ns = now_ns
        if brought_frame:
            self._heard_ns = now_ns

    def due_ns(self) -> int:
        """When `check` is to be called next."""
        return self._checked_ns + SIGNAL_CHECK_NS

    def check(self, now_ns: int) -> None:
        """Does nothing before its time."""
        if now_ns < self.due_ns():
            return
        self._checked_ns = now_ns
        self._check_input()
        silent_ns = now_ns - self._heard_ns
        if silent_ns >= self._silence_ns or not self._has_events:
            self._compare_timings()
        if silent_ns >= self._stall_ns:
            raise DeviceError("no frames from the capture device, though it has a signal", "it is opened again")

    def note_event(self) -> None:
        """The driver told of something out of band."""
        if not self._device.has_source_changed():
            return
        self._check_input()
        if self._timings is None:
            raise SourceChangedError("the source changed its signal")
        self._compare_timings()

    def explain(self) -> None:
        """The driver reported an error: raises what it is about, and that there is one if nothing better is known."""
        self._check_input()
        self._compare_timings()
        raise DeviceError("the capture device's driver reports an error", "it is opened again")

    def _check_input(self) -> None:
        """The status knows of trouble, the measured timings name it better ("out of range")."""
        used = self._device.input()
        if used is not None and input_trouble(used.status):
            self._compare_timings()
        _require_good(used)

    def _compare_timings(self) -> None:
        if self._timings is None:
            return
        _, seen = _query(self._device)
        if not seen.is_same(self._timings):
            raise SourceChangedError(f"the source changed from {self._timings} to {seen}")
