"""Picture truth at the expert's end: what the picture on the screen is, how old it is, and why.

Rules. The state is decided from deliveries and from this process's own clock, never by the decoder and never from how
a picture looks: pixels only take a LIVE or HELD away, when they are not what the sender encoded (picture.integrity).
Whatever is not positively known to be LIVE or HELD is not shown as such: each source of knowledge (link process,
sender's heartbeat, decoder, screen) has a time limit, and silence past it is a state of its own.

Pure: no clock, no thread. Times are monotonic nanoseconds of this machine; times of the sender are translated with
the offset that the link measures.
"""

from collections import deque
from dataclasses import dataclass

from daemon.link.rtcp import SourceStatus, ViewStatus
from daemon.messages import LinkReport
from daemon.states import FilterState, PictureState, SourceState
from hw.serial.ports import XrayState

LINK_SILENCE_LIMIT_NS = 250_000_000  # no authenticated packet for this long: LINK STALLED
LINK_PROCESS_LIMIT_NS = 250_000_000  # nothing from our own link process for this long: the same, for another reason
SOURCE_SILENCE_LIMIT_NS = 300_000_000  # longer than the link's: a silent link is not told as a lost capture
OVERDUE_LIMIT_NS = 250_000_000  # an announced image not on the screen after this long is overdue
LIVE_AGE_LIMIT_NS = 300_000_000  # no picture is LIVE when it has been on the screen for longer
ANNOUNCEMENTS_KEPT = 64
DOUBTS_KEPT = 8  # of pictures on their way to the screen
HALF_RANGE = 1 << 31
NO_PICTURE_MS = 0xFFFF_FFFF  # as an age on the wire
NOT_KNOWN_MS = 0xFFFF  # as a latency on the wire


def is_newer(sequence: int, than: int) -> bool:
    """Serial number comparison of two heartbeats' 32-bit numbers (RFC 1982)."""
    return sequence != than and (sequence - than) % (1 << 32) < HALF_RANGE


@dataclass(frozen=True, slots=True)
class Truth:
    """What is on the screen. Ages are None when there is no picture or its time is not known."""

    state: PictureState
    cause: str
    frame_id: int
    age_ns: int | None
    latency_ns: int | None
    latency_bound_ns: int | None


@dataclass(frozen=True, slots=True)
class _Image:
    stream: int
    frame_id: int
    capture_ns: int  # the sender's clock
    at_ns: int  # ours: when it was announced or shown


class PictureTruth:
    """Collects what is delivered and shown; `assess` draws the conclusion."""

    def __init__(self) -> None:
        self._link: LinkReport | None = None
        self._link_heard_ns: int | None = None
        self._source: SourceStatus | None = None
        self._source_stream = 0
        self._source_heard_ns: int | None = None
        self._announced: deque[_Image] = deque(maxlen=ANNOUNCEMENTS_KEPT)
        self._delivered_unshown_ns: int | None = None
        self._shown: _Image | None = None
        self._doubts: deque[tuple[int, int, str]] = deque(maxlen=DOUBTS_KEPT)  # stream, frame_id, why
        self._is_display_lost = False

    def note_link(self, report: LinkReport, now_ns: int) -> None:
        self._link = report
        self._link_heard_ns = now_ns

    def note_source(self, status: SourceStatus, stream: int, now_ns: int) -> None:
        """A heartbeat of the sender arrived; late ones (reordered) are ignored."""
        if self._source is not None and stream == self._source_stream:
            if not is_newer(status.sequence, self._source.sequence) and status.sent_ns <= self._source.sent_ns:
                return
        elif self._source is not None:
            self._announced.clear()
        self._source, self._source_stream, self._source_heard_ns = status, stream, now_ns
        is_news = not self._announced or status.image_capture_ns > self._announced[-1].capture_ns
        if status.image_capture_ns and is_news and not self._is_shown(stream, status.image_capture_ns):
            self._announced.append(_Image(stream, status.frame_id, status.image_capture_ns, now_ns))

    def note_delivered(self, now_ns: int) -> None:
        """A whole access unit reached the decoder's queue."""
        if self._delivered_unshown_ns is None:
            self._delivered_unshown_ns = now_ns

    def note_doubt(self, frame_id: int, stream: int, doubt: str) -> None:
        """Why this picture, on the screen already or soon, is not good enough for what was sent."""
        self._doubts.append((stream, frame_id, doubt))

    def note_shown(self, frame_id: int, stream: int, capture_ns: int, now_ns: int) -> None:
        """A decoded picture is on the screen.

        The same image encoded again, finer or as an IDR, has been on the screen since it first was.
        """
        last = self._shown
        if last is not None and (last.stream, last.capture_ns) == (stream, capture_ns):
            now_ns = last.at_ns
        self._shown = _Image(stream, frame_id, capture_ns, now_ns)
        self._is_display_lost = False
        self._delivered_unshown_ns = None
        while self._announced and self._is_shown(self._announced[0].stream, self._announced[0].capture_ns):
            self._announced.popleft()

    def note_display_lost(self) -> None:
        """The display failed: nothing is on any screen."""
        self._shown = None
        self._is_display_lost = True

    def assess(self, now_ns: int) -> Truth:
        state, cause = self._state(now_ns)
        shown = self._shown
        if shown is None:
            return Truth(state, cause, 0, None, None, None)
        cause = "; ".join(filter(None, (cause, self._filter_words(), self._encoder_words())))
        offset_ns = self._link.clock_offset_ns if self._link else None
        if offset_ns is None:
            return Truth(state, cause, shown.frame_id, now_ns - shown.at_ns, None, None)
        captured_ns = shown.capture_ns - offset_ns
        bound_ns = self._link.clock_bound_ns if self._link else 0
        return Truth(
            state,
            cause,
            shown.frame_id,
            age_ns=max(0, now_ns - captured_ns),
            latency_ns=max(0, shown.at_ns - captured_ns),
            latency_bound_ns=bound_ns,
        )

    def xray(self, now_ns: int) -> XrayState:
        """What the sender's X-ray contact says; nothing, when the sender does not say it now."""
        if self._source is None or self._source_heard_ns is None:
            return XrayState.UNKNOWN
        told = XrayState(self._source.xray)
        is_silent = now_ns - self._source_heard_ns > SOURCE_SILENCE_LIMIT_NS
        return min(told, XrayState.UNKNOWN) if is_silent else told

    def _state(self, now_ns: int) -> tuple[PictureState, str]:
        return (
            self._link_fault(now_ns)
            or self._source_fault(now_ns)
            or self._decoder_fault(now_ns)
            or self._held_or_live(now_ns)
        )

    def _link_fault(self, now_ns: int) -> tuple[PictureState, str] | None:
        if self._link is None or self._link_heard_ns is None:
            return PictureState.LINK_STALLED, "the link is starting"
        if now_ns - self._link_heard_ns > LINK_PROCESS_LIMIT_NS:
            return PictureState.LINK_STALLED, "this box's link process does not answer"
        heard_ns = self._link.last_authenticated_ns
        if heard_ns is None:
            return PictureState.LINK_STALLED, self._link.cause or "waiting for the sender"
        if now_ns - heard_ns > LINK_SILENCE_LIMIT_NS:
            return PictureState.LINK_STALLED, self._link.cause or "nothing arrives from the sender"
        return None

    def _source_fault(self, now_ns: int) -> tuple[PictureState, str] | None:
        if self._source is None or self._source_heard_ns is None:
            return PictureState.CAPTURE_LOST, "the sender has not yet told its state"
        if now_ns - self._source_heard_ns > SOURCE_SILENCE_LIMIT_NS:
            return PictureState.CAPTURE_LOST, "the sender does not tell its state"
        if self._source.state == SourceState.MASKED:
            return PictureState.MASKED, self._source.cause
        if self._source.state in (SourceState.LIVE, SourceState.HELD, SourceState.HELD_WITH_XRAY):
            return None
        return PictureState.CAPTURE_LOST, self._source.cause

    def _decoder_fault(self, now_ns: int) -> tuple[PictureState, str] | None:
        if self._is_display_lost:
            return PictureState.DECODER_STALLED, "the display does not work"
        if self._delivered_unshown_ns is not None and now_ns - self._delivered_unshown_ns > OVERDUE_LIMIT_NS:
            return PictureState.DECODER_STALLED, "images arrive, none is shown"
        overdue = self._announced and now_ns - self._announced[0].at_ns > OVERDUE_LIMIT_NS
        if overdue:
            return PictureState.LINK_STALLED, "images do not arrive whole"
        return None

    def _held_or_live(self, now_ns: int) -> tuple[PictureState, str]:
        assert self._source is not None
        if self._shown is None or self._shown.stream != self._source_stream:
            return PictureState.LINK_STALLED, "waiting for the first image"
        on_screen_ns = now_ns - self._shown.at_ns
        is_held = self._source.state != SourceState.LIVE
        if not is_held and on_screen_ns > LIVE_AGE_LIMIT_NS:
            return PictureState.CAPTURE_LOST, "the source sends no new image and does not say that it holds one"
        if self._source.state == SourceState.HELD_WITH_XRAY:
            return PictureState.HELD_WITH_XRAY, self._source.cause
        for stream, frame_id, doubt in self._doubts:
            if (stream, frame_id) == (self._shown.stream, self._shown.frame_id):
                return PictureState.DEGRADED, doubt
        return PictureState.HELD if is_held else PictureState.LIVE, self._source.cause

    def _filter_words(self) -> str:
        """A filter that is on is always told beside the picture; one that we do not know counts as on."""
        if self._source is None:
            return ""
        known = {state.value: state.words for state in FilterState}
        return known.get(self._source.filter_state, FilterState.ON.words)

    def _encoder_words(self) -> str:
        return self._source.encoder_state.words if self._source is not None else ""

    def _is_shown(self, stream: int, capture_ns: int) -> bool:
        """By its time: frame ids wrap, and begin anywhere when the sender's video process is restarted."""
        shown = self._shown
        return shown is not None and shown.stream == stream and capture_ns <= shown.capture_ns


def view_status(truth: Truth, sequence: int, now_ns: int) -> ViewStatus:
    """The same for the operator's end, as it goes on the wire."""
    knows_latency = truth.latency_ns is not None and truth.latency_bound_ns is not None
    return ViewStatus(
        sequence=sequence,
        sent_ns=now_ns,
        state=truth.state,
        frame_id=truth.frame_id,
        age_ms=NO_PICTURE_MS if truth.age_ns is None else min(truth.age_ns // 1_000_000, NO_PICTURE_MS - 1),
        latency_ms=min((truth.latency_ns or 0) // 1_000_000, NOT_KNOWN_MS - 1) if knows_latency else NOT_KNOWN_MS,
        latency_bound_ms=min(-(-(truth.latency_bound_ns or 0) // 1_000_000), NOT_KNOWN_MS - 1),
        cause=truth.cause,
    )
