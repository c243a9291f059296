"""Which hardware encoder this sender tries, as its configuration says; `auto` asks the probe's verdict."""

import time
from collections.abc import Callable
from pathlib import Path

from daemon.config import Config
from daemon.picture.encoder_choice import EncoderChoice
from daemon.picture.quarantine import Quarantine, QuarantineFile
from daemon.states import EncoderState
from hw.select import hardware_encoder

AUTO, SOFTWARE = "auto", "software"


def encoder_words(state: EncoderState, cause: str) -> str:
    """For the status and the events."""
    match state:
        case EncoderState.HARDWARE:
            return f"{cause} in hardware"
        case EncoderState.FALLBACK:
            return f"libx264 in software, because the hardware encoder failed: {cause}"
        case EncoderState.SOFTWARE:
            return f"libx264 in software: {cause}"


def hardware_offer(config: Config, choice: EncoderChoice, tell: Callable[[str], None]) -> Callable[[], None] | None:
    """Work for a thread that offers the hardware encoder to `choice`; None: there is none to offer.

    `tell` is told in words why not. Raises DeviceAddressError for a name that no encoder has.
    """
    name = config.encoder.device
    if name == SOFTWARE:
        tell(encoder_words(EncoderState.SOFTWARE, "as configured"))
        return None
    if name == AUTO:
        tell(encoder_words(EncoderState.SOFTWARE, "this box has no hardware encoder"))
        return None
    make = hardware_encoder(name)
    store = QuarantineFile(Path(config.status.socket).with_suffix(".encoder.json"))
    retry_after_ns = int(config.encoder.retry_after_s * 1e9)
    quarantine = Quarantine(name, store, retry_after_ns, time.monotonic_ns())
    return lambda: choice.offer(make, quarantine)
