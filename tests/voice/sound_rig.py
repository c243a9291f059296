"""A sound server of one's own with cables that end in nothing: each room has a mouth and an ear.

mouth_a -> (monitor) microphone of box a      speaker of box a -> ear_a (monitor) -> recorder
"""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import numpy as np

from hw.audio.ports import RATE_HZ, Samples
from tests.corridor.rig import wait_until

ROOMS = ("a", "b")
RECORDED_MS = 5  # at a time


class SoundServer:
    """PulseAudio without a card. `environment` is for the processes that shall use it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        native = folder / "native"
        self.environment = {
            "PULSE_SERVER": f"unix:{native}",
            "PULSE_COOKIE": str(folder / "cookie"),
            "ALSA_CONFIG_PATH": str(self._write_alsa(folder)),
        }
        command = [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--log-level=error",
        ]
        command += ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={native}"]
        sinks = [f"{part}_{room}" for room in ROOMS for part in ("mouth", "ear")]
        for sink in sinks:
            command += ["-L", f"module-null-sink sink_name={sink} rate={RATE_HZ} channels=1 channel_map=mono"]
        environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        with (folder / "pulse.log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(native.exists, "the sound server")
        self._silences = [self._play(sink) for sink in sinks]

    def _play(self, sink: str, stdin: int | None = None) -> "subprocess.Popen[bytes]":
        """By default silence for ever: a null sink that has nothing to play sleeps two seconds at a time."""
        command = ["pacat", "--playback", f"--device={sink}", *_FORMAT, "--latency-msec=10", "--process-time-msec=5"]
        with open("/dev/zero", "rb") as zeros:
            source = zeros if stdin is None else stdin
            return subprocess.Popen(command, stdin=source, env={**os.environ, **self.environment})

    @staticmethod
    def _write_alsa(folder: Path) -> Path:
        """Each room's card, by name."""
        path = folder / "alsa.conf"
        text = "</usr/share/alsa/alsa.conf>\n"
        for room in ROOMS:
            text += f'pcm.room_{room}_mic {{ type pulse\n device "mouth_{room}.monitor" }}\n'
            text += f'pcm.room_{room}_speaker {{ type pulse\n device "ear_{room}" }}\n'
        path.write_text(text)
        return path

    @staticmethod
    def device(room: str) -> str:
        return f"sound:?microphone=room_{room}_mic&speaker=room_{room}_speaker"

    def say(self, room: str, samples: Samples) -> "subprocess.Popen[bytes]":
        """Begin to play into the room's mouth; wait for the returned process to end."""
        player = self._play(f"mouth_{room}", subprocess.PIPE)

        def feed() -> None:
            assert player.stdin is not None
            player.stdin.write(samples.tobytes())
            player.stdin.close()

        threading.Thread(target=feed, daemon=True).start()
        return player

    def recorder(self, sink: str) -> "Recorder":
        return Recorder(sink, {**os.environ, **self.environment})

    def close(self) -> None:
        for process in (*self._silences, self._process):
            process.terminate()
            process.wait()

    def __enter__(self) -> "SoundServer":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


_FORMAT = ["--raw", "--format=float32le", f"--rate={RATE_HZ}", "--channels=1", "--channel-map=mono"]


class Recorder:
    """What comes out of a sink, until `stop`."""

    def __init__(self, sink: str, environment: dict[str, str]) -> None:
        command = ["parec", f"--device={sink}.monitor", *_FORMAT, f"--latency-msec={RECORDED_MS}"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        self._parts: list[bytes] = []
        self._bytes = 0
        self._anchor_ns: float | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while part := os.read(self._process.stdout.fileno(), 1 << 16):
            self._parts.append(part)
            self._bytes += len(part)
            anchor_ns = time.monotonic_ns() - self._bytes / 4 * 1e9 / RATE_HZ
            self._anchor_ns = anchor_ns if self._anchor_ns is None else min(self._anchor_ns, anchor_ns)

    def time_ns(self, sample: int) -> float:
        """When that sample came out of the sink, on the monotonic clock, but for a constant of all recorders.

        The quickest delivery of all is the least disturbed one.
        """
        assert self._anchor_ns is not None
        return self._anchor_ns + sample * 1e9 / RATE_HZ

    @property
    def samples(self) -> Samples:
        data = b"".join(list(self._parts))
        return np.frombuffer(data[: len(data) // 4 * 4], np.float32)

    def stop(self) -> Samples:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self.samples


def has_sound_server() -> bool:
    return shutil.which("pulseaudio") is not None and shutil.which("parec") is not None
