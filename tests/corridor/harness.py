"""A lab with both daemons as real processes, a UDP relay between them, and pictures through pipes.

    source -> pipe -> sender daemon -> relay -> receiver daemon -> pipe -> Pictures

The test feeds frames of its own making, may cut the relay, stop or kill any process, and looks at both status sockets.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from daemon.status import StatusClient
from hw.errors import CathlinkError
from hw.ports import GrayPicture
from provisioning.lab import make_lab

SIZE = 256
FRAME_S = 1 / 30
DEADLINE_S = 12.0


def wait_for(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> float:
    """Seconds until `condition` came true; fails the test when it does not."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < deadline_s, f"not within {deadline_s} s: {what}"
        threading.Event().wait(0.004)
    return time.monotonic() - started


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Relay:
    """Carries datagrams between the sender and `receiver_port` while it is not cut."""

    def __init__(self, receiver_port: int) -> None:
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._near.bind(("127.0.0.1", 0))
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiver = ("127.0.0.1", receiver_port)
        self.port = int(self._near.getsockname()[1])
        self.is_cut = False
        self.captured: list[bytes] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def rebind(self) -> None:
        """From now on the receiver sees the sender at another port, as after a NAT rebinding."""
        old, self._far = self._far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        old.close()

    def _run(self) -> None:
        sender = None
        while not self._closing:
            if self._far.fileno() < 0:
                continue
            for ready in select.select([self._near, self._far], [], [], 0.1)[0]:
                try:
                    datagram, address = ready.recvfrom(2048)
                    if ready is self._near:
                        sender = address
                    if self.is_cut:
                        continue
                    if ready is self._near:
                        if len(self.captured) < 500:
                            self.captured.append(datagram)
                        self._far.sendto(datagram, self._receiver)
                    elif sender is not None:
                        self._near.sendto(datagram, sender)
                except OSError:
                    continue

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        self._near.close()
        self._far.close()


class Source(threading.Thread):
    """Writes frames into the sender's input at 30 a second: moving, held, or none at all."""

    def __init__(self, pipe: int) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self.mode = "moving"  # "held", "stopped"
        self.still: GrayPicture | None = None  # shown instead of the moving picture
        self.changed_at = time.monotonic()
        self._closing = threading.Event()
        self._noise = np.random.default_rng(3).integers(60, 200, (SIZE * 2, SIZE), np.uint8)

    def set_mode(self, mode: str) -> None:
        self.mode, self.changed_at = mode, time.monotonic()

    def run(self) -> None:
        picture = self._noise[:SIZE]
        number = 0
        while not self._closing.wait(FRAME_S):
            number += 1
            if self.mode == "stopped":
                continue
            if self.mode == "moving":
                at = number * 3 % SIZE
                picture = np.ascontiguousarray(self._noise[at : at + SIZE])
            if self.still is not None:
                picture = self.still
            try:
                os.write(self._pipe, picture.tobytes())
            except OSError:
                return

    def close(self) -> None:
        self._closing.set()
        self.join()
        os.close(self._pipe)


class Pictures(threading.Thread):
    """Reads what the receiver shows."""

    def __init__(self, pipe: int) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self.count = 0
        self.last: GrayPicture | None = None
        self.last_at = 0.0

    def run(self) -> None:
        with open(self._pipe, "rb") as file:
            while len(data := file.read(SIZE * SIZE)) == SIZE * SIZE:
                self.last = np.frombuffer(data, np.uint8).reshape(SIZE, SIZE)
                self.last_at = time.monotonic()
                self.count += 1


class Corridor:
    """Both ends, up and LIVE after `__enter__`."""

    def __init__(self, folder: Path, *sender_settings: str) -> None:
        self.receiver_port = free_port()
        self.lab = make_lab(folder, link_port=self.receiver_port)
        self.folder = folder
        self.relay = Relay(self.receiver_port)
        self._sender_settings = sender_settings
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Corridor":
        out_read, out_write = os.pipe()
        in_read, in_write = os.pipe()
        self.start("receiver", stdout=out_write, settings=("display.device=raw:-?format=gray8",))
        self.start(
            "sender",
            stdin=in_read,
            settings=(
                f"link.peer=127.0.0.1:{self.relay.port}",
                f"capture.device=raw:-?format=gray8&size={SIZE}x{SIZE}&rate=30",
                "encoder.preset=ultrafast",
                "encoder.bitrate_bps=2000000",
                *self._sender_settings,
            ),
        )
        os.close(out_write)
        os.close(in_read)
        self.source, self.pictures = Source(in_write), Pictures(out_read)
        self.source.start()
        self.pictures.start()
        self.wait_state("LIVE")
        return self

    def start(self, role: str, *, settings: tuple[str, ...], stdin: int = subprocess.DEVNULL, stdout: int = 2) -> None:
        command = [sys.executable, "-m", "daemon", "run", "--config", str(self.folder / f"{role}.toml")]
        for setting in settings:
            command += ["--set", setting]
        log = (self.folder / f"{role}.log").open("ab")
        self.processes[role] = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=log)
        log.close()

    def __exit__(self, *error: object) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.source.close()
        self.pictures.join(5)
        self.relay.close()

    def status(self, role: str) -> dict[str, Any]:
        """{} while the daemon does not answer."""
        try:
            client = StatusClient(str(self.folder / f"{role}.sock"))
        except CathlinkError:
            return {}
        try:
            return client.ask()
        finally:
            client.close()

    def state(self, role: str) -> str:
        status = self.status(role)
        return str(status["picture"]["state"]) if status else ""

    def wait_state(self, state: str, deadline_s: float = DEADLINE_S) -> dict[str, float]:
        """Seconds until each end says `state`."""
        started = time.monotonic()
        took: dict[str, float] = {}
        while len(took) < 2:
            for role in ("receiver", "sender"):
                if role not in took and self.state(role) == state:
                    took[role] = time.monotonic() - started
            told = {role: self.status(role).get("picture") for role in ("receiver", "sender")}
            assert time.monotonic() - started < deadline_s, f"not {state} at both ends within {deadline_s} s: {told}"
        return took

    def worker_pid(self, role: str, worker: str) -> int:
        return int(self.status(role)["workers"][worker]["pid"])

    def log(self, role: str) -> str:
        return (self.folder / f"{role}.log").read_text(errors="replace")
