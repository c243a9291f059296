"""What of a reading is a problem, told once when it begins and once when it has ended; its lines in the status."""

import asyncio
import dataclasses

import msgspec
import pytest

from daemon.health import GONE_AFTER_READINGS, HealthWatch, describe_health, problems_of
from hw.sensors import DiskSpace, DiskWear, Health, NetworkLink, Temperature

GIB = 1 << 30
WELL = Health(
    temperatures=(Temperature("cpu", 60.0, 105.0), Temperature("nvme", 40.0, 85.0)),
    is_throttled=False,
    memory_total_bytes=8 * GIB,
    memory_available_bytes=4 * GIB,
    disks=(DiskSpace("/", 50 * GIB, 100 * GIB, is_read_only=False),),
    wear=(DiskWear("mmcblk0", 10),),
    links=(NetworkLink("eth0", True, 1000), NetworkLink("eth1", False, None)),
)
HOT = dataclasses.replace(WELL, temperatures=(Temperature("cpu", 91.2, 105.0),))


def test_a_well_machine_has_no_problem() -> None:
    assert list(problems_of(WELL)) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"temperatures": (Temperature("cpu", 90.0, None),)}, ("cpu is hot", "90 °C")),
        ({"temperatures": (Temperature("nvme", 77.0, 85.0),)}, ("nvme is hot", "77 °C")),
        ({"is_throttled": True}, ("the processor is throttled", "for its temperature")),
        ({"memory_available_bytes": 199 << 20}, ("memory is short", "199 MiB left")),
        ({"disks": (DiskSpace("/", 4 * GIB, 100 * GIB, False),)}, ("disk of / is full", "4096 MiB left")),
        ({"disks": (DiskSpace("/", 50 * GIB, 100 * GIB, True),)}, ("disk of / takes no writes", "read-only")),
        ({"wear": (DiskWear("mmcblk0", 90),)}, ("mmcblk0 is worn", "90 % of its life used")),
        ({"links": (NetworkLink("eth0", False, None),)}, ("no network cable", "eth0")),
    ],
)
def test_each_problem_in_words(change: dict[str, object], problem: tuple[str, str]) -> None:
    assert list(problems_of(dataclasses.replace(WELL, **change))) == [problem]


def test_what_a_machine_does_not_tell_is_no_problem() -> None:
    silent = Health((), None, None, None, (), (), ())
    assert list(problems_of(silent)) == []


class Machine:
    """Sensors that say what they were told to."""

    def __init__(self) -> None:
        self.health = WELL
        self.has_been_read = asyncio.Event()

    def read(self) -> Health:
        self.has_been_read.set()
        return self.health


def test_a_problem_is_told_when_it_begins_and_when_it_has_ended_for_good() -> None:
    events: list[tuple[str, str]] = []
    watch = HealthWatch(Machine(), lambda what, cause: events.append((what, cause)))
    for health in [WELL, HOT, HOT, WELL, HOT, *[WELL] * (GONE_AFTER_READINGS - 1)]:
        watch.note(health)
    assert events == [("cpu is hot", "91 °C")]
    assert watch.problems == ["cpu is hot (91 °C)"]
    watch.note(WELL)
    assert events[1:] == [("no more: cpu is hot", "")]
    assert watch.problems == []


def test_the_snapshot_is_ready_for_json_and_none_before_the_first_reading() -> None:
    machine = Machine()
    watch = HealthWatch(machine, lambda what, cause: None)
    assert watch.snapshot() is None

    async def run_until_read() -> None:
        task = asyncio.create_task(watch.run())
        await asyncio.wait_for(machine.has_been_read.wait(), 10)
        while watch.snapshot() is None:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run_until_read())
    snapshot = msgspec.json.decode(msgspec.json.encode(watch.snapshot()))
    assert snapshot["problems"] == []
    assert snapshot["disks"] == [{"path": "/", "free_bytes": 50 * GIB, "total_bytes": 100 * GIB, "is_read_only": False}]
    assert snapshot["links"][0] == {"name": "eth0", "has_carrier": True, "speed_mbps": 1000}


def test_the_status_lines() -> None:
    watch = HealthWatch(Machine(), lambda what, cause: None)
    watch.note(HOT)
    snapshot = watch.snapshot()
    assert snapshot is not None
    assert describe_health(snapshot) == [
        "  machine: 91 °C (cpu), memory 4096 MiB free, disk of / 51200 MiB free, eth0 1000 Mbit/s, eth1 down",
        "  problem: cpu is hot (91 °C)",
    ]
