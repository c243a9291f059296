"""The sender's half of the corridor: capture, picture chain, encode, to the link; put together here.

`sender_capture` sends each frame through `picture.chain` and keeps the newest image; `sender_encode` takes it and hands
the access unit to the link process; `heartbeat` tells the peer what the source does, also when the other two are stuck.
The main thread shows the operator what the expert sees.
"""

import time
from pathlib import Path

from daemon.channel import Channel
from daemon.config import Config
from daemon.guarded import Guarded
from daemon.hardware_encoder import HardwareOffer, encoder_words
from daemon.messages import (
    EncoderOrder,
    Event,
    SmallMessage,
    SourceReport,
    Statistics,
    ToVideo,
    TruthReport,
    VoiceReport,
    XrayReport,
)
from daemon.picture.encoder_choice import EncoderChoice
from daemon.picture.kernel import compiled_at_import
from daemon.picture.layout import LayoutBook
from daemon.picture.layout_file import load_layouts
from daemon.picture.present import DecodedPicture, Presenter, truth_of
from daemon.picture.source import SourceWatch
from daemon.picture.truth import LINK_PROCESS_LIMIT_NS, Truth
from daemon.pointing.desk import PointingDesk
from daemon.pointing.history import ImageHistory
from daemon.pointing.scene import SceneWatch
from daemon.pointing.table import PointingTable
from daemon.pointing.words import Author
from daemon.queues import LatestSlot
from daemon.sender_capture import CapturedImage, CaptureStage
from daemon.sender_encode import EncodeStage
from daemon.sender_relief import SenderRelief
from daemon.stages import Stages
from daemon.states import EncoderState, PictureState
from daemon.voice.view import VoiceView
from daemon.worker import Supervision
from hw.encoders.x264 import X264Encoder
from hw.select import capture_device, display_device
from hw.sensors import LinuxSensors

HEARTBEAT_S = 0.025
HELD_MARGIN_S = 0.001


def run_sender_video(config: Config, supervision: Supervision, link: Channel[ToVideo]) -> None:
    """The video process of a sender; returns when it is told to stop. Raises CathlinkError for a wrong config."""
    SenderVideo(config, supervision, link).run()


class SenderVideo:
    def __init__(self, config: Config, supervision: Supervision, link: Channel[ToVideo]) -> None:
        self._supervision = supervision
        self._link = link
        self._display = display_device(config.display.device)
        self._operator_pictures: LatestSlot[DecodedPicture] = LatestSlot()
        self._expert_view = TruthReport(PictureState.LINK_STALLED, "starting", 0, None, None, None, 0)
        self._source = Guarded(SourceWatch(time.monotonic_ns()))
        self._encoder = EncoderChoice(X264Encoder(), note_state=self._note_encoder)
        self._encoder_words = ""
        self._hardware = HardwareOffer(config, self._encoder, self._tell_encoder, supervision.stopping)
        images: LatestSlot[CapturedImage] = LatestSlot()
        self._history = ImageHistory()
        self._scenes = SceneWatch()
        layout = config.capture.layout
        self._capture = CaptureStage(
            capture_device(config.capture.device),
            load_layouts(Path(layout)) if layout else LayoutBook(),
            config.picture.filter,
            config.capture.colour,
            source=self._source,
            images=images,
            report_event=self._report_event,
            stopping=supervision.stopping,
        )
        self._relief = SenderRelief(
            config.encoder, config.picture.filter, self._capture.give_up_filter, self._report_event
        )
        self._encode = EncodeStage(
            config.encoder,
            source=self._source,
            images=images,
            encoder=self._encoder,
            link=link,
            operator_pictures=self._operator_pictures,
            note_image=self._note_image,
            relief=self._relief,
            stopping=supervision.stopping,
        )
        self._pointing = PointingDesk(
            PointingTable(Author.SENDER, self._history, catheter_french=config.pointing.catheter_french), link.send
        )
        self._voice = VoiceView()
        self._stages = Stages(supervision.stopping, supervision.fail)

    def run(self) -> None:
        self._supervision.listen(on_stop=self._capture.close, on_xray=self._note_xray)
        if compiled := compiled_at_import():
            self._report_event("kernels were compiled while the picture waited", ", ".join(compiled))
        self._stages.start("capture", self._capture.run)
        self._stages.start("encode", self._encode.run)
        self._stages.start("encoder check", self._encode.run_check)
        self._stages.start("encoder offer", self._hardware.run)
        self._stages.start("heartbeat", self._run_heartbeat)
        self._stages.start("orders", self._run_orders)
        self._stages.start("statistics", self._run_statistics)
        self._run_operator_view()
        self._capture.close()
        self._stages.join()

    def _report_event(self, what: str, cause: str) -> None:
        self._supervision.report(Event(what, cause, time.monotonic_ns()))

    def _note_encoder(self, state: EncoderState, cause: str) -> None:
        """From the encode stage: another encoder from the next image on."""
        with self._source as source:
            source.note_encoder(state)
        self._tell_encoder(encoder_words(state, cause))

    def _tell_encoder(self, words: str) -> None:
        """Who encodes and why, for people."""
        if words != self._encoder_words:
            self._encoder_words = words
            self._report_event("encoder", words)

    def _note_xray(self, report: XrayReport) -> None:
        with self._source as source:
            source.note_xray(report)

    def _note_image(self, frame_id: int, image: CapturedImage) -> None:
        """After it went to the link: what of it pointing must know."""
        self._history.note(frame_id, image.pixels, image.capture_ns)
        if self._scenes.note(image.pixels, image.capture_ns):
            self._pointing.set_scene(frame_id)

    # --- heartbeat: what the source does, told to the receiver ---

    def _run_heartbeat(self) -> None:
        wait_s = HEARTBEAT_S
        while not self._supervision.stopping.wait(wait_s):
            now_ns = time.monotonic_ns()
            with self._source as source:
                status = source.assess(now_ns)
                until_held_s = (source.held_from_ns - now_ns) / 1e9
            self._link.send(SourceReport(status))
            # A held image is told as soon as it is one, not a heartbeat later.
            wait_s = min(HEARTBEAT_S, until_held_s + HELD_MARGIN_S) if until_held_s > 0 else HEARTBEAT_S

    # --- orders from the link, and the operator's view ---

    def _run_orders(self) -> None:
        while True:
            match self._link.receive():
                case EncoderOrder() as order:
                    self._encode.take_order(order)
                case SmallMessage() as small:
                    self._pointing.take_message(small, time.monotonic_ns())
                    self._operator_pictures.wake()
                case VoiceReport() as voice:
                    self._voice.note(voice, time.monotonic_ns())
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
            pointing=self._pointing,
            voice_words=self._voice.words,
        ).run(self._supervision.stopping)

    def _assess_expert_view(self, now_ns: int) -> Truth:
        """What the link last said the expert sees; its silence is told as such."""
        report = self._expert_view
        if now_ns - report.at_ns > LINK_PROCESS_LIMIT_NS:
            return Truth(PictureState.LINK_STALLED, "this box's link process does not answer", 0, None, None, None)
        return truth_of(report, now_ns)

    def _run_statistics(self) -> None:
        frames_before = images_before = 0
        sensors = LinuxSensors(folders=())
        while not self._supervision.stopping.wait(1.0):
            self._relief.is_throttled = bool(sensors.read().is_throttled)
            with self._source as source:
                frames, images = source.frames, source.images
            figures = {
                "frames_per_s": float(frames - frames_before),
                "images_per_s": float(images - images_before),
                "link_pipe_drops": float(self._link.drops),
                **self._capture.figures(),
                **self._encode.figures(),
            }
            frames_before, images_before = frames, images
            self._supervision.report(
                Statistics("video", figures, {"encoder": self._encoder_words, "given up": self._relief.words})
            )
