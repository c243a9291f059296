"""Two real daemons whose every answer is recorded, so that a test can say what was never shown.

Nothing here waits for a time to pass: everything waits for a condition, with a deadline.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.bench import free_udp_port
from daemon.status import StatusClient
from hw.errors import CathlinkError
from hw.ports import GrayPicture, PixelFormat
from provisioning.lab import make_lab
from tests.corridor.pictures import PictureSink, PictureSource, Show, noisy_pictures
from tests.corridor.relay import Relay

ROOT = Path(__file__).parents[2]
UP_LIMIT_S = 30.0
DEADLINE_S = 10.0
POLL_S = 0.01
READER_LAG_NS = 50_000_000  # from the display's writing a picture to this process having noted it
ENDS = ("sender", "receiver")
WORKERS = ("link", "video")


def wait_until(condition: Callable[[], object], what: str, limit_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        threading.Event().wait(0.005)


@dataclass(frozen=True, slots=True)
class Sample:
    """What an end answered. The question left at `asked_ns`, the answer was there at `at_ns`."""

    asked_ns: int
    at_ns: int
    state: str
    cause: str


class WatchedDaemon:
    """`python -m daemon run`, and a thread that asks for its status every POLL_S."""

    def __init__(
        self,
        config: Path,
        *settings: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment`: variables besides our own."""
        self.log_path = config.with_suffix(".log")
        self.samples: deque[Sample] = deque(maxlen=2_000)
        self.answer: dict[str, Any] = {}
        self._socket_path = str(config.with_suffix(".sock"))
        command = [sys.executable, "-m", "daemon", "run", "--config", str(config)]
        for setting in settings:
            command += ["--set", setting]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=stdin, stdout=stdout, stderr=log, env={**os.environ, **(environment or {})}
            )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        client: StatusClient | None = None
        while not self._stopping.wait(POLL_S):
            asked_ns = time.monotonic_ns()
            try:
                client = client or StatusClient(self._socket_path)
                self.answer = client.ask()
            except CathlinkError:  # not up yet, or not any more
                if client is not None:
                    client.close()
                    client = None
                continue
            picture = self.answer["picture"]
            self.samples.append(Sample(asked_ns, time.monotonic_ns(), picture["state"], picture["cause"]))
        if client is not None:
            client.close()

    @property
    def state(self) -> str:
        return self.samples[-1].state if self.samples else "no answer"

    def pid(self, worker: str) -> int:
        return int(self.answer["workers"][worker]["pid"])

    def link_figures(self) -> dict[str, float]:
        """The link process's figures of the last second, once there are any."""
        wait_until(lambda: self.answer["workers"]["link"]["figures"], "statistics of the link")
        figures: dict[str, float] = self.answer["workers"]["link"]["figures"]
        return figures

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def since(self, since_ns: int) -> list[Sample]:
        """What was answered to questions after `since_ns`."""
        return [sample for sample in list(self.samples) if sample.asked_ns >= since_ns]

    def first_since(self, since_ns: int, state: str) -> Sample | None:
        return next((sample for sample in self.since(since_ns) if sample.state == state), None)

    def story(self, since_ns: int = 0) -> str:
        """Each change of the answer, for a failure's message."""
        told: list[tuple[str, str]] = []
        lines = []
        for sample in self.since(since_ns):
            if not told or told[-1] != (sample.state, sample.cause):
                told.append((sample.state, sample.cause))
                lines.append(f"  {(sample.at_ns - since_ns) / 1e6:.0f} ms: {sample.state} ({sample.cause})")
        return "\n".join([*lines[-20:], self.log()[-1000:]])

    def close(self) -> None:
        """End it whatever state it is in; harmless when it has ended."""
        self._stopping.set()
        self._thread.join()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Rig:
    """A lab, its two daemons, the network between them, a source and a screen. A context manager; LIVE inside.

    source -> named pipe -> sender -> relay -> receiver -> named pipe -> sink
    """

    def __init__(
        self,
        folder: Path,
        *sender_settings: str,
        rate_hz: float = 30.0,
        pictures: list[GrayPicture] | None = None,
        through_stdio: bool = False,
        pixel_format: PixelFormat = PixelFormat.GRAY8,
    ) -> None:
        """`through_stdio`: the daemons have the pipes as standard input and output, and see no end of them.

        `pixel_format`, of source and screen alike: gray8 or bgrx.
        """
        pictures = pictures or noisy_pictures(256, 256)
        height, row_bytes = pictures[0].shape
        width = row_bytes // pixel_format.pixel_bytes
        self.receiver_port = free_udp_port()
        self.lab = make_lab(folder, link_port=self.receiver_port)
        source_pipe, screen_pipe = folder / "source.pipe", folder / "screen.pipe"
        self.relay = Relay(self.receiver_port)
        self.source = PictureSource(source_pipe, pictures, rate_hz)
        self.sink = PictureSink(screen_pipe, row_bytes, height)
        stdin, stdout = subprocess.DEVNULL, None
        if through_stdio:
            stdin, stdout = os.open(source_pipe, os.O_RDONLY | os.O_NONBLOCK), os.open(screen_pipe, os.O_WRONLY)
            os.set_blocking(stdin, True)
        source, screen = ("-", "-") if through_stdio else (source_pipe, screen_pipe)
        self._receiver_settings = (f"display.device=raw:{screen}?format={pixel_format}",)
        self.receiver = WatchedDaemon(self.lab.receiver_config, *self._receiver_settings, stdout=stdout)
        self.sender = WatchedDaemon(
            self.lab.sender_config,
            f"capture.device=raw:{source}?format={pixel_format}&size={width}x{height}&rate={rate_hz:g}",
            f"link.peer=127.0.0.1:{self.relay.port}",
            *sender_settings,
            stdin=stdin,
        )
        if stdout is not None:
            os.close(stdin)
            os.close(stdout)

    @property
    def ends(self) -> dict[str, WatchedDaemon]:
        return {"sender": self.sender, "receiver": self.receiver}

    def power_cycle_receiver(self) -> None:
        """As when its plug is pulled and put in again."""
        self.receiver.process.kill()
        self.receiver.close()
        self.receiver = WatchedDaemon(self.lab.receiver_config, *self._receiver_settings)

    def __enter__(self) -> "Rig":
        try:
            self.wait_state("LIVE", UP_LIMIT_S)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        if all(end.answer for end in self.ends.values()):
            self.heal()
        for part in (self.sender, self.receiver, self.source, self.sink, self.relay):
            part.close()

    def wait_state(self, state: str, limit_s: float = DEADLINE_S, since_ns: int = 0) -> None:
        """Until both ends have said `state` after `since_ns` (0: until they say it now)."""
        for name in ENDS:
            self.wait_state_at(name, state, limit_s, since_ns)

    def wait_state_at(self, name: str, state: str, limit_s: float = DEADLINE_S, since_ns: int = 0) -> None:
        end = self.ends[name]

        def has_said() -> bool:
            return end.first_since(since_ns, state) is not None if since_ns else end.state == state

        try:
            wait_until(has_said, f"{state} at the {name}", limit_s)
        except AssertionError as error:
            stories = "\n".join(f"{n}:\n{e.story(since_ns)}" for n, e in self.ends.items())
            raise AssertionError(f"{error}\n{stories}") from None

    def wait_pictures(self, count: int) -> None:
        """Until that many pictures have come to the screen since the start."""
        wait_until(lambda: self.sink.count >= count, f"{count} pictures")

    def heal(self) -> None:
        """End every fault that a test made."""
        self.relay.is_cut = False
        self.source.show = Show.MOVING
        for end in self.ends.values():
            for worker in WORKERS:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(end.pid(worker), signal.SIGCONT)

    def signal_worker(self, end: str, worker: str, number: int) -> None:
        os.kill(self.ends[end].pid(worker), number)

    def assert_live_was_true(self, since_ns: int, limit_s: float) -> None:
        """No end has said LIVE when no new picture had come to the screen for longer than `limit_s`."""
        shown_ns = list(self.sink.times_ns)
        for name, end in self.ends.items():
            for sample in end.since(since_ns):
                if sample.state != "LIVE":
                    continue
                last_ns = max((at_ns for at_ns in shown_ns if at_ns <= sample.at_ns + READER_LAG_NS), default=0)
                age_s = (sample.asked_ns - last_ns) / 1e9
                assert age_s <= limit_s, f"the {name} said LIVE over a picture of {age_s:.3f} s\n{end.story(since_ns)}"
