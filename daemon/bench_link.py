"""`cathlink bench --link`: the whole corridor through good and bad paths, one row each, and the link's CPU."""

import json
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from daemon.bench import WARM_UP_S, free_udp_port, start_corridor
from daemon.bench_link_cpu import measure_link_cpu
from daemon.path_relay import PathConditions, PathRelay
from daemon.status import StatusClient

RTT_20 = PathConditions(delay_ms=10)
CONDITIONS: dict[str, PathConditions] = {
    "clean, RTT 0": PathConditions(),
    "clean, RTT 20 ms": RTT_20,
    "RTT 20 ms, 1 % loss": PathConditions(delay_ms=10, loss=0.01),
    "RTT 20 ms, 5 % loss": PathConditions(delay_ms=10, loss=0.05),
    "RTT 40 ms, 3 % in bursts of 5": PathConditions(delay_ms=20, loss=0.03, burst_packets=5),
    "RTT 20 ms, jitter +-5 ms, reordering": PathConditions(delay_ms=10, jitter_ms=5),
    "RTT 20 ms, a second of outage": RTT_20,
    "RTT 20 ms, 10 -> 3 -> 10 Mbit/s": PathConditions(delay_ms=10, rate_bps=10e6),
}


def run_link_bench(*, seconds: float, save_to: Path) -> int:
    """Measure each condition for `seconds`, print the table as it grows, save it as JSON."""
    print(f"{'path':<38}{'p50':>7}{'p95':>7}{'p99':>7} ms{'units':>7}{'lost':>6}{'fixed':>6}{'FEC %':>7}{'kbit/s':>8}")
    rows = []
    for name, conditions in CONDITIONS.items():
        row = {"path": name, **_measure(name, conditions, seconds)}
        rows.append(row)
        print(
            f"{name:<38}{row['p50_ms']:>7.1f}{row['p95_ms']:>7.1f}{row['p99_ms']:>7.1f}   "
            f"{row['units']:>7.0f}{row['lost']:>6.0f}{row['repaired']:>6.0f}{row['fec_percent']:>7.1f}{row['kbps']:>8.0f}",
            flush=True,
        )
    cpu = measure_link_cpu(seconds)
    print(
        f"link processes alone at {cpu['packets_per_s']:.0f} packets/s: {cpu['sender_cpu_percent']:.1f} % of a core "
        f"at the sender, {cpu['receiver_cpu_percent']:.1f} % at the receiver (medians of {seconds:g} s)"
    )
    save_to.parent.mkdir(parents=True, exist_ok=True)
    save_to.write_text(json.dumps({"paths": rows, "cpu": cpu}, indent=1))
    print(f"saved to {save_to}")
    return 0


def _measure(name: str, conditions: PathConditions, seconds: float) -> dict[str, float]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cathlink-bench-")))
        port = free_udp_port()
        relay = PathRelay(port, conditions)
        stack.callback(relay.close)
        ends = start_corridor(folder, stack, listen_port=port, peer_port=relay.port)
        threading.Event().wait(WARM_UP_S)
        before = {role: _figures(client) for role, client in ends.items()}
        _play(name, relay, seconds)
        after = {role: _figures(client) for role, client in ends.items()}
    gained = {role: {key: after[role][key] - before[role].get(key, 0.0) for key in after[role]} for role in after}
    sender, receiver = gained["sender"], gained["receiver"]
    return {
        **{f"{q}_ms": after["receiver"][f"captured_to_shown_{q}_ms"] for q in ("p50", "p95", "p99")},
        "units": receiver["units"],
        "lost": receiver["units_lost"],
        "repaired": receiver["units_repaired"],
        "fec_percent": 100 * sender["repair_packets"] / max(1.0, sender["source_packets"]),
        "kbps": after["sender"]["sent_kbps"],
    }


def _play(name: str, relay: PathRelay, seconds: float) -> None:
    """The conditions that change in the middle of their run."""
    started = time.monotonic()
    if "outage" in name:
        threading.Event().wait(seconds / 3)
        relay.change(outage=True)
        threading.Event().wait(1.0)
        relay.change(outage=False)
    elif "->" in name:
        threading.Event().wait(seconds / 4)
        relay.change(rate_bps=3e6)
        threading.Event().wait(seconds / 2)
        relay.change(rate_bps=10e6)
    threading.Event().wait(max(0.0, started + seconds - time.monotonic()))


def _figures(client: StatusClient) -> dict[str, float]:
    answer: dict[str, Any] = client.ask()
    return {key: value for worker in answer["workers"].values() for key, value in worker["figures"].items()}
