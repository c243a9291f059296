"""The last stage: the picture and its true state on a screen, drawn from this stage's own clock.

The banner moves on also when nothing else does: at least every TICK_S the truth is assessed anew, drawn, and reported.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from daemon.log import RepeatedProblem
from daemon.messages import TruthReport
from daemon.picture.truth import Truth
from daemon.pointing.desk import PointingDesk
from daemon.queues import LatestSlot
from daemon.states import PictureState
from hw.errors import DeviceError
from hw.ports import Banner, Display, Picture, Tone
from hw.serial.ports import XrayState

logger = logging.getLogger(__name__)

TICK_S = 0.04
REOPEN_AFTER_S = 0.5
REPORT_AT_LEAST_NS = 35_000_000  # a presenter at which somebody works draws more often than that
GREEN_LATENCY_NS = 150_000_000
AMBER_LATENCY_NS = 250_000_000

_TONES = {
    PictureState.LIVE: Tone.GOOD,
    PictureState.HELD: Tone.NOTICE,
    PictureState.DEGRADED: Tone.WARNING,
}


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture ready to show. `capture_ns` is the sender's clock."""

    pixels: Picture
    frame_id: int
    stream: int
    capture_ns: int


class Presenter:
    """Owns the display. `run` is the stage's thread.

    `shown` is called with each new picture and its time just before it is drawn, `lost` when the display failed and
    shows nothing; `assess` says what is true now; `report` is told so at every tick.
    `pointing`: the table at which this display's people sit. `voice_words`: how the call stands, for the banner.
    """

    def __init__(
        self,
        display: Display,
        pictures: LatestSlot[DecodedPicture],
        *,
        shown: Callable[[DecodedPicture, int], None],
        lost: Callable[[], None],
        assess: Callable[[int], Truth],
        report: Callable[[Truth, int], None],
        pointing: PointingDesk,
        voice_words: Callable[[int], str] = lambda now_ns: "",
    ) -> None:
        self._display = display
        self._pictures = pictures
        self._shown = shown
        self._lost = lost
        self._assess = assess
        self._report = report
        self._pointing = pointing
        self._voice_words = voice_words
        self._problem = RepeatedProblem(logger)
        self._on_screen: DecodedPicture | None = None
        self._on_screen_since_ns = 0
        self._reported_ns = 0
        self._reported_state: PictureState | None = None
        self.pictures_shown = 0

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._display.open()
                self._show_again()
                while not stopping.is_set():
                    self._show_next()
            except DeviceError as error:
                self._problem.note(f"display: {error}")
                self._lost()
                self._tell_without_display(stopping)
            finally:
                self._display.close()

    def _show_next(self) -> None:
        picture = self._pictures.take(self._pointing.tick_s(TICK_S, time.monotonic_ns()))
        now_ns = time.monotonic_ns()
        if picture is not None:
            self._on_screen, self._on_screen_since_ns = picture, now_ns
            self.pictures_shown += 1
            self._shown(picture, now_ns)
        self._draw(now_ns, is_new=picture is not None)

    def _show_again(self) -> None:
        """A display that was opened anew shows nothing. The last picture comes back with the age that it has."""
        if self._on_screen is not None:
            self._shown(self._on_screen, self._on_screen_since_ns)
            self._draw(time.monotonic_ns(), is_new=True)

    def _draw(self, now_ns: int, *, is_new: bool) -> None:
        truth = self._assess(now_ns)
        picture = self._on_screen
        pixels, frame_id = (picture.pixels, picture.frame_id) if picture else (None, None)
        overlay = self._pointing.work(self._display, frame_id, pixels, now_ns)
        self._display.show(pixels, banner_of(truth, self._voice_words(now_ns)), is_new=is_new, overlay=overlay)
        if is_new or truth.state != self._reported_state or now_ns - self._reported_ns >= REPORT_AT_LEAST_NS:
            self._reported_ns, self._reported_state = now_ns, truth.state
            self._report(truth, now_ns)

    def _tell_without_display(self, stopping: threading.Event) -> None:
        """Nothing can be shown for a while: the others must know it all the same."""
        until_ns = time.monotonic_ns() + int(REOPEN_AFTER_S * 1e9)
        while not stopping.wait(TICK_S) and (now_ns := time.monotonic_ns()) < until_ns:
            self._report(self._assess(now_ns), now_ns)


def banner_of(truth: Truth, voice_words: str = "") -> Banner:
    """The call stands behind the cause: the picture's truth comes first."""
    return Banner(
        tone=_TONES.get(truth.state, Tone.ALARM),
        state=truth.state.words,
        cause=" - ".join(words for words in (truth.cause, voice_words) if words),
        age_ms=_milliseconds(truth.age_ns),
        latency_ms=_milliseconds(truth.latency_ns),
        latency_bound_ms=_milliseconds(truth.latency_bound_ns),
        latency_tone=_latency_tone(truth.latency_ns),
    )


def truth_report(truth: Truth, now_ns: int, xray: XrayState = XrayState.UNKNOWN) -> TruthReport:
    """The same for the supervisor, with X-ray's state where that is known from the peer."""
    return TruthReport(
        state=truth.state,
        cause=truth.cause,
        frame_id=truth.frame_id,
        age_ms=_milliseconds(truth.age_ns),
        latency_ms=_milliseconds(truth.latency_ns),
        latency_bound_ms=_milliseconds(truth.latency_bound_ns),
        at_ns=now_ns,
        xray=xray,
    )


def truth_of(report: TruthReport, now_ns: int) -> Truth:
    """A truth as another process reported it, its age brought up to now."""
    since_ns = now_ns - report.at_ns
    return Truth(
        PictureState(report.state),
        report.cause,
        report.frame_id,
        age_ns=None if report.age_ms is None else report.age_ms * 1_000_000 + since_ns,
        latency_ns=None if report.latency_ms is None else report.latency_ms * 1_000_000,
        latency_bound_ns=None if report.latency_bound_ms is None else report.latency_bound_ms * 1_000_000,
    )


def _milliseconds(ns: int | None) -> int | None:
    return None if ns is None else round(ns / 1e6)


def _latency_tone(latency_ns: int | None) -> Tone:
    if latency_ns is None:
        return Tone.NOTICE
    if latency_ns <= GREEN_LATENCY_NS:
        return Tone.GOOD
    return Tone.WARNING if latency_ns <= AMBER_LATENCY_NS else Tone.ALARM
