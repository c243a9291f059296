"""The machine's health, read every few seconds beside everything else, and what of it is a problem, in words.

A problem is told once when it begins and once when it has ended for good; what flickers does not flood.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hw.sensors import Health, Sensors

READ_EVERY_S = 5.0
GONE_AFTER_READINGS = 3
HOT_C = 90.0
HOT_UNDER_CRITICAL_C = 8.0
MEMORY_SHORT_BYTES = 200 << 20
DISK_SHORT_PART = 0.05
WORN_PERCENT = 80


def problems_of(health: Health) -> Iterator[tuple[str, str]]:
    """(what, the measurement) of each; `what` stays the same as long as the problem does."""
    for sensor in health.temperatures:
        limit_c = HOT_C if sensor.critical_c is None else min(HOT_C, sensor.critical_c - HOT_UNDER_CRITICAL_C)
        if sensor.celsius >= limit_c:
            yield f"{sensor.name} is hot", f"{sensor.celsius:.0f} °C"
    if health.is_throttled:
        yield "the processor is throttled", "for its temperature"
    available = health.memory_available_bytes
    if available is not None and available < MEMORY_SHORT_BYTES:
        yield "memory is short", f"{available >> 20} MiB left"
    for disk in health.disks:
        if disk.is_read_only:
            yield f"disk of {disk.path} takes no writes", "read-only"
        elif disk.free_bytes < DISK_SHORT_PART * disk.total_bytes:
            yield f"disk of {disk.path} is full", f"{disk.free_bytes >> 20} MiB left"
    for wear in health.wear:
        if wear.life_used_percent >= WORN_PERCENT:
            yield f"{wear.device} is worn", f"{wear.life_used_percent} % of its life used"
    if health.links and not any(link.has_carrier for link in health.links):
        yield "no network cable", ", ".join(link.name for link in health.links)


class HealthWatch:
    """`snapshot` is what `cathlink status` and management tell; `note_event` gets (what, cause) of each change."""

    def __init__(self, sensors: Sensors, note_event: Callable[[str, str], None]) -> None:
        self._sensors = sensors
        self._note_event = note_event
        self._health: Health | None = None
        self._problems: dict[str, str] = {}
        self._readings_without: dict[str, int] = {}

    @property
    def problems(self) -> list[str]:
        """In words, the gravest first as `problems_of` has them."""
        return [f"{what} ({measured})" for what, measured in self._problems.items()]

    async def run(self) -> None:
        """Until cancelled. In a thread: a slow sensor must not hold the loop."""
        while True:
            self.note(await asyncio.to_thread(self._sensors.read))
            await asyncio.sleep(READ_EVERY_S)

    def note(self, health: Health) -> None:
        self._health = health
        now = dict(problems_of(health))
        for what, measured in now.items():
            self._readings_without[what] = 0
            if what not in self._problems:
                self._note_event(what, measured)
        for what in self._problems.keys() - now.keys():
            self._readings_without[what] += 1
            if self._readings_without[what] < GONE_AFTER_READINGS:
                now[what] = self._problems[what]
            else:
                del self._readings_without[what]
                self._note_event(f"no more: {what}", "")
        self._problems = now

    def snapshot(self) -> dict[str, object] | None:
        """JSON-ready: the fields of `hw.sensors.Health`, and `problems`. None before the first reading."""
        if self._health is None:
            return None
        return {**msgspec.to_builtins(self._health), "problems": self.problems}


def describe_health(health: dict[str, Any]) -> list[str]:
    """Lines of `cathlink status` from the snapshot: what is measured, then what is wrong with it."""
    parts = []
    if health["temperatures"]:
        hottest = max(health["temperatures"], key=lambda sensor: float(sensor["celsius"]))
        parts.append(f"{hottest['celsius']:.0f} °C ({hottest['name']})")
    if health["memory_available_bytes"] is not None:
        parts.append(f"memory {health['memory_available_bytes'] >> 20} MiB free")
    parts += [f"disk of {disk['path']} {disk['free_bytes'] >> 20} MiB free" for disk in health["disks"]]
    for link in health["links"]:
        speed = f"{link['speed_mbps']} Mbit/s" if link["speed_mbps"] else "up"
        parts.append(f"{link['name']} {speed if link['has_carrier'] else 'down'}")
    return [f"  machine: {', '.join(parts)}", *(f"  problem: {problem}" for problem in health["problems"])]
