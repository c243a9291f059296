"""The life of one worker process: started, watched, killed when silent, started again, stopped."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Protocol

from daemon.channel import Channel, channel_pair
from daemon.config import Config
from daemon.errors import ChannelClosedError
from daemon.messages import FromWorker, Start, Stop, ToWorker

WORKER_SILENCE_LIMIT_S = 3.0
WORKER_START_ALLOWANCE_S = 10.0  # kernels that no cache holds are compiled first
STOP_LIMIT_S = 0.7  # for each of two workers, so that all end within 2 s
RESTART_DELAYS_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # by how many lives in a row were short
SHORT_LIFE_S = 2.0
# See mallopt(3). One arena a thread would keep freed pictures resident. Left to itself, malloc puts ever larger arrays
# into the heap, where they leave holes; with a fixed limit, it would give the heap's end back after each picture.
WORKER_MALLOC = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "2097152", "MALLOC_TRIM_THRESHOLD_": "8388608"}
USES_STDIO = "video"  # the worker whose devices may be standard input and output


class Box(Protocol):
    """What a worker's life needs of the supervisor."""

    config: Config
    stopping: asyncio.Event

    def note_message(self, worker: "WorkerLife", message: FromWorker) -> None: ...

    def note_event(self, what: str, cause: str) -> None: ...

    def note_death(self, worker: "WorkerLife") -> None: ...


class WorkerLife:
    """One worker process, and the line to it. `pipes`: its ends of pipes, by the worker at the other end."""

    def __init__(self, name: str, pipes: Mapping[str, int], box: Box) -> None:
        self.name = name
        self._pipes = pipes
        self._box = box
        self._started = 0.0
        self._short_lives = 0
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel[FromWorker] | None = None
        self.heard = 0.0
        self.restarts = 0
        self.figures: dict[str, float] = {}
        self.words: dict[str, str] = {}

    async def live(self) -> None:
        """Run the process for as long as the supervisor runs, whatever happens to it."""
        while not self._box.stopping.is_set():
            await self._start()
            assert self.process is not None
            status = await self.process.wait()
            self._hear_last_words()
            if self._box.stopping.is_set():
                return
            self.restarts += 1
            self._box.note_death(self)
            self._box.note_event(f"{self.name} process ended", ending(status))
            await asyncio.sleep(self._restart_delay_s())

    async def _start(self) -> None:
        ours, theirs = channel_pair()
        self.channel = Channel(ours, FromWorker)
        self.channel.send(Start(self._box.config))  # before anybody can `tell` it something
        self.figures, self.words = {}, {}
        self._started = time.monotonic()
        self.heard = self._started + WORKER_START_ALLOWANCE_S
        standard = None if self.name == USES_STDIO else subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "daemon.worker",
            self.name,
            str(theirs.fileno()),
            *(f"{peer}={end}" for peer, end in self._pipes.items()),
            env=os.environ | WORKER_MALLOC,
            pass_fds=(theirs.fileno(), *self._pipes.values()),
            stdin=standard,
            stdout=standard,
        )
        theirs.close()
        asyncio.get_running_loop().add_reader(self.channel.fileno(), self.hear)

    def hear(self) -> None:
        assert self.channel is not None
        try:
            while message := self.channel.receive(timeout_s=0):
                self.heard = time.monotonic()
                self._box.note_message(self, message)
        except ChannelClosedError:
            asyncio.get_running_loop().remove_reader(self.channel.fileno())

    def _hear_last_words(self) -> None:
        assert self.channel is not None
        self.hear()
        asyncio.get_running_loop().remove_reader(self.channel.fileno())
        self.channel.close()

    def _restart_delay_s(self) -> float:
        """At once for one that had worked, however often; one that dies at its start must not keep the machine busy."""
        self._short_lives = self._short_lives + 1 if time.monotonic() - self._started < SHORT_LIFE_S else 0
        return RESTART_DELAYS_S[min(self._short_lives, len(RESTART_DELAYS_S) - 1)]

    def tell(self, message: ToWorker) -> None:
        """If it lives; what it misses it must be told again."""
        if self.channel is not None:
            with contextlib.suppress(ChannelClosedError):
                self.channel.send(message)

    def kill_if_silent(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        if time.monotonic() - self.heard > WORKER_SILENCE_LIMIT_S:
            self._box.note_event(f"{self.name} process killed", f"silent for {WORKER_SILENCE_LIMIT_S:g} s")
            self.process.kill()

    async def stop(self) -> None:
        """Ask, then insist."""
        if self.process is None or self.channel is None or self.process.returncode is not None:
            return
        try:
            self.channel.send(Stop())
            await asyncio.wait_for(self.process.wait(), STOP_LIMIT_S)
        except (ChannelClosedError, TimeoutError):
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself meanwhile
                self.process.kill()
            await self.process.wait()


def ending(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
