"""The machine's sensors over a folder tree like sysfs and procfs: what is there is read, what is not is left out."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.sensors import DiskWear, Health, LinuxSensors, NetworkLink, Temperature

WriteTree = Callable[[dict[str, str]], LinuxSensors]

ZONE = {
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
    "sys/class/thermal/thermal_zone0/temp": "61500\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_type": "passive\n",
    "sys/class/thermal/thermal_zone0/trip_point_0_temp": "95000\n",
    "sys/class/thermal/thermal_zone0/trip_point_1_type": "critical\n",
    "sys/class/thermal/thermal_zone0/trip_point_1_temp": "105000\n",
}
NVME = {
    "sys/class/hwmon/hwmon1/name": "nvme\n",
    "sys/class/hwmon/hwmon1/temp1_input": "40850\n",
    "sys/class/hwmon/hwmon1/temp1_label": "Composite\n",
    "sys/class/hwmon/hwmon1/temp1_crit": "84850\n",
}
COUNTER = "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
COOLER = "sys/class/thermal/cooling_device0"


@pytest.fixture
def write_tree(tmp_path: Path) -> WriteTree:
    """Sensors over these files (again: over these besides)."""
    sensors = LinuxSensors(tmp_path, ("/", "/data", "/nowhere"))

    def write(files: dict[str, str]) -> LinuxSensors:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return sensors

    return write


def test_a_machine_that_tells_nothing_gives_no_figures(write_tree: WriteTree) -> None:
    health = write_tree({}).read()
    assert (health.temperatures, health.wear, health.links) == ((), (), ())
    assert (health.is_throttled, health.memory_total_bytes, health.memory_available_bytes) == (None, None, None)


def test_temperatures_of_zones_and_of_monitors_that_no_zone_has(write_tree: WriteTree) -> None:
    twice = {"sys/class/hwmon/hwmon0/name": "x86_pkg_temp", "sys/class/hwmon/hwmon0/temp1_input": "61500"}
    assert write_tree(ZONE | NVME | twice).read().temperatures == (
        Temperature("x86_pkg_temp", 61.5, 105.0),
        Temperature("nvme Composite", 40.85, 84.85),
    )


def test_a_sensor_that_cannot_be_read_is_left_out(write_tree: WriteTree) -> None:
    zone = {"sys/class/thermal/thermal_zone0/type": "cpu", "sys/class/thermal/thermal_zone0/temp": "N/A"}
    assert write_tree(zone).read().temperatures == ()


def test_throttled_when_a_counter_has_grown_since_the_last_reading(write_tree: WriteTree) -> None:
    sensors = write_tree({COUNTER: "17"})
    assert sensors.read().is_throttled is False  # 17 times since the machine started is not now
    write_tree({COUNTER: "18"})
    assert sensors.read().is_throttled is True
    assert sensors.read().is_throttled is False


@pytest.mark.parametrize(
    ("kind", "level", "is_throttled"),
    [
        ("Processor", "0", False),
        ("Processor", "3", True),
        ("thermal-cpufreq-0", "1", True),
        ("intel_powerclamp", "-1", False),
        ("Fan", "2", None),
    ],
)
def test_throttled_when_a_processor_cooler_is_at_work(
    write_tree: WriteTree, kind: str, level: str, is_throttled: bool | None
) -> None:
    sensors = write_tree({f"{COOLER}/type": kind, f"{COOLER}/cur_state": level})
    assert sensors.read().is_throttled is is_throttled


def test_memory(write_tree: WriteTree) -> None:
    health = write_tree({"proc/meminfo": "MemTotal:  8000 kB\nMemAvailable:  3000 kB\nHugePages_Total: 0\n"}).read()
    assert (health.memory_total_bytes, health.memory_available_bytes) == (8000 * 1024, 3000 * 1024)


def test_disk_space_once_a_file_system(write_tree: WriteTree, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (disk,) = write_tree({}).read().disks
    real = os.statvfs(tmp_path)
    assert (disk.path, disk.total_bytes, disk.is_read_only) == ("/", real.f_blocks * real.f_frsize, False)
    assert 0 < disk.free_bytes <= disk.total_bytes


@pytest.mark.parametrize(
    ("mounts", "is_read_only"),
    [
        ("21 1 8:1 / / ro,noatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n", False),  # a unit's view alone
        ("21 1 8:1 / / rw - ext4 /dev/sda1 ro\n22 21 8:2 / /home rw - ext4 /dev/sda2 rw\n", True),
        ("21 1 8:1 / / rw - ext4 /dev/sda1 ro\n22 21 0:5 / / rw - overlay overlay rw\n", False),  # one over the other
        ("nonsense\n21 1 - \n", False),
    ],
)
def test_a_disk_takes_no_writes_when_its_file_system_says_so(
    write_tree: WriteTree, mounts: str, is_read_only: bool
) -> None:
    (disk,) = write_tree({"proc/self/mountinfo": mounts}).read().disks
    assert disk.is_read_only is is_read_only


def test_wear_is_the_worse_of_the_two_estimates(write_tree: WriteTree) -> None:
    health = write_tree(
        {
            "sys/block/mmcblk0/device/life_time": "0x01 0x0b\n",
            "sys/block/mmcblk1/device/life_time": "0x00 0x00\n",
            "sys/block/mmcblk2/device/life_time": "?\n",
        }
    ).read()
    assert health.wear == (DiskWear("mmcblk0", 110),)


def test_links_of_real_adapters(write_tree: WriteTree, tmp_path: Path) -> None:
    net = "sys/class/net"
    sensors = write_tree(
        {
            f"{net}/lo/carrier": "1",
            f"{net}/eth0/device/vendor": "x",
            f"{net}/eth0/carrier": "1",
            f"{net}/eth0/speed": "1000",
            f"{net}/eth1/device/vendor": "x",
            f"{net}/eth1/carrier": "0",
            f"{net}/eth1/speed": "-1",
            f"{net}/wlan0/device/vendor": "x",
            f"{net}/wlan0/carrier": "1",
        }
    )
    assert sensors.read().links == (
        NetworkLink("eth0", True, 1000),
        NetworkLink("eth1", False, None),
        NetworkLink("wlan0", True, None),
    )


@given(st.dictionaries(st.sampled_from([*ZONE, *NVME, COUNTER, "proc/meminfo"]), st.binary(max_size=40)))
def test_whatever_the_files_hold_a_reading_comes_out(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("root")
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    assert isinstance(LinuxSensors(root).read(), Health)


def test_the_machine_that_runs_this() -> None:
    health = LinuxSensors().read()
    assert health.memory_total_bytes is not None
    assert health.memory_available_bytes is not None
    assert 0 < health.memory_available_bytes <= health.memory_total_bytes
    assert [disk.path for disk in health.disks] == ["/"]
