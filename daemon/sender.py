"""The sender's half of the corridor, read from top to bottom: capture, picture chain, encode, to the link.

Three threads. `capture` sends each frame through `picture.chain`, which says new, held or withheld; `encode` takes the
newest image and hands the access unit to the link process; `heartbeat` tells the peer what the source does, also when
the other two are stuck. The main thread shows the operator what the expert sees.
"""

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from daemon.channel import Channel
from daemon.config import Config, FilterChoice
from daemon.errors import MaskError
from daemon.log import RepeatedProblem
from daemon.memory import release_compiler_text
from daemon.messages import AccessUnit, EncoderOrder, Event, SourceReport, Statistics, ToVideo, TruthReport
from daemon.picture.chain import Held, New, PictureChain, Withheld
from daemon.picture.encode import ImageEncoder
from daemon.picture.kernel import compiled_at_import
from daemon.picture.layout import LayoutBook
from daemon.picture.layout_file import load_layouts
from daemon.picture.mask import Boxes, require_masked
from daemon.picture.present import DecodedPicture, Presenter, truth_of
from daemon.picture.refine import Refinement
from daemon.picture.safe_filter import SafeFilter
from daemon.picture.source import SourceWatch
from daemon.picture.truth import LINK_PROCESS_LIMIT_NS, Truth
from daemon.queues import LatestSlot
from daemon.stages import Stages, StageTimer
from daemon.states import FilterState, PictureState
from daemon.worker import Supervision
from hw.encoders import X264Encoder
from hw.errors import DeviceError
from hw.ports import CaptureDevice, CaptureTiming, EncodedPicture, GrayPicture
from hw.select import capture_device, display_device

logger = logging.getLogger(__name__)

READ_TIMEOUT_S = 0.1
REOPEN_AFTER_S = 0.3
HEARTBEAT_S = 0.025
HELD_MARGIN_S = 0.001
ENCODE_WAIT_S = 0.1
LINK_FULL_WAIT_S = 0.05
MAX_IMAGE_RATE_HZ = 60.0
RATE_LIMIT_SLACK = 0.9  # of the interval: images come with jitter


def run_sender_video(config: Config, supervision: Supervision, link: Channel[ToVideo]) -> None:
    """The video process of a sender; returns when it is told to stop. Raises CathlinkError for a wrong config."""
    SenderVideo(config, supervision, link).run()


@dataclass(frozen=True, slots=True)
class CapturedImage:
    """An image that was not there before, blank in the boxes of `identity`."""

    pixels: GrayPicture
    capture_ns: int
    identity: Boxes

    def copy(self) -> "CapturedImage":
        """For longer than the chain keeps the pixels."""
        return CapturedImage(self.pixels.copy(), self.capture_ns, self.identity)


class SenderVideo:
    def __init__(self, config: Config, supervision: Supervision, link: Channel[ToVideo]) -> None:
        self._config = config
        self._supervision = supervision
        self._link = link
        layout = config.capture.layout
        self._layouts = load_layouts(Path(layout)) if layout else LayoutBook()
        self._capture: CaptureDevice = capture_device(config.capture.device)
        self._display = display_device(config.display.device)
        self._images: LatestSlot[CapturedImage] = LatestSlot()
        self._operator_pictures: LatestSlot[DecodedPicture] = LatestSlot()
        self._watch = SourceWatch(time.monotonic_ns())
        self._watch_lock = threading.Lock()
        self._timing: CaptureTiming | None = None
        self._order = EncoderOrder(config.encoder.bitrate_bps, None, wants_idr=False)
        self._idr_wanted = threading.Event()
        self._withheld_reason: str | None = None
        self._filter: SafeFilter | None = None
        self._filter_state = FilterState.OFF
        self._last_encoded: CapturedImage | None = None
        self._postponed: CapturedImage | None = None
        self._expert_view = TruthReport(PictureState.LINK_STALLED, "starting", 0, None, None, None, 0)
        self._refinement = Refinement()
        self._encode_time = StageTimer()
        self._captured_to_encoded = StageTimer()
        self._stages = Stages(supervision.stopping, supervision.fail)

    def run(self) -> None:
        self._supervision.listen(on_stop=self._capture.close)
        if compiled := compiled_at_import():
            self._report_event("kernels were compiled while the picture waited", ", ".join(compiled))
        for stage in (self._run_capture, self._run_encode, self._run_heartbeat, self._run_orders, self._run_statistics):
            self._stages.start(stage)
        self._run_operator_view()
        self._capture.close()
        self._stages.join()

    def _report_event(self, what: str, cause: str) -> None:
        self._supervision.report(Event(what, cause, time.monotonic_ns()))

    # --- capture: frames in, new images out ---

    def _run_capture(self) -> None:
        problem = RepeatedProblem(logger)
        while not self._supervision.stopping.is_set():
            try:
                timing = self._timing = self._capture.open()
                with self._watch_lock:
                    self._watch.note_open(timing)
                self._report_event("capture opened", str(timing))
                self._filter = SafeFilter() if self._config.picture.filter is FilterChoice.SAFE else None
                self._read_frames(PictureChain(self._layouts, timing, self._filter))
            except DeviceError as error:
                with self._watch_lock:
                    self._watch.note_lost(str(error))
                problem.note(f"capture: {error}")
            self._capture.close()
            self._supervision.stopping.wait(REOPEN_AFTER_S)

    def _read_frames(self, chain: PictureChain) -> None:
        while not self._supervision.stopping.is_set():
            frame = self._capture.read(READ_TIMEOUT_S)
            if frame is None:
                continue
            match chain.process(frame.pixels):
                case New(picture, identity):
                    self._note_withheld(None)
                    self._note_filter()
                    self._images.put(CapturedImage(picture, frame.capture_ns, identity))
                    with self._watch_lock:
                        self._watch.note_frame(frame.capture_ns, is_new=True)
                case Held():
                    with self._watch_lock:
                        self._watch.note_frame(frame.capture_ns, is_new=False)
                case Withheld(reason):
                    self._note_withheld(reason)
                    with self._watch_lock:
                        self._watch.note_withheld(frame.capture_ns, reason)

    def _note_withheld(self, reason: str | None) -> None:
        before, self._withheld_reason = self._withheld_reason, reason
        if reason is not None and reason != before:
            self._report_event("picture withheld", reason)
        elif reason is None and before is not None:
            self._report_event("picture shown again", before)

    def _note_filter(self) -> None:
        if self._filter is None:
            return
        report = self._filter.report
        with self._watch_lock:
            self._watch.note_filter(report.state)
        before, self._filter_state = self._filter_state, report.state
        if before is not report.state:
            self._report_event(f"noise filter is {report.state.name.lower()}", report.cause)

    # --- encode: the newest image becomes an access unit ---

    def _run_encode(self) -> None:
        problem = RepeatedProblem(logger)
        encoder = ImageEncoder(X264Encoder(), self._config.encoder.preset, lossless=self._config.encoder.lossless)
        while not self._supervision.stopping.is_set():
            image = self._next_to_encode()
            if image is None:
                continue
            if self._last_encoded is None:
                release_compiler_text()  # the capture has found its first new image: its kernels are loaded
            force_idr = self._idr_wanted.is_set()
            self._idr_wanted.clear()
            try:
                require_masked(image.pixels, image.identity)
                with self._encode_time:
                    encoded = encoder.encode(
                        image.pixels,
                        image.capture_ns,
                        image_rate_hz=self._image_rate_hz(),
                        bitrate_bps=self._order.bitrate_bps,
                        force_idr=force_idr,
                    )
            except (DeviceError, MaskError) as error:
                problem.note(f"encoder: {error}")
                self._idr_wanted.set()
                self._supervision.stopping.wait(REOPEN_AFTER_S)
                continue
            self._hand_to_link(image, encoded)

    def _next_to_encode(self) -> CapturedImage | None:
        """A new image; or the last one again, when the source holds it and it can be finer, or an IDR is needed.

        An image that comes too soon for a narrow path waits for its turn or a newer one: it may be the one that stays.
        """
        image = self._images.take(self._wait_for_turn_s())
        if self._withheld_reason is not None:
            self._last_encoded = self._postponed = None  # nor is a picture of before sent again
            return None
        last = self._last_encoded
        if image is None and self._postponed is None:
            return last if self._idr_wanted.is_set() or self._until_refinement_s() <= 0 else None
        self._postponed = image or self._postponed
        if self._wait_for_turn_s() > 0 and not self._idr_wanted.is_set():
            if image is not None:  # it may wait for longer than the chain keeps it
                self._postponed = image.copy()
            return None
        image, self._postponed = self._postponed, None
        return image

    def _wait_for_turn_s(self) -> float:
        """How long a postponed image has to wait yet, by the order's image rate; without one: how long for any."""
        limit_hz, last = self._order.image_rate_hz, self._last_encoded
        if self._postponed is None:
            return max(0.0, min(ENCODE_WAIT_S, self._until_refinement_s()))
        if limit_hz is None or last is None:
            return 0.0
        return max(0.0, (last.capture_ns - time.monotonic_ns()) / 1e9 + RATE_LIMIT_SLACK / limit_hz)

    def _until_refinement_s(self) -> float:
        with self._watch_lock:
            due_ns = self._refinement.due_ns(self._watch.held_from_ns)
        if due_ns is None or self._last_encoded is None or self._config.encoder.lossless:
            return ENCODE_WAIT_S
        return (due_ns - time.monotonic_ns()) / 1e9

    def _image_rate_hz(self) -> float:
        """At which distinct images come, as far as it is known."""
        limit_hz = self._order.image_rate_hz or MAX_IMAGE_RATE_HZ
        interval_ns = self._watch.interval_ns
        if interval_ns:
            return min(1e9 / interval_ns, limit_hz)
        return min(self._timing.rate_hz if self._timing else MAX_IMAGE_RATE_HZ, limit_hz)

    def _hand_to_link(self, image: CapturedImage, encoded: EncodedPicture) -> None:
        with self._watch_lock:
            frame_id = self._watch.note_encoded(image.capture_ns)
        unit = AccessUnit(frame_id, image.capture_ns, encoded.is_idr, encoded.data)
        if not self._link.send(unit, LINK_FULL_WAIT_S):
            self._idr_wanted.set()  # the receiver will miss this one: start a new chain
        now_ns, image_rate_hz = time.monotonic_ns(), self._image_rate_hz()
        is_new = image is not self._last_encoded
        self._refinement.note_encoded(
            now_ns,
            is_new=is_new,
            size_bytes=len(encoded.data),
            image_bytes=self._order.bitrate_bps / image_rate_hz / 8,
            image_rate_hz=image_rate_hz,
        )
        if is_new:
            self._captured_to_encoded.note_ns(now_ns - image.capture_ns)
            self._last_encoded = image.copy()
            self._operator_pictures.put(DecodedPicture(self._last_encoded.pixels, frame_id, 0, image.capture_ns))

    # --- heartbeat: what the source does, told to the receiver ---

    def _run_heartbeat(self) -> None:
        wait_s = HEARTBEAT_S
        while not self._supervision.stopping.wait(wait_s):
            now_ns = time.monotonic_ns()
            with self._watch_lock:
                status = self._watch.assess(now_ns)
                until_held_s = (self._watch.held_from_ns - now_ns) / 1e9
            self._link.send(SourceReport(status))
            # A held image is told as soon as it is one, not a heartbeat later.
            wait_s = min(HEARTBEAT_S, until_held_s + HELD_MARGIN_S) if until_held_s > 0 else HEARTBEAT_S

    # --- orders from the link, and the operator's view ---

    def _run_orders(self) -> None:
        while True:
            match self._link.receive():
                case EncoderOrder() as order:
                    self._order = order
                    if order.wants_idr:
                        self._idr_wanted.set()
                        self._images.wake()
                case TruthReport() as report:
                    is_change = report.state != self._expert_view.state
                    self._expert_view = report
                    if is_change:
                        self._operator_pictures.wake()

    def _run_operator_view(self) -> None:
        Presenter(
            self._display,
            self._operator_pictures,
            shown=lambda picture, now_ns: None,
            lost=lambda: None,
            assess=self._assess_expert_view,
            report=lambda truth, now_ns: None,
        ).run(self._supervision.stopping)

    def _assess_expert_view(self, now_ns: int) -> Truth:
        """What the link last said the expert sees; its silence is told as such."""
        report = self._expert_view
        if now_ns - report.at_ns > LINK_PROCESS_LIMIT_NS:
            return Truth(PictureState.LINK_STALLED, "this box's link process does not answer", 0, None, None, None)
        return truth_of(report, now_ns)

    def _run_statistics(self) -> None:
        frames = images = 0
        while not self._supervision.stopping.wait(1.0):
            watch = self._watch
            figures = {
                "frames_per_s": float(watch.frames - frames),
                "images_per_s": float(watch.images - images),
                "images_dropped": float(self._images.drops),
                "link_pipe_drops": float(self._link.drops),
                "target_kbps": self._order.bitrate_bps / 1000,
                **self._filter_figures(),
                **self._encode_time.figures("encode"),
                **self._captured_to_encoded.figures("captured_to_encoded"),
            }
            frames, images = watch.frames, watch.images
            self._supervision.report(Statistics("video", figures))

    def _filter_figures(self) -> dict[str, float]:
        if self._filter is None:
            return {}
        report = self._filter.report
        return {"filtered_share": report.filtered_share, "noise_levels": report.typical_sigma_levels}
