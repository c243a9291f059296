"""`cathlink bench`: latency of each stage, CPU and memory of each process, of the whole corridor on this machine.

Two real daemons with a throw-away lab and the synthetic X-ray at 30 images a second. Figures are for comparing within
one run and one machine; an idle machine gives better ones than a busy one.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from daemon.status import StatusClient
from hw.errors import CathlinkError
from provisioning.lab import make_lab

SOURCE = "phantom:1024x1024@30"
BITRATE_BPS = 6_000_000
WARM_UP_S = 5.0
UP_LIMIT_S = 15.0
STAGES = (
    ("sender", "captured_to_encoded", "captured to encoded"),
    ("receiver", "captured_to_delivered", "captured to delivered (link)"),
    ("receiver", "captured_to_shown", "captured to shown (end to end)"),
    ("sender", "encode", "encoder alone"),
    ("sender", "overhead", "sender: all but chain and encoder"),
    ("receiver", "decode", "decoder alone"),
)
QUANTILES = ("p50", "p95", "p99")


def run_bench(*, seconds: float, save_to: Path) -> int:
    """Measure, print a table, save the same as JSON. Raises CathlinkError when the corridor does not come up."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cathlink-bench-")))
        print(f"measuring {SOURCE} at {BITRATE_BPS / 1e6:g} Mbit/s for {seconds:g} s ...", flush=True)
        ends = start_corridor(folder, stack)
        results = _measure(ends, seconds)
    _print_table(results)
    save_to.parent.mkdir(parents=True, exist_ok=True)
    save_to.write_text(json.dumps(results, indent=1))
    print(f"saved to {save_to}")
    return 0


def free_udp_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_corridor(
    folder: Path, stack: ExitStack, *, listen_port: int | None = None, peer_port: int | None = None
) -> dict[str, StatusClient]:
    """Both daemons in a lab, LIVE; `stack` ends them. The sender speaks to `peer_port`, by default the receiver's."""
    listen_port = listen_port or free_udp_port()
    make_lab(folder, link_port=listen_port, replace=True)
    extra = {
        "receiver": ["--set", "display.device=none:"],
        "sender": [
            *("--set", f"capture.device={SOURCE}"),
            *("--set", f"encoder.bitrate_bps={BITRATE_BPS}"),
            *("--set", f"link.peer=127.0.0.1:{peer_port or listen_port}"),
        ],
    }
    for role, settings in extra.items():
        command = [sys.executable, "-m", "daemon", "run", "--config", str(folder / f"{role}.toml"), *settings]
        log = stack.enter_context((folder / f"{role}.log").open("wb"))
        process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        stack.callback(_end, process)
    ends = {role: _connect(folder / f"{role}.sock") for role in extra}
    for client in ends.values():
        stack.callback(client.close)
    deadline = time.monotonic() + UP_LIMIT_S
    while ends["receiver"].ask()["picture"]["state"] != "LIVE":
        if time.monotonic() > deadline:
            raise CathlinkError("the corridor did not come up", (folder / "sender.log").read_text()[-300:])
        time.sleep(0.1)
    return ends


def _connect(path: Path) -> StatusClient:
    deadline = time.monotonic() + UP_LIMIT_S
    while True:
        try:
            return StatusClient(str(path))
        except CathlinkError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait()


def _measure(ends: dict[str, StatusClient], seconds: float) -> dict[str, Any]:
    time.sleep(WARM_UP_S)
    before = {role: _processes(client) for role, client in ends.items()}
    started = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    answers = {role: client.ask() for role, client in ends.items()}
    after = {role: _processes(client) for role, client in ends.items()}
    processes = {
        f"{role} {name}": {
            "cpu_percent": 100 * (after[role][name][0] - before[role][name][0]) / elapsed,
            "resident_mib": after[role][name][1],
        }
        for role in ends
        for name in after[role]
    }
    figures = {
        role: {k: v for w in a["workers"].values() for k, v in w["figures"].items()} for role, a in answers.items()
    }
    stages = {words: {q: figures[role][f"{name}_{q}_ms"] for q in QUANTILES} for role, name, words in STAGES}
    return {
        "source": SOURCE,
        "bitrate_bps": BITRATE_BPS,
        "seconds": elapsed,
        "stages_ms": stages,
        "processes": processes,
    }


def _processes(client: StatusClient) -> dict[str, tuple[float, float]]:
    """By name: CPU seconds used, resident MiB."""
    answer = client.ask()
    pids = {"supervisor": answer["pid"]} | {name: worker["pid"] for name, worker in answer["workers"].items()}
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = {}
    for name, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = ((int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page / 2**20)
    return found


def _print_table(results: dict[str, Any]) -> None:
    print(f"\n{'stage':<34}{'p50':>8}{'p95':>8}{'p99':>8}  ms")
    for words, values in results["stages_ms"].items():
        print(f"{words:<34}" + "".join(f"{values[q]:>8.2f}" for q in QUANTILES))
    print(f"\n{'process':<34}{'CPU %':>8}{'MiB':>8}")
    for name, values in results["processes"].items():
        print(f"{name:<34}{values['cpu_percent']:>8.1f}{values['resident_mib']:>8.0f}")
