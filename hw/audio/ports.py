"""What a sound card is to the rest: a microphone and a speaker, each with a clock of its own."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
BLOCK_SAMPLES = 480
"""10 ms: what a microphone delivers at a time, and the grain of all that is done to its voice."""

PLAYED_SAMPLES = 240
"""5 ms: what a speaker asks for at a time. It holds three of them, which is all latency."""

Samples = npt.NDArray[np.float32]
"""One channel at RATE_HZ, C-contiguous, full scale -1.0 .. 1.0."""

Take = Callable[[Samples], None]
"""Told of each block that a microphone recorded; the block may be reused after the call."""

Fill = Callable[[Samples], None]
"""Writes the next block that a speaker will play."""


class Microphone(Protocol):
    """`take` is called from a thread of the device's, which it must not hold up for more than a few milliseconds."""

    def open(self, take: Take) -> None:
        """Open or reopen. Raises DeviceError with a reason that the operator understands ("not plugged in")."""
        ...

    @property
    def is_alive(self) -> bool:
        """False when it is not open, or has stopped delivering: unplugged. Close and open it again."""
        ...

    @property
    def xruns(self) -> int:
        """How often samples were lost between the card and this process."""
        ...

    def close(self) -> None:
        """Release the device. Harmless when it is not open; `take` is not called after it returned."""
        ...


class Speaker(Protocol):
    """As Microphone, the other way round."""

    def open(self, fill: Fill) -> None: ...

    @property
    def is_alive(self) -> bool: ...

    @property
    def xruns(self) -> int: ...

    def close(self) -> None: ...


class AudioDevices(Protocol):
    """Both, and what is plugged in."""

    @property
    def microphone(self) -> Microphone: ...

    @property
    def speaker(self) -> Speaker: ...

    def has_news(self) -> bool:
        """Whether a sound card came or went since the last `rescan`."""
        ...

    def rescan(self) -> None:
        """Look again what is plugged in. Both devices must be closed."""
        ...
