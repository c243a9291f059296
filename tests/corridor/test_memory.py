"""Memory at full size: 1024x1024 and 30 images a second, for MEMORY_SECONDS (60 unless the environment says more)."""

import os
import threading
import time
from pathlib import Path

import pytest

from daemon.bench import free_udp_port
from provisioning.lab import make_lab
from tests.corridor.rig import UP_LIMIT_S, WORKERS, WatchedDaemon, wait_until

LIMIT_MIB = 200.0
WARM_UP_S = 20.0
GROWTH_LIMIT_MIB = 4.0
SAMPLES = 6


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
def test_no_process_grows(tmp_path: Path) -> None:
    seconds = float(os.environ.get("MEMORY_SECONDS", "60"))
    lab = make_lab(tmp_path / "lab", link_port=free_udp_port())
    receiver = WatchedDaemon(lab.receiver_config, "display.device=none:")
    sender = WatchedDaemon(lab.sender_config, "capture.device=phantom:1024x1024@30")
    ends = {"sender": sender, "receiver": receiver}
    try:
        wait_until(lambda: all(end.state == "LIVE" for end in ends.values()), "LIVE at both ends", UP_LIMIT_S)
        pids = {f"{name} supervisor": end.process.pid for name, end in ends.items()} | {
            f"{name} {worker}": end.pid(worker) for name, end in ends.items() for worker in WORKERS
        }
        threading.Event().wait(min(WARM_UP_S, seconds / 2))  # buffers fill, and the kernel's caches settle
        series: dict[str, list[float]] = {name: [] for name in pids}
        began = time.monotonic()
        for sample in range(SAMPLES):
            threading.Event().wait(max(0.0, began + seconds * sample / (SAMPLES - 1) - time.monotonic()))
            for name, pid in pids.items():
                series[name].append(_resident_mib(pid))
    finally:
        for end in ends.values():
            end.close()
    for name, values in series.items():
        print(f"{name:<22}" + " ".join(f"{value:6.1f}" for value in values) + " MiB")
    for name, values in series.items():
        assert max(values) < LIMIT_MIB, f"{name} is too large: {values}"
        assert values[-1] - values[0] < GROWTH_LIMIT_MIB, f"{name} grows: {values}"
