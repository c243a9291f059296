"""A hardware encoder without hardware, which fails on script: for tests and for trying out what a box does then.

It encodes with libx264. `encoder.device = "fake:FILE"` looks for a fault's name in FILE before each image; a fault
lasts until the encoder is opened anew, and the file is taken away when its fault begins.
"""

import os
import signal
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import numpy as np

from hw.encoders.x264 import X264Encoder
from hw.errors import DeviceError
from hw.ports import EncodedPicture, EncoderSettings, FinerBlocks, Picture, luma_of

STALL_S = 0.5
SLOW_S = 0.06


class EncoderFault(StrEnum):
    """What a driver does when it does not work."""

    RAISES = "raises"
    STALLS = "stalls"
    SILENT = "silent"  # takes images and gives nothing
    NOISE = "noise"  # bytes that are no H.264
    TORN = "torn"  # the access unit's second half is missing
    SCRAMBLED = "scrambled"  # an access unit whose picture data is noise
    STALE = "stale"  # the access unit before, again and again
    ANOTHER_PICTURE = "another picture"  # a good access unit of a picture that nobody gave it
    SLOW = "slow"
    DIES = "dies"  # takes the process down with SIGSEGV


def fault_file(path: Path) -> Callable[[], EncoderFault | None]:
    """The script that a file holds: asked before each image."""

    def next_fault() -> EncoderFault | None:
        try:
            name = path.read_text().strip()
            path.unlink()
        except FileNotFoundError:
            return None
        return EncoderFault(name) if name else None

    return next_fault


class FaultyEncoder:
    """libx264 that does what `next_fault` says."""

    def __init__(self, next_fault: Callable[[], EncoderFault | None]) -> None:
        self._next_fault = next_fault
        self._inner = X264Encoder()
        self._fault: EncoderFault | None = None
        self._before = EncodedPicture(b"", is_idr=False)
        self._never = threading.Event()
        self._random = np.random.default_rng(7)

    def open(self, settings: EncoderSettings) -> None:
        self._fault = None
        self._inner.open(settings)

    def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
        self._fault = self._next_fault() or self._fault
        match self._fault:
            case EncoderFault.RAISES:
                raise DeviceError("the fake encoder raises")
            case EncoderFault.SILENT:
                raise DeviceError("the fake encoder gave 0 access units for one image")
            case EncoderFault.DIES:
                os.kill(os.getpid(), signal.SIGSEGV)
            case EncoderFault.STALLS:
                self._never.wait(STALL_S)
            case EncoderFault.SLOW:
                self._never.wait(SLOW_S)
            case EncoderFault.ANOTHER_PICTURE:
                picture = 255 - luma_of(picture)
            case EncoderFault.STALE if self._before.data:
                return self._before
        encoded = self._inner.encode(picture, force_idr=force_idr, finer=finer)
        self._before = encoded
        return EncodedPicture(self._spoiled(encoded.data), encoded.is_idr)

    def _spoiled(self, data: bytes) -> bytes:
        match self._fault:
            case EncoderFault.NOISE:
                return self._random.bytes(len(data))
            case EncoderFault.TORN:
                return data[: len(data) // 2]
            case EncoderFault.SCRAMBLED:
                head = min(len(data) // 3 + 16, len(data))
                # without a zero, so that no start code is made
                rest = self._random.integers(1, 256, len(data) - head, dtype=np.uint8)
                return data[:head] + rest.tobytes()
        return data

    def set_bitrate(self, bitrate_bps: int) -> None:
        self._inner.set_bitrate(bitrate_bps)

    def close(self) -> None:
        self._inner.close()
