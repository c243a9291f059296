"""Healths become one row a minute and device, for charts over days; and cases become their beginning and end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.messages import Health

GOOD_PICTURES = ("LIVE", "HELD")


@dataclass(slots=True)
class _Minute:
    minute: int
    pictures: dict[str, int] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, health: Health) -> None:
        self.pictures[health.picture.state] = self.pictures.get(health.picture.state, 0) + 1
        if health.picture.latency_ms is not None:
            self.latencies_ms.append(health.picture.latency_ms)
        for name, value in figures_of(health).items():
            self.figures.setdefault(name, []).append(value)

    def row(self, device: str) -> dict[str, Any]:
        bad = {state: count for state, count in self.pictures.items() if state not in GOOD_PICTURES}
        seen = bad or self.pictures
        return {
            "device": device,
            "minute": self.minute,
            "picture": max(seen, key=lambda state: seen[state]),
            "latency_ms": _mean(self.latencies_ms),
            "latency_max_ms": max(self.latencies_ms, default=None),
            **{name: _mean(self.figures.get(name, [])) for name in FIGURES},
        }


FIGURES = ("loss_percent", "residual_loss_percent", "rate_kbps", "temperature_c")


def figures_of(health: Health) -> dict[str, float]:
    """The figures of a health that are charted, by the name that the history has for them."""
    found = {
        "loss_percent": health.path.get("loss_percent"),
        "residual_loss_percent": health.path.get("residual_loss_percent"),
        "rate_kbps": health.path.get("sent_kbps", health.path.get("received_kbps")),
        "temperature_c": health.machine.get("temperature_c"),
    }
    return {name: value for name, value in found.items() if value is not None}


class Minutes:
    """Of all devices."""

    def __init__(self) -> None:
        self._now: dict[str, _Minute] = {}

    def take(self, device: str, health: Health, now_s: int) -> dict[str, Any] | None:
        """The row of the device's last minute, once it is over."""
        minute = self._now.get(device)
        done = None
        if minute is None or minute.minute != now_s // 60:
            done = minute.row(device) if minute is not None else None
            minute = self._now[device] = _Minute(now_s // 60)
        minute.add(health)
        return done


class CaseLog:
    """Which case each device is in, as a row that is written at its beginning and again at its end.

    `under_way`: when those began that the history has no end of.
    """

    def __init__(self, under_way: Mapping[str, int] | None = None) -> None:
        self._began_s = dict(under_way or {})

    def take(self, device: str, health: Health, now_s: int) -> dict[str, Any] | None:
        """A row when a case has begun or ended."""
        began_s = self._began_s.get(device)
        if health.case.active and began_s is None:
            began_s = self._began_s[device] = now_s - (health.case.for_s or 0)
            return {"device": device, "began_s": began_s, "ended_s": None}
        if not health.case.active and began_s is not None:
            del self._began_s[device]
            return {"device": device, "began_s": began_s, "ended_s": now_s - (health.case.for_s or 0)}
        return None


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
