"""`phantom:` a synthetic coronary angiogram that moves, for demonstrations and tests without a recording."""

from hw.capture.base import CaptureSource
from hw.capture.pacing import MONOTONIC_CLOCK, Clock, Pacer
from hw.capture.phantom_beam import BeamSchedule
from hw.capture.phantom_render import PhantomRenderer
from hw.capture.ring import FrameRing
from hw.ports import CapturedFrame, CaptureTiming, GrayPicture, PixelFormat


class PhantomCapture(CaptureSource):
    """Images of `schedule` with `quanta` X-ray quanta a pixel; repeated ones are the very same pixels.

    An image is rendered before it is due, and `capture_ns` is when it is due. The same `seed` gives the same images.
    """

    def __init__(
        self,
        width: int,
        height: int,
        schedule: BeamSchedule,
        quanta: float,
        seed: int,
        clock: Clock = MONOTONIC_CLOCK,
    ) -> None:
        super().__init__()
        self._timing = CaptureTiming(width, height, schedule.output_hz, PixelFormat.GRAY8)
        self._schedule = schedule
        self._quanta = quanta
        self._seed = seed
        self._clock = clock
        self._screen: _Screen | None = None
        self._pacer = Pacer(schedule.output_hz, clock)

    def _open(self) -> CaptureTiming:
        width, height = self._timing.width, self._timing.height
        renderer = PhantomRenderer(width, height, self._quanta, self._seed)
        self._screen = _Screen(renderer, self._schedule, FrameRing(width, height))
        self._screen.prepare(0)  # the first picture takes longest
        self._pacer = Pacer(self._timing.rate_hz, self._clock)
        return self._timing

    def _read(self, timeout_s: float) -> CapturedFrame | None:
        assert self._screen is not None
        sequence = self._pacer.next_sequence()
        image = self._schedule.image_of_frame(sequence)
        self._screen.prepare(image)
        if not self._pacer.wait(sequence, self._closing, timeout_s):
            return None
        return CapturedFrame(self._screen.show(image), self._pacer.due_ns(sequence), sequence)

    def _release(self) -> None:
        self._screen = None


class _Screen:
    """Renders an image once and shows it as often as it is asked for."""

    def __init__(self, renderer: PhantomRenderer, schedule: BeamSchedule, ring: FrameRing) -> None:
        self._renderer = renderer
        self._schedule = schedule
        self._ring = ring
        self._prepared_image = -1  # in the ring's slot
        self._shown_image = -1
        self._shown = ring.slot

    def prepare(self, image: int) -> None:
        if image not in (self._prepared_image, self._shown_image):
            time_s, run_time_s = self._schedule.image_time_s(image), self._schedule.run_time_s(image)
            self._renderer.render(image, time_s, run_time_s, self._ring.slot)
            self._prepared_image = image

    def show(self, image: int) -> GrayPicture:
        """The picture of `image`, which was prepared."""
        if image != self._shown_image:
            self._shown = self._ring.commit()
            self._shown_image = image
        return self._shown
