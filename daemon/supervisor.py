"""Starts the workers, watches them, starts them again, and tells the world how they are.

Rules. A worker may die at any moment; the others go on and it is started again at once, later if it dies at its start.
A worker that is silent for too long is killed and counts as dead (`worker_life`). What a dead worker last said is
never repeated as if it were true: `status` says what its silence means for the picture.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

import msgspec

from daemon.channel import channel_pair
from daemon.config import Config, Role
from daemon.health import HealthWatch
from daemon.link.message_kinds import MessageKind
from daemon.manage.box import Reload
from daemon.manage.hook import ManagementHook
from daemon.messages import Event, Failed, FromWorker, SmallMessage, Statistics, TruthReport, VoiceReport
from daemon.self_test import SelfTest
from daemon.serial_devices import SerialDevices
from daemon.source_desk import SourceDesk
from daemon.states import PictureState
from daemon.status import StatusServer
from daemon.systemd import SystemdNotifier
from daemon.voice.desk import VoiceDesk
from daemon.worker_life import WorkerLife
from hw.sensors import LinuxSensors
from hw.serial.ports import PanelEvent, XrayState

logger = logging.getLogger(__name__)

TRUTH_LIMIT_NS = 250_000_000
EVENTS_KEPT = 256
RESTART_DELAY_S = 0.3


class Supervisor:
    """The appliance's first process. `run` returns the exit code."""

    def __init__(self, config: Config, reload: Reload) -> None:
        """`reload` gives the configuration anew, with other settings from afar."""
        self.config = config
        self.reload = reload
        self.stopping = asyncio.Event()
        self._pipes = {name: channel_pair() for name in workers_beside_link(config)}  # (at the link, at the worker)
        link_ends = {name: at_link.fileno() for name, (at_link, _) in self._pipes.items()}
        self._workers = {"link": WorkerLife("link", link_ends, self)}
        for name, (_, at_worker) in self._pipes.items():
            self._workers[name] = WorkerLife(name, {"link": at_worker.fileno()}, self)
        self._truth: TruthReport | None = None
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._exit_code = 0
        self._failure = ""
        self.wants_restart = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._identify_until = 0.0
        self._self_test = SelfTest(config, self.snapshot, self.note_event)
        self._systemd = SystemdNotifier()
        self.serial = SerialDevices(config.serial, note_event=self.note_event, tell_xray=self._workers["video"].tell)
        self._health = HealthWatch(LinuxSensors(folders=("/", "/var/lib/cathlink")), self.note_event)
        self._management = ManagementHook(self)
        self.voice = VoiceDesk(self._workers["voice"].tell if "voice" in self._workers else None)
        self.source = SourceDesk(
            config.role, self.serial, tell_peer=self._tell_peer_of_source, note_event=self.note_event
        )
        self.serial.panel_listeners.append(self._press)
        self.serial.source_listeners.append(self.source.note_switched)
        commands = {"voice": self.voice.obey, "source": self._obey_source, "selftest": self._begin_self_test}
        self._status = StatusServer(config.status.socket, self.snapshot, commands)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        await self._status.start()
        self._management.start()
        lives = [asyncio.create_task(worker.live()) for worker in self._workers.values()]
        care = [asyncio.create_task(part) for part in (self._care(), self._health.run(), self.serial.run())]
        await self.stopping.wait()
        self._systemd.stopping()
        await self._management.stop()
        # The link last: nothing new enters a link that is about to close.
        await asyncio.gather(*(worker.stop() for name, worker in self._workers.items() if name != "link"))
        await self._workers["link"].stop()
        for task in care:
            task.cancel()
        await asyncio.gather(*care, *lives, return_exceptions=True)
        await self._status.stop()
        if self._failure:
            print(f"cathlink: {self._failure}", file=sys.stderr)
        return self._exit_code

    async def _care(self) -> None:
        """The supervisor's own heartbeat: silent workers, and systemd's watchdog."""
        while True:
            for worker in self._workers.values():
                worker.kill_if_silent()
            if self.workers_are_up():
                self._systemd.ready()
            state, cause = self.truth_now()
            self._systemd.alive(f"{state.words}{': ' + cause if cause else ''}")
            self.serial.repeat_xray()
            self.source.tick(time.monotonic_ns())
            self.serial.question = self.source.question
            latency_ms = self._truth.latency_ms if self._truth else None
            self.serial.show_state(state, cause, latency_ms, self._told_on_panel())
            await asyncio.sleep(0.25)

    def _begin_self_test(self, words: str) -> None:
        self._self_test.begin()

    def _told_on_panel(self) -> list[str]:
        test = self._self_test.snapshot()
        identify = ["this is the box that was asked for"] if time.monotonic() < self._identify_until else []
        return [*identify, *self._health.problems, *([test["line"]] if test and not test["ok"] else [])]

    # --- what management asks ---

    def workers_are_up(self) -> bool:
        return all(worker.figures for worker in self._workers.values())

    def restart_worker(self, name: str) -> None:
        worker = self._workers[name]
        self._keep(worker.stop())  # its life begins it anew

    def use_config(self, config: Config, restart: Iterable[str]) -> None:
        self.config = config
        for name in restart:
            if name in self._workers:
                self._workers[name].figures = {}
                self.restart_worker(name)

    def restart_program(self) -> None:
        self.wants_restart = True
        asyncio.get_running_loop().call_later(RESTART_DELAY_S, self.stopping.set)  # the answer goes first

    def switch_source(self, number: int) -> None:
        self.serial.switch_source(number)

    def identify(self, seconds: int) -> None:
        self._identify_until = time.monotonic() + seconds
        self.note_event("identify", f"for {seconds} s")

    async def self_test(self) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.to_builtins(await self._self_test.begin())
        return answer

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the workers say ---

    def note_message(self, worker: WorkerLife, message: FromWorker) -> None:
        match message:
            case Statistics():
                worker.figures, worker.words = message.figures, message.words
            case TruthReport():
                self._note_truth(message)
            case VoiceReport():
                self.voice.note(message)
                self.serial.call = self.voice.panel_call
            case SmallMessage(MessageKind.SOURCE, payload):
                self.source.hear(payload, time.monotonic_ns())
            case Event():
                self.note_event(message.what, message.cause)
            case Failed() if self._management.takes_the_blame(message.problem):
                self.note_event(f"{worker.name} process cannot work with the settings on trial", message.problem)
            case Failed():
                self._failure, self._exit_code = message.problem, message.exit_code
                self.stopping.set()

    def _tell_peer_of_source(self, payload: bytes) -> None:
        self._workers["link"].tell(SmallMessage(MessageKind.SOURCE, payload))

    def _obey_source(self, words: str) -> None:
        self.source.obey(words, time.monotonic_ns())

    def _press(self, event: PanelEvent) -> None:
        """The panel's one button answers what the operator is asked; else it is the call's."""
        if not self.source.press(event, time.monotonic_ns()):
            self.voice.press(event)

    def note_event(self, what: str, cause: str) -> None:
        logger.info("%s%s", what, f": {cause}" if cause else "")
        self.events.append(Event(what, cause, time.monotonic_ns()))
        self._management.note_event(what, cause)

    def _note_truth(self, report: TruthReport) -> None:
        if self._truth is None or report.state != self._truth.state:
            self.note_event(f"picture is {PictureState(report.state).words}", report.cause)
        self._truth = report

    def note_death(self, worker: WorkerLife) -> None:
        """What a dead worker said of the picture died with it."""
        if worker.name == self._reporter:
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

    def xray_now(self) -> XrayState:
        """By this box's own contact, or as the sender says; silence is not an answer."""
        if self.config.role is Role.SENDER:
            return self.serial.xray
        report = self._truth
        if report is None or time.monotonic_ns() - report.at_ns > TRUTH_LIMIT_NS:
            return XrayState.UNKNOWN
        return report.xray

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
            "voice": self.voice.snapshot(),
            "xray": self.xray_now().words,
            "workers": {
                worker.name: {
                    "pid": worker.process.pid if worker.process else None,
                    "restarts": worker.restarts,
                    "figures": worker.figures,
                    "words": worker.words,
                }
                for worker in self._workers.values()
            },
            "source_wish": self.source.words,
            "serial": self.serial.snapshot(),
            "health": self._health.snapshot(),
            "management": self._management.snapshot(),
            "self_test": self._self_test.snapshot(),
            "events": [
                {"what": event.what, "cause": event.cause, "at_ns": event.at_ns} for event in list(self.events)[-20:]
            ],
        }


def workers_beside_link(config: Config) -> tuple[str, ...]:
    """The workers that have a pipe to the link process each."""
    return ("video", "voice") if config.voice.device else ("video",)


def run_supervisor(config: Config, reload: Reload) -> int:
    """The daemon, until SIGTERM or SIGINT, or a command to begin anew."""
    return asyncio.run(_run(config, reload))


async def _run(config: Config, reload: Reload) -> int:
    supervisor = Supervisor(config, reload)
    code = await supervisor.run()
    if supervisor.wants_restart:
        logger.info("beginning anew")
        os.execv(sys.executable, sys.orig_argv)
    return code
