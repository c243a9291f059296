"""The unit under a real systemd: it starts, tells that it is ready, is watched, and heals; sender to receiver."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.box import Box, Network, wait_until

UNIT = "cathlink.service"
CONFIG = "/etc/cathlink/cathlink.toml"
CATHLINK = "/opt/cathlink/venv/bin/cathlink"
SENDER_CAPTURE = 'device = "phantom:512x512@15"'


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    subprocess.run([Path(sys.executable).parent / "cathlink-provision", "lab", folder / "lab"], check=True)
    return folder / "lab"


def configure(box: Box, lab: Path, role: str) -> None:
    """As the field engineer does: identity and configuration into /etc/cathlink."""
    files = {path.name: path.read_bytes() for path in lab.iterdir() if path.suffix in (".crt", ".key")}
    files["layout.toml"] = (lab / "layout.toml").read_bytes()
    text = (lab / f"{role}.toml").read_text()
    text = text.replace(f'socket = "{role}.sock"', 'socket = "/run/cathlink/status.sock"')
    text = text.replace('device = "web:127.0.0.1:8080"', 'device = "none:"')
    text = text.replace('device = "phantom:1024x1024@15"', SENDER_CAPTURE)
    files["cathlink.toml"] = text.encode()
    box.put(files, "/etc/cathlink", "cathlink")


@pytest.fixture(scope="module")
def boxes(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Box]]:
    """Sender and receiver, configured, their units started."""
    folder = tmp_path_factory.mktemp("boxes")
    with (
        Network("cathlink-test") as network,
        Box("receiver", network, folder) as receiver,
        Box("sender", network, folder) as sender,
    ):
        boxes = {"sender": sender, "receiver": receiver}
        for role, box in boxes.items():
            configure(box, lab, role)
            said = box.run("systemctl", "enable", "--now", UNIT)
            assert box.unit(UNIT)["ActiveState"] == "active", said + box.journal(UNIT)
        yield boxes


def status(box: Box) -> dict[str, object]:
    said = box.run(CATHLINK, "status", "--config", CONFIG, "--json")
    return json.loads(said) if said.startswith("{") else {}


def picture(box: Box) -> str:
    shown = status(box).get("picture")
    return str(shown["state"]) if isinstance(shown, dict) else ""


def live(box: Box) -> float:
    """Waits for it, and returns how long it took."""
    return wait_until(lambda: picture(box) == "LIVE", f"LIVE of {box.name}")


def main_pid(box: Box) -> str:
    return box.unit(UNIT)["MainPID"]


def restarts(box: Box) -> int:
    return int(box.unit(UNIT)["NRestarts"])


def test_the_unit_file_has_no_fault(boxes: dict[str, Box]) -> None:
    assert (
        boxes["sender"].run("systemd-analyze", "verify", "--man=no", UNIT) == ""
    )  # an unknown key is told there alone


def test_the_unit_tells_that_it_is_ready(boxes: dict[str, Box]) -> None:
    for box in boxes.values():
        unit = box.unit(UNIT)
        assert (unit["ActiveState"], unit["SubState"], unit["Type"]) == ("active", "running", "notify")
        assert unit["NRestarts"] == "0", box.journal(UNIT)
        assert box.run("systemctl", "is-enabled", UNIT) == "enabled\n"


def test_the_picture_is_live_at_both_ends_and_in_the_units_status(boxes: dict[str, Box]) -> None:
    for box in boxes.values():
        live(box)
        wait_until(lambda box=box: box.unit(UNIT)["StatusText"].startswith("LIVE"), "LIVE in the status")


def test_it_runs_as_its_own_user_without_privileges_but_with_priority(boxes: dict[str, Box]) -> None:
    for box in boxes.values():
        live(box)
        processes = box.run("ps", "-o", "user=,ni=,args=", "-u", "cathlink").splitlines()
        assert len(processes) >= 3  # the supervisor, link, video
        assert all(line.split()[:2] == ["cathlink", "-10"] for line in processes), processes
        facts = box.run("cat", f"/proc/{main_pid(box)}/status")
        assert "CapEff:\t0000000000000000" in facts
        assert "NoNewPrivs:\t1" in facts
        assert "Seccomp:\t2" in facts


def test_a_killed_worker_is_no_matter_of_systemd(boxes: dict[str, Box]) -> None:
    box = boxes["sender"]
    before = restarts(box)
    box.run("pkill", "-KILL", "-f", "daemon.worker video")
    wait_until(lambda: picture(box) != "LIVE", "the loss")
    live(box)
    assert restarts(box) == before


@pytest.mark.parametrize("role", ["sender", "receiver"])
def test_a_killed_daemon_is_started_again(boxes: dict[str, Box], role: str) -> None:
    box = boxes[role]
    before, pid = restarts(box), main_pid(box)
    box.run("kill", "-KILL", pid)
    wait_until(lambda: main_pid(box) not in ("0", pid), "another process")
    assert restarts(box) == before + 1
    for end in boxes.values():
        live(end)


def test_a_daemon_that_hangs_is_ended_by_the_watchdog(boxes: dict[str, Box]) -> None:
    box = boxes["sender"]
    pid = main_pid(box)
    box.run("kill", "-STOP", pid)
    seconds = wait_until(lambda: main_pid(box) not in ("0", pid), "another process", limit_s=20)
    assert seconds > 3  # not before its time
    assert "Watchdog timeout" in box.journal(UNIT)
    live(box)


def test_a_daemon_that_dies_often_is_never_given_up(boxes: dict[str, Box]) -> None:
    box = boxes["receiver"]
    for _ in range(8):
        wait_until(lambda: main_pid(box) != "0", "a process")
        box.run("kill", "-KILL", main_pid(box))
    live(box)


def test_stopping_is_quick_and_leaves_nothing(boxes: dict[str, Box]) -> None:
    for box in boxes.values():
        box.run("systemctl", "stop", UNIT)
        unit = box.unit(UNIT)
        assert (unit["ActiveState"], unit["Result"]) == ("inactive", "success"), box.journal(UNIT)
        assert box.run("pgrep", "-u", "cathlink") == ""
    assert "State 'stop-sigterm' timed out" not in boxes["sender"].journal(UNIT)
    for box in boxes.values():
        box.run("systemctl", "start", UNIT)
    for box in boxes.values():
        live(box)


def test_a_wrong_configuration_is_told_once_and_not_tried_again(boxes: dict[str, Box]) -> None:
    box = boxes["receiver"]
    good = box.run("cat", CONFIG)
    box.run("sed", "-i", "s/^listen = .*/listen = 7/", CONFIG)
    box.run("systemctl", "restart", UNIT)
    wait_until(lambda: box.unit(UNIT)["ActiveState"] == "failed", "the failure")
    unit = box.unit(UNIT)
    assert unit["ExecMainStatus"] == "2"
    assert f"cathlink: {CONFIG}: link.listen:" in box.journal(UNIT)
    box.run("tee", CONFIG, data=good.encode())
    box.run("systemctl", "restart", UNIT)
    live(box)


def test_the_sandbox_is_no_fault_of_the_machine(boxes: dict[str, Box]) -> None:
    """The unit sees most disks as read-only, and few of the processes."""
    for box in boxes.values():
        live(box)
        assert "read-only" not in box.journal(UNIT)
