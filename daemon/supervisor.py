"""Starts the workers, watches them, starts them again, and tells the world how they are.

Rules. A worker may die at any moment; the others go on and it is started again at once, later if it dies at its start.
A worker that is silent for WORKER_SILENCE_LIMIT_S is killed and counts as dead. What a dead worker last said is
never repeated as if it were true: `status` says what its silence means for the picture.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque

from daemon.channel import Channel, channel_pair
from daemon.config import Config, Role
from daemon.errors import ChannelClosedError
from daemon.messages import Event, Failed, FromWorker, Start, Statistics, Stop, TruthReport
from daemon.states import PictureState
from daemon.status import StatusServer
from daemon.systemd import SystemdNotifier

logger = logging.getLogger(__name__)

WORKERS = ("link", "video")
WORKER_SILENCE_LIMIT_S = 3.0
WORKER_START_ALLOWANCE_S = 10.0  # kernels that no cache holds are compiled first
STOP_LIMIT_S = 0.7  # for each of two workers, so that all end within 2 s
RESTART_DELAYS_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # by how many lives in a row were short
SHORT_LIFE_S = 2.0
TRUTH_LIMIT_NS = 250_000_000
EVENTS_KEPT = 256


class Worker:
    """One worker process and the supervisor's line to it."""

    def __init__(self, name: str, peer_fd: int, supervisor: "Supervisor") -> None:
        self.name = name
        self._peer_fd = peer_fd
        self._supervisor = supervisor
        self._started = 0.0
        self._short_lives = 0
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel[FromWorker] | None = None
        self.heard = 0.0
        self.restarts = 0
        self.figures: dict[str, float] = {}

    async def live(self) -> None:
        """Run the process for as long as the supervisor runs, whatever happens to it."""
        while not self._supervisor.stopping.is_set():
            await self._start()
            assert self.process is not None
            status = await self.process.wait()
            self._hear_last_words()
            if self._supervisor.stopping.is_set():
                return
            self.restarts += 1
            self._supervisor.forget_truth_of(self.name)
            self._supervisor.note_event(f"{self.name} process ended", _ending(status))
            await asyncio.sleep(self._restart_delay_s())

    async def _start(self) -> None:
        ours, theirs = channel_pair()
        self.channel = Channel(ours, FromWorker)
        self.figures = {}
        self._started = time.monotonic()
        self.heard = self._started + WORKER_START_ALLOWANCE_S
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "daemon.worker",
            self.name,
            str(theirs.fileno()),
            str(self._peer_fd),
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},  # one arena a thread would keep freed pictures resident
            pass_fds=(theirs.fileno(), self._peer_fd),
            stdin=None if self.name == "video" else subprocess.DEVNULL,
            stdout=None if self.name == "video" else subprocess.DEVNULL,
        )
        theirs.close()
        self.channel.send(Start(self._supervisor.config))
        asyncio.get_running_loop().add_reader(self.channel.fileno(), self.hear)

    def hear(self) -> None:
        assert self.channel is not None
        try:
            while message := self.channel.receive(timeout_s=0):
                self.heard = time.monotonic()
                self._supervisor.note_message(self, message)
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

    def kill_if_silent(self) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        if time.monotonic() - self.heard > WORKER_SILENCE_LIMIT_S:
            self._supervisor.note_event(f"{self.name} process killed", f"silent for {WORKER_SILENCE_LIMIT_S:g} s")
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


class Supervisor:
    """The appliance's first process. `run` returns the exit code."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stopping = asyncio.Event()
        self._link_end, self._video_end = channel_pair()
        ends = {"link": self._link_end, "video": self._video_end}
        self._workers = {name: Worker(name, ends[name].fileno(), self) for name in WORKERS}
        self._truth: TruthReport | None = None
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._exit_code = 0
        self._failure = ""
        self._systemd = SystemdNotifier()
        self._status = StatusServer(config.status.socket, self.snapshot)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        await self._status.start()
        lives = [asyncio.create_task(worker.live()) for worker in self._workers.values()]
        care = asyncio.create_task(self._care())
        await self.stopping.wait()
        self._systemd.stopping()
        # The video first: nothing new enters a link that is about to close.
        await self._workers["video"].stop()
        await self._workers["link"].stop()
        care.cancel()
        await asyncio.gather(care, *lives, return_exceptions=True)
        await self._status.stop()
        if self._failure:
            print(f"cathlink: {self._failure}", file=sys.stderr)
        return self._exit_code

    async def _care(self) -> None:
        """The supervisor's own heartbeat: silent workers, and systemd's watchdog."""
        while True:
            for worker in self._workers.values():
                worker.kill_if_silent()
            if all(worker.figures for worker in self._workers.values()):
                self._systemd.ready()
            state, cause = self.truth_now()
            self._systemd.alive(f"{state.words}{': ' + cause if cause else ''}")
            await asyncio.sleep(0.25)

    def note_message(self, worker: Worker, message: FromWorker) -> None:
        match message:
            case Statistics():
                worker.figures = message.figures
            case TruthReport():
                self._note_truth(message)
            case Event():
                self.note_event(message.what, message.cause)
            case Failed():
                self._failure, self._exit_code = message.problem, message.exit_code
                self.stopping.set()

    def note_event(self, what: str, cause: str) -> None:
        logger.info("%s%s", what, f": {cause}" if cause else "")
        self.events.append(Event(what, cause, time.monotonic_ns()))

    def _note_truth(self, report: TruthReport) -> None:
        if self._truth is None or report.state != self._truth.state:
            self.note_event(f"picture is {PictureState(report.state).words}", report.cause)
        self._truth = report

    def forget_truth_of(self, worker: str) -> None:
        """A worker has died: what it said of the picture died with it."""
        if worker == self._reporter:
            self._truth = None

    @property
    def _reporter(self) -> str:
        """The worker that knows the picture's truth at this end."""
        return "video" if self.config.role is Role.RECEIVER else "link"

    def truth_now(self) -> tuple[PictureState, str]:
        """The picture's state; a reporter that is silent does not leave its last good word standing."""
        report = self._truth
        if report is None or time.monotonic_ns() - report.at_ns > TRUTH_LIMIT_NS:
            if self._reporter == "video":
                return PictureState.DECODER_STALLED, "the video process does not answer"
            return PictureState.LINK_STALLED, "the link process does not answer"
        return PictureState(report.state), report.cause

    def snapshot(self) -> dict[str, object]:
        """What `cathlink status` shows."""
        state, cause = self.truth_now()
        report = self._truth
        since_ms = (time.monotonic_ns() - report.at_ns) // 1_000_000 if report else 0
        return {
            "role": str(self.config.role),
            "pid": os.getpid(),
            "picture": {
                "state": state.words,
                "cause": cause,
                "frame_id": report.frame_id if report else None,
                "age_ms": report.age_ms + since_ms if report and report.age_ms is not None else None,
                "latency_ms": report.latency_ms if report else None,
                "latency_bound_ms": report.latency_bound_ms if report else None,
            },
            "workers": {
                worker.name: {
                    "pid": worker.process.pid if worker.process else None,
                    "restarts": worker.restarts,
                    "figures": worker.figures,
                }
                for worker in self._workers.values()
            },
            "events": [
                {"what": event.what, "cause": event.cause, "at_ns": event.at_ns} for event in list(self.events)[-20:]
            ],
        }


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def run_supervisor(config: Config) -> int:
    """The daemon, until SIGTERM or SIGINT."""
    return asyncio.run(_run(config))


async def _run(config: Config) -> int:
    return await Supervisor(config).run()
