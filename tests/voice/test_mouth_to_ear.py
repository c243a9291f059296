"""Two real daemons in a call, through real sound devices without a card: clicks said at one end are heard at the other.

`python -m tests.voice.test_mouth_to_ear` prints how long they take.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from daemon.bench import free_udp_port
from daemon.path_relay import PathConditions, PathRelay
from daemon.status import StatusClient
from hw.audio.ports import RATE_HZ, Samples
from hw.errors import CathlinkError
from provisioning.lab import make_lab
from tests.corridor.rig import wait_until
from tests.voice.sound_rig import SoundServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
UP_LIMIT_S = 40.0
CLICK_EVERY_S = 0.25
LONGEST_WAY_NS = 240_000_000


class Conversation:
    """The receiver in room a, the sender in room b, in a call. A context manager."""

    def __init__(self, folder: Path, conditions: PathConditions) -> None:
        port = free_udp_port()
        lab = make_lab(folder / "lab", link_port=port)
        self._relay = PathRelay(port, conditions)
        self.sound = SoundServer(folder / "sound")
        self._daemons = [
            self._start(lab.receiver_config, "a", "display.device=none:"),
            self._start(
                lab.sender_config, "b", "capture.device=phantom:256x256@15", f"link.peer=127.0.0.1:{self._relay.port}"
            ),
        ]
        self._sockets = [str(config.with_suffix(".sock")) for config in (lab.receiver_config, lab.sender_config)]

    def _start(self, config: Path, room: str, *settings: str) -> "subprocess.Popen[bytes]":
        settings = (*settings, f"voice.device={self.sound.device(room)}", "voice.auto_answer=true")
        command = [sys.executable, "-m", "daemon", "run", "--config", str(config)]
        for setting in settings:
            command += ["--set", setting]
        environment = {**os.environ, **self.sound.environment}
        with config.with_suffix(".log").open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=log)

    def ask(self, end: int, line: str = "status") -> dict:  # type: ignore[type-arg]
        """Empty while it does not answer."""
        try:
            client = StatusClient(self._sockets[end])
        except CathlinkError:
            return {}
        try:
            return client.ask(line)
        finally:
            client.close()

    def call(self, end: int) -> str:
        return str((self.ask(end).get("voice") or {}).get("call"))

    def packets_heard(self, end: int) -> float:
        return float(self.ask(end)["workers"]["link"]["figures"]["voice_packets_heard"])

    def __enter__(self) -> "Conversation":
        try:
            wait_until(lambda: self.call(0) == self.call(1) == "IDLE", "both ends", UP_LIMIT_S)
            wait_until(lambda: self.ask(0)["workers"]["link"]["figures"].get("rtt_ms"), "the link", UP_LIMIT_S)
            self.ask(0, "voice call")
            wait_until(lambda: self.call(0) == self.call(1) == "IN CALL", "the call", UP_LIMIT_S)
            heard = [f"{what}_ms" for what in ("recorded", "played")]
            wait_until(
                lambda: all(self.ask(e)["workers"]["voice"]["figures"].get(h, 0) > 2000 for e in (0, 1) for h in heard),
                "the sound devices",
                UP_LIMIT_S,
            )
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait()
        self._relay.close()
        self.sound.close()

    def kill_video(self) -> None:
        for end in (0, 1):
            if pid := self.ask(end)["workers"]["video"]["pid"]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def clicks(seconds: float) -> Samples:
    samples = np.zeros(int(seconds * RATE_HZ), np.float32)
    times = np.arange(240) / RATE_HZ
    click = 0.5 * np.sin(2 * np.pi * 1500 * times) * np.hanning(240)
    draw = np.random.default_rng(1)
    for number in range(1, int(seconds / CLICK_EVERY_S) - 1):
        at = int((number + 0.3 * draw.random()) * CLICK_EVERY_S * RATE_HZ)
        samples[at : at + 240] = click
    return samples


def onsets(samples: Samples, threshold: float) -> list[int]:
    """Where clicks begin: louder than `threshold` after 0.1 s below it."""
    loud = np.flatnonzero(np.abs(samples) > threshold)
    return [
        int(at) for at, before in zip(loud, np.concatenate(([-RATE_HZ], loud[:-1])), strict=True) if at - before > 4800
    ]


def ways_ns(conversation: Conversation, seconds: float, meanwhile: float = 0.0) -> list[float | None]:
    """From b's mouth to a's ear, for each click; None: it was not heard. The video is killed every `meanwhile` s."""
    mouth, ear = conversation.sound.recorder("mouth_b"), conversation.sound.recorder("ear_a")
    player = conversation.sound.say("b", clicks(seconds))
    while player.poll() is None:
        try:
            player.wait(meanwhile or None)
        except subprocess.TimeoutExpired:
            conversation.kill_video()
    wait_until(lambda: len(ear.samples) >= seconds * RATE_HZ, "the last clicks")
    said = [mouth.time_ns(at) for at in onsets(mouth.stop(), 0.1)]
    heard = [ear.time_ns(at) for at in onsets(ear.stop(), 0.03)]
    return [next((h - s for h in heard if 20e6 < h - s < LONGEST_WAY_NS), None) for s in said]


def test_voice_goes_on_while_the_video_process_is_killed_again_and_again(tmp_path: Path) -> None:
    """By the packets that arrive: on a busy machine the sound server itself loses clicks."""
    with Conversation(tmp_path, PathConditions(delay_ms=10)) as conversation:
        voice = [conversation.ask(end)["workers"]["voice"]["pid"] for end in (0, 1)]
        before = conversation.packets_heard(0)
        ways = ways_ns(conversation, 12, meanwhile=2.0)
        assert conversation.call(0) == conversation.call(1) == "IN CALL"
        assert conversation.ask(0)["workers"]["video"]["restarts"] >= 3
        assert [conversation.ask(end)["workers"]["voice"]["pid"] for end in (0, 1)] == voice
        assert conversation.packets_heard(0) - before > 12 * 50 * 0.6
    assert len(ways) > ways.count(None)  # some are heard


if __name__ == "__main__":
    lossy = PathConditions(delay_ms=10, loss=float((sys.argv[1:] or ["0"])[0]))
    with tempfile.TemporaryDirectory() as name, Conversation(Path(name), lossy) as talking:
        measured = ways_ns(talking, 20)
    found = [way / 1e6 for way in measured if way is not None]
    print(f"{len(measured)} clicks, {measured.count(None)} not heard")
    print("mouth to ear, ms: p50 {:.0f}, p99 {:.0f}".format(*np.percentile(found, [50, 99])))
