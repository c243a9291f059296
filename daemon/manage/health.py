"""The message `health`, made of the supervisor's snapshot: the figures that a fleet is watched by, few and rounded."""

from collections.abc import Mapping
from typing import Any

from daemon.manage.schema import Case, Health, Picture

Snapshot = Mapping[str, Any]

PATH_FIGURES = (
    "rtt_ms", "loss_percent", "residual_loss_percent", "queue_ms", "jitter_ms", "sent_kbps", "received_kbps",
    "target_kbps", "units_lost", "units_repaired", "units_dropped", "plis", "sessions", "address_changes",
    "not_authentic", "malformed",
)  # fmt: skip
VIDEO_FIGURES = (
    "frames_per_s", "images_per_s", "images_dropped", "pictures_per_s", "pictures_dropped", "encode_p99_ms",
    "decode_p99_ms", "captured_to_shown_p50_ms", "captured_to_shown_p99_ms",
)  # fmt: skip
VOICE_FIGURES_LIMIT = 8


def health_message(
    stamp: Mapping[str, Any], snapshot: Snapshot, *, uptime_s: int, case: Case, spooled: int, spool_dropped: int
) -> Health:
    picture, workers = snapshot["picture"], snapshot["workers"]
    return Health(
        **stamp,
        uptime_s=uptime_s,
        picture=Picture(**{name: picture[name] for name in Picture.__struct_fields__}),
        case=case,
        call=_call_state(snapshot),
        path=_chosen(workers, "link", PATH_FIGURES),
        video=_chosen(workers, "video", VIDEO_FIGURES),
        voice=_voice(workers),
        machine=machine_figures(snapshot.get("health") or {}),
        restarts={name: worker["restarts"] for name, worker in workers.items()},
        spooled=spooled,
        spool_dropped=spool_dropped,
    )


def _chosen(workers: Mapping[str, Any], worker: str, names: tuple[str, ...]) -> dict[str, float]:
    figures = workers.get(worker, {}).get("figures", {})
    return {name: rounded(figures[name]) for name in names if name in figures}


def _voice(workers: Mapping[str, Any]) -> dict[str, float]:
    figures = workers.get("voice", {}).get("figures", {})
    return {name: rounded(value) for name, value in list(figures.items())[:VOICE_FIGURES_LIMIT]}


def _call_state(snapshot: Snapshot) -> str | None:
    call = snapshot.get("call")
    return str(call["state"]) if isinstance(call, Mapping) and "state" in call else None


def machine_figures(health: Mapping[str, Any]) -> dict[str, float]:
    """The hottest sensor, the fullest disk, the least memory: one figure of each kind."""
    figures: dict[str, float] = {}
    if temperatures := health.get("temperatures"):
        figures["temperature_c"] = rounded(max(sensor["celsius"] for sensor in temperatures))
    if disks := health.get("disks"):
        figures["disk_free_percent"] = rounded(
            min(100 * disk["free_bytes"] / max(1, disk["total_bytes"]) for disk in disks)
        )
    if health.get("memory_available_bytes") is not None:
        figures["memory_free_mib"] = float(health["memory_available_bytes"] >> 20)
    if wear := health.get("wear"):
        figures["disk_life_used_percent"] = float(max(disk["life_used_percent"] for disk in wear))
    if health.get("is_throttled") is not None:
        figures["throttled"] = float(health["is_throttled"])
    return figures


def rounded(value: float) -> float:
    """Three figures are enough for a chart; counts stay exact."""
    return value if value == int(value) else float(f"{value:.3g}")
