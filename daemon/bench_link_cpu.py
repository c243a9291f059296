"""CPU of the two link processes alone: access units of UNIT_PACKETS packets, IMAGES_PER_S a second, over loopback.

Two real link processes, started as the supervisor does it; this one stands for their video processes and supervisors,
so that no encoder's or decoder's work disturbs the figures.
"""

import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from daemon.bench import free_udp_port
from daemon.channel import Channel, channel_pair
from daemon.config import load_config
from daemon.link.rtp import MAX_VIDEO_PAYLOAD_BYTES
from daemon.messages import AccessUnit, DeliveredUnit, EncoderOrder, FromWorker, Start, Statistics, ToVideo
from hw.errors import CathlinkError
from provisioning.lab import make_lab

IMAGES_PER_S = 60
UNIT_PACKETS = 32  # and a repair packet or two: about 2000 packets a second
BITRATE_BPS = 40_000_000
UP_LIMIT_S = 10.0
WARM_UP_S = 3.0
SLICE = secrets.token_bytes(UNIT_PACKETS * (MAX_VIDEO_PAYLOAD_BYTES - 4)).replace(b"\0", b"\1")


class _LinkProcess:
    """One end's link process; `figures` are its statistics, one dictionary a second."""

    def __init__(self, stack: ExitStack, folder: Path, role: str, *settings: str) -> None:
        supervisor, its_supervisor = channel_pair()
        video, its_video = channel_pair()
        self._supervision: Channel[FromWorker] = Channel(supervisor, FromWorker)
        self.video: Channel[ToVideo] = Channel(video, ToVideo)
        command = [sys.executable, "-m", "daemon.worker", "link", str(its_supervisor.fileno())]
        command.append(f"video={its_video.fileno()}")
        log = stack.enter_context((folder / f"{role}.log").open("wb"))
        self._process = subprocess.Popen(command, pass_fds=(its_supervisor.fileno(), its_video.fileno()), stderr=log)
        stack.callback(self._end)
        its_supervisor.close()
        its_video.close()
        self._supervision.send(Start(load_config(folder / f"{role}.toml", list(settings))))
        self.figures: list[dict[str, float]] = []

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._supervision.close()
        self.video.close()

    def heard(self) -> list[object]:
        """What it told its video process since the last call."""
        while (report := self._supervision.receive(timeout_s=0)) is not None:
            if isinstance(report, Statistics):
                self.figures.append(report.figures)
        messages: list[object] = []
        while (message := self.video.receive(timeout_s=0)) is not None:
            messages.append(message)
        return messages


def measure_link_cpu(seconds: float) -> dict[str, float]:
    """Medians over the seconds (at least three): CPU in per cent of a core, packets a second; units lost in all.

    Raises CathlinkError when the link does not come up.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cathlink-bench-")))
        port = free_udp_port()
        make_lab(folder, link_port=port, replace=True)
        receiver = _LinkProcess(stack, folder, "receiver")
        sender = _LinkProcess(
            stack, folder, "sender", f"link.peer=127.0.0.1:{port}", f"encoder.bitrate_bps={BITRATE_BPS}"
        )
        frame_id = _play(sender, receiver, 0, until_delivered=True, seconds=UP_LIMIT_S)
        frame_id = _play(sender, receiver, frame_id, until_delivered=False, seconds=WARM_UP_S)
        for end in (sender, receiver):
            end.figures.clear()
        _play(sender, receiver, frame_id, until_delivered=False, seconds=max(seconds, 3.0))
    packets = [figures["source_packets"] + figures["repair_packets"] for figures in sender.figures]
    return {
        "sender_cpu_percent": statistics.median(figures["cpu_percent"] for figures in sender.figures),
        "receiver_cpu_percent": statistics.median(figures["cpu_percent"] for figures in receiver.figures),
        "packets_per_s": (packets[-1] - packets[0]) / (len(packets) - 1),
        "units_lost": receiver.figures[-1]["units_lost"] - receiver.figures[0]["units_lost"],
    }


def _play(sender: _LinkProcess, receiver: _LinkProcess, frame_id: int, *, until_delivered: bool, seconds: float) -> int:
    """Units at their times; returns the last frame_id."""
    wants_idr = frame_id == 0
    due_s = time.monotonic()
    end_s = due_s + seconds
    while due_s < end_s:
        time.sleep(max(0.0, due_s - time.monotonic()))
        due_s += 1 / IMAGES_PER_S
        wants_idr |= any(isinstance(order, EncoderOrder) and order.wants_idr for order in sender.heard())
        if any(isinstance(unit, DeliveredUnit) for unit in receiver.heard()) and until_delivered:
            return frame_id
        frame_id += 1
        start = b"\0\0\0\1\x65" if wants_idr else b"\0\0\0\1\x41"
        sender.video.send(AccessUnit(frame_id, time.monotonic_ns(), wants_idr, start + SLICE))
        wants_idr = False
    if until_delivered:
        raise CathlinkError(f"no picture came over the link within {seconds:g} s", "is another bench running?")
    return frame_id
