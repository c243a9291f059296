"""Threads of a worker, one a stage, and how long their work takes."""

import logging
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

from daemon.errors import ChannelClosedError
from hw.errors import CathlinkError, DeviceAddressError

logger = logging.getLogger(__name__)

JOIN_LIMIT_S = 0.5
WINDOW = 256


class Stages:
    """Starts the stages and waits for them. A stage that ends by an exception nobody foresaw takes the process down:
    the supervisor starts a new one, which is better than half a corridor."""

    def __init__(self, stopping: threading.Event, fatal: Callable[[CathlinkError], None]) -> None:
        """`fatal` is told of an address that can never work."""
        self._stopping = stopping
        self._fatal = fatal
        self._threads: list[threading.Thread] = []

    def start(self, name: str, stage: Callable[[], None]) -> None:
        def live() -> None:
            try:
                stage()
            except ChannelClosedError:
                self._stopping.set()
            except DeviceAddressError as error:
                self._fatal(error)
            except BaseException:
                if not self._stopping.is_set():
                    logger.exception("stage %s failed; this process ends", name)
                    os._exit(1)

        thread = threading.Thread(target=live, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(JOIN_LIMIT_S)


class StageTimer:
    """`with timer:` around a stage's work; `quantile_ms` of the last WINDOW times."""

    def __init__(self) -> None:
        self._times_ns: list[int] = []
        self._next = 0
        self._started_ns = 0
        self.last_ns = 0

    def __enter__(self) -> None:
        self._started_ns = time.perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.note_ns(time.perf_counter_ns() - self._started_ns)

    def note_ns(self, elapsed_ns: int) -> None:
        self.last_ns = elapsed_ns
        if len(self._times_ns) < WINDOW:
            self._times_ns.append(elapsed_ns)
        else:
            self._times_ns[self._next] = elapsed_ns
            self._next = (self._next + 1) % WINDOW

    def quantile_ms(self, quantile: float) -> float:
        ordered = sorted(self._times_ns)
        return ordered[int(quantile * (len(ordered) - 1))] / 1e6 if ordered else 0.0

    def figures(self, name: str) -> dict[str, float]:
        return {f"{name}_p{round(100 * q)}_ms": round(self.quantile_ms(q), 3) for q in (0.5, 0.95, 0.99)}
