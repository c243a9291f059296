"""Devices without hardware, for tests: a capture that follows a script, a display that keeps what it was shown."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from hw.capture.base import CaptureSource
from hw.capture.pacing import SECOND_NS, Clock
from hw.capture.ring import FrameRing
from hw.errors import DeviceError
from hw.overlay import NOTHING_OVER, Input, Overlay
from hw.ports import Banner, CapturedFrame, CaptureTiming, GrayPicture, Picture


class ManualClock:
    """A clock that moves when somebody waits or says so; a second of it takes no time."""

    def __init__(self, now_ns: int = 1_000 * SECOND_NS) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def wait(self, wake: threading.Event, seconds: float) -> bool:
        if wake.is_set():
            return True
        self.advance(seconds)
        return False

    def advance(self, seconds: float) -> None:
        self._now_ns += round(max(0.0, seconds) * SECOND_NS)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A frame of the script. The same picture again is an image that the source holds; no delivery is a stall."""

    at_s: float
    picture: GrayPicture


@dataclass(frozen=True, slots=True)
class Loss:
    """`read` raises `error` from `at_s` on, and `open` does so until `until_s`."""

    at_s: float
    until_s: float
    error: DeviceError


def deliveries(pictures: Iterable[GrayPicture], rate_hz: float, start_s: float = 0.0) -> list[Delivery]:
    """The pictures one after the other at a steady rate."""
    return [Delivery(start_s + n / rate_hz, picture) for n, picture in zip(count(), pictures)]


class FakeCapture(CaptureSource):
    """Follows `script`, whose times count from the first `open`; after its end no frame comes any more.

    As with a card, who reads too late gets the newest frame that has come, and a gap in the sequence numbers.
    """

    def __init__(self, script: Sequence[Delivery | Loss], timing: CaptureTiming, clock: Clock) -> None:
        super().__init__()
        self._timing = timing
        self._clock = clock
        self._deliveries = sorted((s for s in script if isinstance(s, Delivery)), key=lambda delivery: delivery.at_s)
        self._losses = sorted((s for s in script if isinstance(s, Loss)), key=lambda loss: loss.at_s)
        self._ring = FrameRing(timing.width, timing.height, timing.pixel_format)
        self._start_ns: int | None = None
        self._next = 0  # of the deliveries

    def _open(self) -> CaptureTiming:
        now_ns = self._clock.now_ns()
        if self._start_ns is None:
            self._start_ns = now_ns
        for loss in self._losses:
            if self._time_ns(loss.at_s) <= now_ns < self._time_ns(loss.until_s):
                raise loss.error
        self._losses = [loss for loss in self._losses if self._time_ns(loss.until_s) > now_ns]
        # what came while the device was not open is gone
        while self._next < len(self._deliveries) and self._time_ns(self._deliveries[self._next].at_s) < now_ns:
            self._next += 1
        return self._timing

    def _read(self, timeout_s: float) -> CapturedFrame | None:
        events = [delivery.at_s for delivery in self._deliveries[self._next : self._next + 1]]
        events += [loss.at_s for loss in self._losses[:1]]
        now_ns = self._clock.now_ns()
        until_ns = min([now_ns + round(timeout_s * SECOND_NS), *map(self._time_ns, events)])
        if self._closing.is_set() or self._clock.wait(self._closing, max(0, until_ns - now_ns) / SECOND_NS):
            return None
        now_ns = self._clock.now_ns()
        if self._losses and self._time_ns(self._losses[0].at_s) <= now_ns:
            raise self._losses[0].error
        newest: int | None = None
        while self._next < len(self._deliveries) and self._time_ns(self._deliveries[self._next].at_s) <= now_ns:
            newest, self._next = self._next, self._next + 1
        if newest is None:
            return None
        self._ring.slot[:] = self._deliveries[newest].picture
        return CapturedFrame(self._ring.commit(), self._time_ns(self._deliveries[newest].at_s), newest)

    def _release(self) -> None:
        """There is nothing to give back; the script goes on while the device is closed."""

    def _time_ns(self, at_s: float) -> int:
        assert self._start_ns is not None
        return self._start_ns + round(at_s * SECOND_NS)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one call of `show` was given; the picture is a copy."""

    picture: Picture | None
    banner: Banner
    is_new: bool
    overlay: Overlay = NOTHING_OVER


class FakeDisplay:
    """Keeps every picture and banner in `shown`, also over `close` and `open`. `inputs`: what people will have done."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.inputs: list[Input] = []
        self._is_open = False

    def open(self) -> None:
        self._is_open = True

    def show(self, picture: Picture | None, banner: Banner, *, is_new: bool, overlay: Overlay = NOTHING_OVER) -> None:
        if not self._is_open:
            raise DeviceError("the display is closed", "open it first")
        self.shown.append(Shown(None if picture is None else picture.copy(), banner, is_new, overlay))

    def take_inputs(self) -> Sequence[Input]:
        if not self._is_open:
            raise DeviceError("the display is closed", "open it first")
        inputs, self.inputs = self.inputs, []
        return inputs

    def close(self) -> None:
        self._is_open = False
