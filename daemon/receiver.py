"""The receiver's half of the corridor, read from top to bottom: from the link, decode, truth, present.

Three threads. `intake` takes what the link process delivers and notes it for picture truth; `decode` turns access units
into pictures and checks them against what was sent; the main thread presents the newest one with its true state, from
its own clock.
"""

import logging
import threading
import time

from daemon.channel import Channel
from daemon.config import Config
from daemon.errors import CodecError
from daemon.log import RepeatedProblem
from daemon.memory import release_start_memory
from daemon.messages import (
    DeliveredUnit,
    LinkReport,
    SmallMessage,
    SourceReport,
    Statistics,
    ToVideo,
    ViewReport,
    VoiceReport,
)
from daemon.picture.decode import Decoder
from daemon.picture.integrity import doubt_about
from daemon.picture.present import DecodedPicture, Presenter, truth_report
from daemon.picture.truth import PictureTruth, Truth, view_status
from daemon.pointing.desk import PointingDesk
from daemon.pointing.history import ImageHistory
from daemon.pointing.table import PointingTable
from daemon.pointing.words import Author
from daemon.queues import BoundedQueue, LatestSlot
from daemon.stages import Stages, StageTimer
from daemon.voice.view import VoiceView
from daemon.worker import Supervision
from hw.ports import Picture, luma_of
from hw.select import display_device

logger = logging.getLogger(__name__)

DECODE_WAIT_S = 0.1
UNITS_WAITING = 12  # more than this and the decoder will not catch up: start again at an IDR


def run_receiver_video(config: Config, supervision: Supervision, link: Channel[ToVideo]) -> None:
    """The video process of a receiver; returns when it is told to stop. Raises CathlinkError for a wrong config."""
    ReceiverVideo(config, supervision, link).run()


class ReceiverVideo:
    def __init__(self, config: Config, supervision: Supervision, link: Channel[ToVideo]) -> None:
        self._supervision = supervision
        self._link = link
        self._display = display_device(config.display.device)
        self._units: BoundedQueue[DeliveredUnit] = BoundedQueue(UNITS_WAITING)
        self._pictures: LatestSlot[DecodedPicture] = LatestSlot()
        self._truth = PictureTruth()
        self._truth_lock = threading.Lock()
        self._idr_wanted = threading.Event()
        self._sequence = 0
        self._clock_offset_ns: int | None = None
        self._source_state: int | None = None
        self._encoder_words = ""
        self._shown_capture_ns: int | None = None
        self._decode_time = StageTimer()
        self._check_time = StageTimer()
        self._captured_to_delivered = StageTimer()
        self._captured_to_shown = StageTimer()
        self._stages = Stages(supervision.stopping, supervision.fail)
        self._history = ImageHistory()
        self._pointing = PointingDesk(
            PointingTable(Author.RECEIVER, self._history, catheter_french=config.pointing.catheter_french), link.send
        )
        self._voice = VoiceView()
        self._presenter = Presenter(
            self._display,
            self._pictures,
            shown=self._note_shown,
            lost=self._note_display_lost,
            assess=self._assess,
            report=self._report,
            pointing=self._pointing,
            voice_words=self._voice.words,
        )

    def run(self) -> None:
        self._supervision.listen(on_stop=self._pictures.wake)
        release_start_memory()  # the kernels are loaded
        self._idr_wanted.set()  # a new decoder knows no picture
        self._stages.start("intake", self._run_intake)
        self._stages.start("decode", self._run_decode)
        self._stages.start("statistics", self._run_statistics)
        self._presenter.run(self._supervision.stopping)
        self._stages.join()

    # --- intake: what the link delivers ---

    def _run_intake(self) -> None:
        while True:
            message = self._link.receive()
            now_ns = time.monotonic_ns()
            match message:
                case DeliveredUnit() as unit:
                    with self._truth_lock:
                        self._truth.note_delivered(now_ns)
                    if self._clock_offset_ns is not None:
                        self._captured_to_delivered.note_ns(now_ns + self._clock_offset_ns - unit.capture_ns)
                    if not self._units.put(unit):
                        self._units.clear()
                        self._idr_wanted.set()
                case LinkReport() as report:
                    self._clock_offset_ns = report.clock_offset_ns
                    with self._truth_lock:
                        self._truth.note_link(report, now_ns)
                case SmallMessage() as small:
                    self._pointing.take_message(small, now_ns)
                    self._pictures.wake()
                case VoiceReport() as report:
                    self._voice.note(report, now_ns)
                case SourceReport() as report:
                    with self._truth_lock:
                        self._truth.note_source(report.status, report.stream, now_ns)
                    self._encoder_words = f"at the sender: {report.status.encoder_state.name.lower()}"
                    if report.status.state != self._source_state:
                        self._source_state = report.status.state
                        self._pictures.wake()  # it must be on the screen now, not with the next picture

    # --- decode: access units become pictures ---

    def _run_decode(self) -> None:
        problem = RepeatedProblem(logger)
        decoder = Decoder()
        while not self._supervision.stopping.is_set():
            unit = self._units.take(DECODE_WAIT_S)
            if unit is None or (self._idr_wanted.is_set() and not unit.is_idr):
                continue
            try:
                with self._decode_time:
                    pixels = decoder.decode(unit.data)
            except CodecError as error:
                problem.note(f"decoder: {error}")
                decoder = Decoder()
                self._idr_wanted.set()
                continue
            if unit.is_idr:
                self._idr_wanted.clear()
            self._history.note(unit.frame_id, pixels, self._born_ns(unit))
            self._pictures.put(DecodedPicture(pixels, unit.frame_id, unit.stream, unit.capture_ns))
            self._check(pixels, unit)

    def _born_ns(self, unit: DeliveredUnit) -> int:
        """When the image was captured, on our clock; as long as that is not known, when it came."""
        return unit.delivered_ns if self._clock_offset_ns is None else unit.capture_ns - self._clock_offset_ns

    def _check(self, pixels: Picture, unit: DeliveredUnit) -> None:
        """While it goes to the screen: half a millisecond is not worth the wait, and DEGRADED is told right after."""
        with self._check_time:
            doubt = doubt_about(luma_of(pixels), unit.data)
        if doubt:
            self._history.note_doubt(unit.frame_id, f"DEGRADED: {doubt}")
            with self._truth_lock:
                self._truth.note_doubt(unit.frame_id, unit.stream, doubt)
            self._pictures.wake()

    # --- truth and presentation: see picture.present ---

    def _note_shown(self, picture: DecodedPicture, now_ns: int) -> None:
        with self._truth_lock:
            self._truth.note_shown(picture.frame_id, picture.stream, picture.capture_ns, now_ns)
        is_same_image = picture.capture_ns == self._shown_capture_ns  # encoded again: it was shown before
        self._shown_capture_ns = picture.capture_ns
        if self._clock_offset_ns is not None and not is_same_image:
            self._captured_to_shown.note_ns(now_ns + self._clock_offset_ns - picture.capture_ns)

    def _note_display_lost(self) -> None:
        with self._truth_lock:
            self._truth.note_display_lost()

    def _assess(self, now_ns: int) -> Truth:
        with self._truth_lock:
            return self._truth.assess(now_ns)

    def _report(self, truth: Truth, now_ns: int) -> None:
        """What the expert sees, to the operator by way of the link, and to the supervisor."""
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        self._link.send(ViewReport(view_status(truth, self._sequence, now_ns), self._idr_wanted.is_set()))
        with self._truth_lock:
            xray = self._truth.xray(now_ns)
        self._supervision.report(truth_report(truth, now_ns, xray))

    def _run_statistics(self) -> None:
        shown = 0
        while not self._supervision.stopping.wait(1.0):
            figures = {
                "pictures_per_s": float(self._presenter.pictures_shown - shown),
                "pictures_dropped": float(self._pictures.drops),
                "units_waiting_peak": float(self._units.peak),
                "units_dropped": float(self._units.drops),
                **self._decode_time.figures("decode"),
                **self._check_time.figures("check"),
                **self._captured_to_delivered.figures("captured_to_delivered"),
                **self._captured_to_shown.figures("captured_to_shown"),
            }
            shown = self._presenter.pictures_shown
            self._supervision.report(Statistics("video", figures, {"encoder": self._encoder_words}))
