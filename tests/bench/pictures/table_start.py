"""How soon a picture is at the far end's screen after the sender's video process was started within a case."""

import signal
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.pictures.table import Bar, Row, Table
from tests.corridor.pictures import noisy_pictures
from tests.corridor.rig import Rig, wait_until

RESTARTS = 7
TICK_NS = 10_000_000  # of a process's start time in /proc
OLD_PICTURE_NS = 100_000_000  # what comes sooner was on its way before


def run() -> Table:
    with tempfile.TemporaryDirectory() as folder, Rig(Path(folder) / "rig", pictures=noisy_pictures(512, 512)) as rig:
        took_ms = [_restart_ms(rig) for _ in range(RESTARTS)]
        compiled = rig.sender.log_path.read_text(errors="replace").count("kernels were compiled")
    rows = [
        Row("sender's video process started to picture at the screen, worst", max(took_ms), " ms", Bar.AT_MOST, 1000.0),
        Row("the same, median", statistics.median(took_ms), " ms"),
        Row("starts that compiled a kernel", compiled, bar=Bar.AT_MOST, limit=0),
    ]
    return Table(f"Start, {RESTARTS} times, through the whole corridor on this machine", rows)


def _restart_ms(rig: Rig) -> float:
    killed = rig.sender.pid("video")
    rig.signal_worker("sender", "video", signal.SIGKILL)
    wait_until(lambda: rig.sender.pid("video") != killed, "another process")
    started_ns = _started_ns(rig.sender.pid("video"))

    def first_ns() -> int | None:
        return next((at_ns for at_ns in list(rig.sink.times_ns) if at_ns > started_ns + OLD_PICTURE_NS), None)

    wait_until(first_ns, "a picture")
    shown_ns = first_ns()
    assert shown_ns is not None
    rig.wait_pictures(rig.sink.count + 15)
    rig.wait_state("LIVE")
    return (shown_ns - started_ns) / 1e6


def _started_ns(pid: int) -> int:
    """On the monotonic clock."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) * TICK_NS - (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns())
