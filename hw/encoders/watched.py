"""An encoder that may hang, be slow or give nonsense, made one that fails in time.

The inner encoder runs in a thread of its own. Whoever asks waits for a bounded time: then it gets DeviceError, and the
thread is left behind with whatever its driver does. Each access unit is looked at (`hw.encoders.access_unit`).
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from hw.encoders.access_unit import read_access_unit
from hw.errors import DeviceError
from hw.ports import EncodedPicture, Encoder, EncoderSettings, FinerBlocks, Picture

T = TypeVar("T")

OPEN_LIMIT_S = 5.0
ENCODE_LIMIT_S = 0.1  # an image that takes longer is not waited for
LATENCY_LIMIT_S = 0.04  # or an image interval, if that is shorter: an encoder that takes longer is a growing queue ...
SLOW_IMAGES = 3  # ... when it does so for that many images in a row


class WatchedEncoder:
    """Used by one thread, as every encoder. After a DeviceError it is done with; `is_stuck`: and its driver hangs."""

    def __init__(self, name: str, inner: Encoder, *, encode_limit_s: float = ENCODE_LIMIT_S) -> None:
        self.name = name
        self._inner = inner
        self._encode_limit_s = encode_limit_s
        self._latency_limit_s = LATENCY_LIMIT_S
        self._slow_images = 0
        self._before = b""
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._asked = self._answered = 0
        # No thread pool: Python waits for a pool's threads at its end, and this one may never come back.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_stuck(self) -> bool:
        """Something that it was asked has not come back."""
        return self._asked > self._answered

    def open_beside(self, settings: EncoderSettings) -> "Future[None]":
        """Open it while the caller does other things. The future raises DeviceError."""
        self._slow_images = 0
        self._latency_limit_s = min(LATENCY_LIMIT_S, 1 / settings.image_rate_hz)
        return self._ask(lambda: self._inner.open(settings))

    def open(self, settings: EncoderSettings) -> None:
        self._wait(self.open_beside(settings), OPEN_LIMIT_S, "does not open")

    def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
        started = time.monotonic()
        encoded = self._wait(
            self._ask(lambda: self._inner.encode(picture, force_idr=force_idr, finer=finer)),
            self._encode_limit_s,
            "does not answer",
        )
        head = read_access_unit(encoded.data)
        if encoded.data == self._before and not head.is_idr:
            raise DeviceError(f"{self.name} gave the same access unit again")
        self._before = encoded.data
        if head.is_idr is not encoded.is_idr or (head.is_idr and not head.parameter_sets):
            raise DeviceError(f"{self.name} gave an access unit that is not what it says")
        if force_idr and not head.is_idr:
            raise DeviceError(f"{self.name} gave no IDR when asked for one")
        self._note_latency(time.monotonic() - started)
        return encoded

    def _note_latency(self, took_s: float) -> None:
        self._slow_images = self._slow_images + 1 if took_s > self._latency_limit_s else 0
        if self._slow_images >= SLOW_IMAGES:
            raise DeviceError(f"{self.name} is too slow: {1000 * took_s:.0f} ms for an image")

    def set_bitrate(self, bitrate_bps: int) -> None:
        self._ask(lambda: self._inner.set_bitrate(bitrate_bps))

    def close(self) -> None:
        """Does not wait: a driver that hangs may do so here too."""
        self._ask(self._inner.close)
        self._work.put(None)

    def _ask(self, work: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(_mapped(self.name, error))
            finally:
                self._answered += 1

        self._asked += 1
        self._work.put(do)
        return future

    def _wait(self, future: "Future[T]", limit_s: float, what: str) -> T:
        try:
            return future.result(limit_s)
        except TimeoutError:
            raise DeviceError(f"{self.name} {what} within {1000 * limit_s:.0f} ms") from None

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _mapped(name: str, error: Exception) -> DeviceError:
    return error if isinstance(error, DeviceError) else DeviceError(f"{name} failed ({error})")
