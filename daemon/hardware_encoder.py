"""Which hardware encoder this sender tries, as its configuration says; "auto" asks the verdict of `cathlink probe`."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from daemon.config import Config
from daemon.encoder_verdict import BESIDE_A_PICTURE, find_verdict, load_verdict, save_verdict, verdict_path
from daemon.picture.encoder_choice import EncoderChoice
from daemon.picture.quarantine import Quarantine, QuarantineFile
from daemon.states import EncoderState
from hw.encoders.obstacle import obstacle
from hw.encoders.table import ACCELERATORS
from hw.select import hardware_encoder

logger = logging.getLogger(__name__)

AUTO, SOFTWARE = "auto", "software"
PROBE_AFTER_S = 3.0  # the picture comes first


def encoder_words(state: EncoderState, cause: str) -> str:
    """For the status and the events."""
    match state:
        case EncoderState.HARDWARE:
            return f"{cause} in hardware"
        case EncoderState.FALLBACK:
            return f"libx264 in software, because the hardware encoder failed: {cause}"
        case EncoderState.SOFTWARE:
            return f"libx264 in software: {cause}"


class HardwareOffer:
    """`run` is a thread's work: it offers the configured or the best hardware encoder to `choice`, and ends.

    `tell` is told in words when there is none. Raises DeviceAddressError for a name that no encoder has.
    """

    def __init__(
        self, config: Config, choice: EncoderChoice, tell: Callable[[str], None], stopping: threading.Event
    ) -> None:
        self._name = config.encoder.device
        if self._name not in (AUTO, SOFTWARE):
            hardware_encoder(self._name)
        self._record = QuarantineFile(Path(config.status.socket).with_suffix(".encoder.json"))
        self._retry_after_ns = int(config.encoder.retry_after_s * 1e9)
        self._choice = choice
        self._tell = tell
        self._stopping = stopping

    def run(self) -> None:
        name = self._best_here() if self._name == AUTO else self._name
        if name is None:
            return
        if name == SOFTWARE:
            self._tell(encoder_words(EncoderState.SOFTWARE, "as configured"))
            return
        quarantine = Quarantine(name, self._record, self._retry_after_ns, time.monotonic_ns())
        self._choice.offer(hardware_encoder(name), quarantine)

    def _best_here(self) -> str | None:
        if all(obstacle(entry) for entry in ACCELERATORS):  # most boxes: nothing to be tried
            self._tell(encoder_words(EncoderState.SOFTWARE, "this box has no hardware encoder"))
            return None
        verdict = load_verdict(verdict_path())
        if verdict is None:
            if self._stopping.wait(PROBE_AFTER_S):
                return None
            verdict = find_verdict(self._stopping, BESIDE_A_PICTURE)
            if self._stopping.is_set():
                return None
            try:
                save_verdict(verdict_path(), verdict)
            except OSError as error:
                logger.warning("%s cannot be written (%s)", verdict_path(), error.strerror)
        if verdict.best_hardware is None:
            self._tell(encoder_words(EncoderState.SOFTWARE, "the best that works in this box, says 'cathlink probe'"))
        return verdict.best_hardware
