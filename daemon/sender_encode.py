"""The sender's encode stage: the newest image becomes an access unit and goes to the link process. One thread.

Who encodes: see `picture.encoder_choice`.
Which image is next: a new one; or the last one again, when it is held and can be finer, or an IDR is needed.
"""

import logging
import threading
import time
from collections.abc import Callable

from daemon.channel import Channel
from daemon.config import EncoderConfig
from daemon.errors import MaskError
from daemon.guarded import Guarded
from daemon.log import RepeatedProblem
from daemon.memory import release_start_memory
from daemon.messages import AccessUnit, EncoderOrder, ToVideo
from daemon.picture.encode import ImageEncoder
from daemon.picture.encoder_check import EncoderCheck
from daemon.picture.encoder_choice import EncoderChoice
from daemon.picture.mask import require_masked
from daemon.picture.present import DecodedPicture
from daemon.picture.refine import Refinement
from daemon.picture.source import SourceWatch
from daemon.queues import LatestSlot
from daemon.sender_capture import CapturedImage
from daemon.sender_relief import SenderRelief
from daemon.stages import StageTimer
from hw.errors import DeviceError
from hw.ports import EncodedPicture

logger = logging.getLogger(__name__)

ENCODE_WAIT_S = 0.1
LINK_FULL_WAIT_S = 0.05
AGAIN_AFTER_S = 0.3
MAX_IMAGE_RATE_HZ = 60.0
RATE_LIMIT_SLACK = 0.9  # of the interval: images come with jitter


class EncodeStage:
    """`run` is the stage's thread. What was encoded goes to `link`, and its pixels to `operator_pictures`.

    `note_image` is told of each image that was encoded, with its frame id.
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        source: Guarded[SourceWatch],
        images: LatestSlot[CapturedImage],
        encoder: EncoderChoice,
        link: Channel[ToVideo],
        operator_pictures: LatestSlot[DecodedPicture],
        note_image: Callable[[int, CapturedImage], None],
        relief: SenderRelief,
        stopping: threading.Event,
    ) -> None:
        self._config = config
        self._source = source
        self._images = images
        self._link = link
        self._operator_pictures = operator_pictures
        self._note_image = note_image
        self._relief = relief
        self._stopping = stopping
        self._choice = encoder
        self._encoder = ImageEncoder(encoder, config.preset, lossless=config.lossless)
        self._check = EncoderCheck(self._doubt_hardware, stopping)
        self._order = EncoderOrder(config.bitrate_bps, None, wants_idr=False)
        self._idr_wanted = threading.Event()
        self._last_encoded: CapturedImage | None = None
        self._postponed: CapturedImage | None = None
        self._refinement = Refinement()
        self._encode_time = StageTimer()
        self._captured_to_encoded = StageTimer()
        self._overhead = StageTimer()  # of the way from capture to link: all but picture chain and encoder

    def run(self) -> None:
        problem = RepeatedProblem(logger)
        while not self._stopping.is_set():
            image = self._next_image()
            if image is None:
                continue
            if self._last_encoded is None:
                release_start_memory()  # the capture has found its first new image: its kernels are loaded
            try:
                encoded = self._encode(image)
            except (DeviceError, MaskError) as error:
                problem.note(f"encoder: {error}")
                self._idr_wanted.set()
                self._stopping.wait(AGAIN_AFTER_S)
                continue
            self._hand_to_link(image, encoded)
        self._encoder.close()

    def run_check(self) -> None:
        """The thread beside: what a hardware encoder gave is looked at again."""
        self._check.run()

    def take_order(self, order: EncoderOrder) -> None:
        """From any thread: what the link wants."""
        self._order = order
        if order.wants_idr:
            self._idr_wanted.set()
            self._images.wake()

    def figures(self) -> dict[str, float]:
        return {
            "images_dropped": float(self._images.drops),
            "target_kbps": self._order.bitrate_bps / 1000,
            "hardware_images_checked": float(self._check.checked),
            "hardware_images_unchecked": float(self._check.skipped),
            **self._encode_time.figures("encode"),
            **self._captured_to_encoded.figures("captured_to_encoded"),
            **self._overhead.figures("overhead"),
        }

    def _doubt_hardware(self, cause: str) -> None:
        self._choice.doubt(cause)
        self._idr_wanted.set()
        self._images.wake()

    # --- which image is next ---

    def _next_image(self) -> CapturedImage | None:
        """An image that comes too soon for a narrow path waits for its turn or a newer one: it may be the one that
        stays."""
        image = self._images.take(self._wait_for_turn_s())
        with self._source as source:
            is_withheld = source.is_withheld
        if is_withheld:
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
        limit_hz, last = self._limit_hz(), self._last_encoded
        if self._postponed is None:
            return max(0.0, min(ENCODE_WAIT_S, self._until_refinement_s()))
        if limit_hz is None or last is None:
            return 0.0
        return max(0.0, (last.capture_ns - time.monotonic_ns()) / 1e9 + RATE_LIMIT_SLACK / limit_hz)

    def _until_refinement_s(self) -> float:
        with self._source as source:
            due_ns = self._refinement.due_ns(source.held_from_ns)
        if due_ns is None or self._last_encoded is None or self._config.lossless:
            return ENCODE_WAIT_S
        return (due_ns - time.monotonic_ns()) / 1e9

    def _image_rate_hz(self) -> float:
        """At which distinct images are encoded, as far as it is known."""
        with self._source as source:
            rate_hz = source.image_rate_hz
        return min(rate_hz or MAX_IMAGE_RATE_HZ, self._limit_hz() or MAX_IMAGE_RATE_HZ)

    def _limit_hz(self) -> float | None:
        """The lower of what the link wants and what the processor allows; None: no limit."""
        with self._source as source:
            source_rate_hz = source.image_rate_hz
        limits = (self._order.image_rate_hz, self._relief.rate_limit_hz(source_rate_hz or MAX_IMAGE_RATE_HZ))
        return min((limit for limit in limits if limit is not None), default=None)

    # --- from image to access unit to the link ---

    def _encode(self, image: CapturedImage) -> EncodedPicture:
        force_idr = self._idr_wanted.is_set()
        self._idr_wanted.clear()
        require_masked(image.pixels, image.identity)
        self._encoder.set_preset(self._relief.preset)
        with self._encode_time:
            return self._encoder.encode(
                image.pixels,
                image.capture_ns,
                image_rate_hz=self._image_rate_hz(),
                bitrate_bps=self._order.bitrate_bps,
                force_idr=force_idr,
            )

    def _hand_to_link(self, image: CapturedImage, encoded: EncodedPicture) -> None:
        if self._choice.is_accelerated:
            self._check.submit(encoded.data, is_idr=encoded.is_idr)
        with self._source as source:
            frame_id = source.note_encoded(image.capture_ns)
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
            self._note_times(image, now_ns)
            self._last_encoded = image = image.copy()
            self._operator_pictures.put(DecodedPicture(image.pixels, frame_id, 0, image.capture_ns))
        self._note_image(frame_id, image)

    def _note_times(self, image: CapturedImage, now_ns: int) -> None:
        encode_ns = self._encode_time.last_ns
        self._captured_to_encoded.note_ns(now_ns - image.capture_ns)
        self._overhead.note_ns(now_ns - image.capture_ns - image.chain_ns - encode_ns)
        with self._source as source:
            source_rate_hz = source.image_rate_hz
        if source_rate_hz:
            self._relief.note_image(now_ns, image.chain_ns + encode_ns, source_rate_hz)
