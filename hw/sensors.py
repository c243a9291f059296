"""How the machine itself is: temperature, throttling, memory, disks, network links; read from sysfs and procfs.

Sources: kernel documentation `ABI/testing/sysfs-class-thermal`, `sysfs-class-hwmon`, `sysfs-class-net`,
`admin-guide/thermal/intel_powerclamp`, `ABI/testing/sysfs-devices-system-cpu` (thermal_throttle), `driver-api/mmc`
(life_time, JESD84-B51 section 7.4), and proc(5). What a machine does not have is left out, and never guessed.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_PROCESSOR_COOLERS = ("Processor", "cpufreq", "thermal-cpufreq", "intel_powerclamp", "TCC Offset")
_LIFE_USED_STEP_PERCENT = 10  # eMMC tells its wear in tenths


@dataclass(frozen=True, slots=True)
class Temperature:
    """One sensor. `critical_c`: where the machine would switch itself off, if it says so."""

    name: str
    celsius: float
    critical_c: float | None = None


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The file system that holds `path`. Free bytes are those that a service may use."""

    path: str
    free_bytes: int
    total_bytes: int
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class DiskWear:
    """A flash device's own estimate: how much of its life is used, 0 to 100 and more."""

    device: str
    life_used_percent: int


@dataclass(frozen=True, slots=True)
class NetworkLink:
    """A network adapter. `speed_mbps` is None without a carrier, and for those that do not tell (radio)."""

    name: str
    has_carrier: bool
    speed_mbps: int | None


@dataclass(frozen=True, slots=True)
class Health:
    """One reading. `is_throttled`: the processor runs slower than it could, now or since the last reading, for its
    temperature's sake; None: this machine does not tell."""

    temperatures: tuple[Temperature, ...]
    is_throttled: bool | None
    memory_total_bytes: int | None
    memory_available_bytes: int | None
    disks: tuple[DiskSpace, ...]
    wear: tuple[DiskWear, ...]
    links: tuple[NetworkLink, ...]


class Sensors(Protocol):
    """The machine's sensors. Used by one thread at a time."""

    def read(self) -> Health:
        """A reading now. It may take some milliseconds and never raises."""
        ...


class LinuxSensors:
    """The sensors below `root`, which is `/` but for tests; of each disk that holds one of `folders`, its space."""

    def __init__(self, root: Path = Path("/"), folders: Iterable[str] = ("/",)) -> None:
        self._root = root
        self._folders = tuple(folders)
        self._throttle_counts: dict[str, int] | None = None

    def read(self) -> Health:
        memory = self._memory()
        return Health(
            temperatures=tuple(self._temperatures()),
            is_throttled=self._is_throttled(),
            memory_total_bytes=memory.get("MemTotal"),
            memory_available_bytes=memory.get("MemAvailable"),
            disks=tuple(self._disks()),
            wear=tuple(self._wear()),
            links=tuple(self._links()),
        )

    def _glob(self, pattern: str) -> list[Path]:
        return sorted(self._root.glob(pattern))

    def _temperatures(self) -> Iterable[Temperature]:
        """Thermal zones where there are any; hardware monitors for what has no zone, so that nothing counts twice."""
        names: set[str] = set()
        for zone in self._glob("sys/class/thermal/thermal_zone*"):
            celsius = _thousandths(zone / "temp")
            name = _text(zone / "type")
            if celsius is None or not name:
                continue
            names.add(name)
            yield Temperature(name, celsius, self._critical_c(zone))
        for monitor in self._glob("sys/class/hwmon/hwmon*"):
            name = _text(monitor / "name")
            if not name or name in names:
                continue
            for sensor in sorted(monitor.glob("temp*_input")):
                celsius = _thousandths(sensor)
                stem = sensor.name.removesuffix("_input")
                label = _text(monitor / f"{stem}_label") or stem
                if celsius is not None:
                    yield Temperature(f"{name} {label}", celsius, _thousandths(monitor / f"{stem}_crit"))

    def _critical_c(self, zone: Path) -> float | None:
        for kind in sorted(zone.glob("trip_point_*_type")):
            if _text(kind) == "critical":
                return _thousandths(zone / kind.name.replace("_type", "_temp"))
        return None

    def _is_throttled(self) -> bool | None:
        """By Intel's counters of throttle events, which have to grow, or by a processor cooler that is at work."""
        counts = {
            str(path): count
            for path in self._glob("sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count")
            if (count := _number(path)) is not None
        }
        before, self._throttle_counts = self._throttle_counts, counts
        coolers = [
            level
            for path in self._glob("sys/class/thermal/cooling_device*")
            if (_text(path / "type") or "").startswith(_PROCESSOR_COOLERS)
            and (level := _number(path / "cur_state")) is not None
        ]
        if not counts and not coolers:
            return None
        has_grown = before is not None and any(count > before.get(path, count) for path, count in counts.items())
        return has_grown or any(level > 0 for level in coolers)

    def _memory(self) -> dict[str, int]:
        """Bytes by the names of /proc/meminfo."""
        amounts = {}
        for line in (_text(self._root / "proc/meminfo") or "").splitlines():
            name, _, amount = line.partition(":")
            words = amount.split()
            if len(words) == 2 and words[1] == "kB" and words[0].isdecimal():
                amounts[name] = int(words[0]) * 1024
        return amounts

    def _disks(self) -> Iterable[DiskSpace]:
        devices: set[int] = set()
        for folder in self._folders:
            path = self._root / folder.lstrip("/")
            try:
                device, space = path.stat().st_dev, os.statvfs(path)
            except OSError:
                continue
            if device in devices:
                continue
            devices.add(device)
            is_read_only = self._is_read_only(folder)
            if is_read_only is None:
                is_read_only = bool(space.f_flag & os.ST_RDONLY)
            yield DiskSpace(folder, space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize, is_read_only)

    def _is_read_only(self, folder: str) -> bool | None:
        """Of the file system itself (proc(5), mountinfo): a service's own view of it may be read-only by its unit.

        None: the kernel does not say.
        """
        best, answer = -1, None
        for line in (_text(self._root / "proc/self/mountinfo") or "").splitlines():
            mount, _, file_system = line.partition(" - ")
            places, kinds = mount.split(), file_system.split()
            if len(places) < 5 or len(kinds) < 3:
                continue
            place = places[4]
            is_inside = folder == place or folder.startswith(place.rstrip("/") + "/")
            if is_inside and len(place) >= best:  # the last of those mounted one over the other is seen
                best, answer = len(place), "ro" in kinds[2].split(",")
        return answer

    def _wear(self) -> Iterable[DiskWear]:
        """Of eMMC: the worse of its two memory types. Value n means: (n - 1) * 10 to n * 10 percent used."""
        for path in self._glob("sys/block/mmcblk*/device/life_time"):
            try:
                worst = max(int(word, 16) for word in (_text(path) or "").split())
            except ValueError:
                continue
            if worst:  # 0: not defined by this device
                yield DiskWear(path.parts[-3], worst * _LIFE_USED_STEP_PERCENT)

    def _links(self) -> Iterable[NetworkLink]:
        """Adapters that are devices: no loopback, no tunnels, no bridges."""
        for path in self._glob("sys/class/net/*"):
            if not (path / "device").exists():
                continue
            has_carrier = _number(path / "carrier") == 1  # unreadable while the adapter is switched off
            speed_mbps = _number(path / "speed") if has_carrier else None
            yield NetworkLink(path.name, has_carrier, speed_mbps if speed_mbps and speed_mbps > 0 else None)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    try:
        return int(_text(path) or "")
    except ValueError:
        return None


def _thousandths(path: Path) -> float | None:
    number = _number(path)
    return None if number is None else number / 1000
