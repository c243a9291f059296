"""What the sender knows of its source: live, held, masked, lost. Pure; its stages tell it what they see.

The rule that everything rests on: liveness counts deliveries of the capture device, upstream of any look at pixels.
A source that repeats its last image is HELD as long as frames come; when no frame comes it is CAPTURE LOST, however
plausible the last picture looks.
"""

from daemon.link.rtcp import SourceStatus
from daemon.messages import XrayReport
from daemon.picture.pulse import ImageInterval
from daemon.states import EncoderState, FilterState, SourceState
from hw.ports import CaptureTiming
from hw.serial.ports import XrayState

NO_FRAME_LIMIT_NS = 150_000_000  # without a frame for this long the capture is lost ...
NO_FRAME_LIMIT_INTERVALS = 2.5  # ... or for this many frame intervals of a slow source
HELD_LIMIT_NS = 250_000_000  # without a new image for this long it is held, however slow the pulses are
HELD_AFTER_INTERVALS = 1.5
ENCODER_LIMIT_NS = 250_000_000
XRAY_REPORT_LIMIT_NS = 1_500_000_000  # the supervisor tells X-ray's state several times a second
XRAY_WITHOUT_IMAGE_LIMIT_NS = 1_000_000_000  # a run needs that long to show its first image ...
XRAY_WITHOUT_IMAGE_INTERVALS = 2.5  # ... or slow pulses their next one
XRAY_OFF_LIMIT_NS = 1_000_000_000  # as long do images of a run that has ended still come
FRAME_ID_MASK = 0xFFFF_FFFF


class SourceWatch:
    """Counts frames, new images and encoded images of one source, and says what state it is in."""

    def __init__(self, now_ns: int) -> None:
        # Frame ids go on increasing when this process is restarted in the middle of a case.
        self._frame_id = now_ns // 1_000_000 & FRAME_ID_MASK
        self._sequence = 0
        self._interval = ImageInterval()
        self._timing: CaptureTiming | None = None
        self._lost_cause = ""
        self._masked_cause = ""
        self._is_withheld = False
        self._filter_state = FilterState.OFF
        self._encoder_state = EncoderState.SOFTWARE
        self._xray: XrayReport | None = None
        self._no_frame_limit_ns = NO_FRAME_LIMIT_NS
        self._frame_ns: int | None = None
        self._image_ns: int | None = None
        self._encoded_image_ns: int | None = None
        self._encoder_behind_ns: int | None = None
        self.frames = 0
        self.images = 0

    @property
    def image_rate_hz(self) -> float:
        """At which new images come, as far as it is known: that of the signal at first, 0 before it was open."""
        if interval_ns := self._interval.interval_ns:
            return 1e9 / interval_ns
        return self._timing.rate_hz if self._timing else 0.0

    @property
    def is_withheld(self) -> bool:
        """From the first frame of which nothing may leave until the next new image."""
        return self._is_withheld

    @property
    def held_from_ns(self) -> int:
        """When the newest image counts as held if no other has come by then; 0 before the first one."""
        if self._image_ns is None:
            return 0
        interval_ns = self._interval.interval_ns or HELD_LIMIT_NS
        return self._image_ns + min(int(HELD_AFTER_INTERVALS * interval_ns), HELD_LIMIT_NS)

    def note_open(self, timing: CaptureTiming) -> None:
        """A capture that was lost stays so until a frame comes."""
        self._timing = timing
        if self._lost_cause:
            self._lost_cause = f"no frame yet, the source sends {timing}"
        self._masked_cause = ""
        self._no_frame_limit_ns = max(NO_FRAME_LIMIT_NS, int(NO_FRAME_LIMIT_INTERVALS * 1e9 / timing.rate_hz))

    def note_lost(self, cause: str) -> None:
        """The capture stage gave up: `cause` is what the operator reads ("no signal")."""
        self._lost_cause = cause
        self._frame_ns = None

    def note_frame(self, capture_ns: int, *, is_new: bool) -> None:
        """A frame was delivered; `is_new`: it shows another image than the one before."""
        self.frames += 1
        self._frame_ns = capture_ns
        self._lost_cause = self._masked_cause = ""
        if is_new:
            self.images += 1
            self._is_withheld = False
            self._image_ns = capture_ns
            self._interval.note_new(capture_ns)
            if self._encoder_behind_ns is None:
                self._encoder_behind_ns = capture_ns

    def note_withheld(self, capture_ns: int, cause: str) -> None:
        """A frame was delivered, and nothing of it may leave; `cause` is what both ends read."""
        self.frames += 1
        self._frame_ns = capture_ns
        self._lost_cause, self._masked_cause = "", cause
        self._is_withheld = True
        self._encoder_behind_ns = None  # what waits for the encoder is thrown away

    def note_filter(self, state: FilterState) -> None:
        """What the noise filter did to the newest image."""
        self._filter_state = state

    def note_encoder(self, state: EncoderState) -> None:
        """Who encodes from the next image on."""
        self._encoder_state = state

    def note_xray(self, report: XrayReport) -> None:
        """What the supervisor says of X-ray, which it does as long as it is watched."""
        self._xray = report

    def note_encoded(self, capture_ns: int) -> int:
        """The image captured at `capture_ns` was encoded (perhaps again). Returns its frame_id.

        Frame ids count access units, one by one, so that the receiver sees a gap when one is missing.
        """
        self._frame_id = (self._frame_id + 1) & FRAME_ID_MASK
        self._encoded_image_ns = capture_ns
        self._encoder_behind_ns = None
        return self._frame_id

    def assess(self, now_ns: int) -> SourceStatus:
        """The status to send: the state, its cause, and the newest encoded image with its time."""
        state, cause = self._state(now_ns)
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        return SourceStatus(
            sequence=self._sequence,
            sent_ns=now_ns,
            state=state,
            encoder_state=self._encoder_state,
            frame_id=self._frame_id,
            image_capture_ns=self._encoded_image_ns or 0,
            frame_ns=self._frame_ns or 0,
            image_interval_us=min(self._interval.interval_ns // 1000, 0xFFFF_FFFF),
            width=self._timing.width if self._timing else 0,
            height=self._timing.height if self._timing else 0,
            cause=cause,
            filter_state=self._filter_state,
            xray=self._xray_state(now_ns),
        )

    def _xray_state(self, now_ns: int) -> XrayState:
        if self._xray is None:
            return XrayState.NOT_WATCHED
        is_fresh = now_ns - self._xray.at_ns <= XRAY_REPORT_LIMIT_NS
        return self._xray.state if is_fresh else XrayState.UNKNOWN

    def _state(self, now_ns: int) -> tuple[SourceState, str]:
        if self._lost_cause:
            return SourceState.CAPTURE_LOST, self._lost_cause
        if self._timing is None or (self._image_ns is None and not self._masked_cause):
            return SourceState.STARTING, "the capture is starting"
        if self._frame_ns is None or now_ns - self._frame_ns > self._no_frame_limit_ns:
            return SourceState.CAPTURE_LOST, f"no frame from the source, last seen {self._timing}"
        if self._masked_cause:
            return SourceState.MASKED, self._masked_cause
        if self._encoder_behind_ns is not None and now_ns - self._encoder_behind_ns > ENCODER_LIMIT_NS:
            return SourceState.CAPTURE_LOST, "the encoder does not answer"
        if self._frame_ns != self._image_ns and now_ns > self.held_from_ns:
            return self._held(now_ns)
        return SourceState.LIVE, self._live_cause(now_ns)

    def _held(self, now_ns: int) -> tuple[SourceState, str]:
        xray = self._xray_state(now_ns)
        if self._xray is None or self._image_ns is None or xray is not XrayState.ON:
            return SourceState.HELD, _HELD_CAUSES[xray]
        limit_ns = max(XRAY_WITHOUT_IMAGE_LIMIT_NS, XRAY_WITHOUT_IMAGE_INTERVALS * self._interval.interval_ns)
        if now_ns - max(self._image_ns, self._xray.since_ns) > limit_ns:
            return SourceState.HELD_WITH_XRAY, "X-ray is on and the picture does not change"
        return SourceState.HELD, _HELD_CAUSES[xray]

    def _live_cause(self, now_ns: int) -> str:
        """Images come: are they being taken?"""
        xray = self._xray_state(now_ns)
        if xray is XrayState.UNKNOWN:
            return "X-ray unknown: its contact is not heard"
        if self._xray is not None and xray is XrayState.OFF and now_ns - self._xray.since_ns > XRAY_OFF_LIMIT_NS:
            return "X-ray is off: these images are not being taken now"
        return ""


_HELD_CAUSES = {
    XrayState.NOT_WATCHED: "no new image, last image held",
    XrayState.UNKNOWN: "last image held, X-ray unknown: its contact is not heard",
    XrayState.OFF: "X-ray off, last image held",
    XrayState.ON: "last image held",
}
