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


def test_the_unit_tells_that_it_is_ready(boxes: dict[str, Box]) -> None:
    for box in boxes.values():
        unit = box.unit(UNIT)
        assert (unit["ActiveState"], unit["SubState"], unit["Type"]) == ("active", "running", "notify")
        assert unit["StatusText"]
        assert unit["NRestarts"] == "0", box.journal(UNIT)


def test_the_picture_is_live_at_both_ends(boxes: dict[str, Box]) -> None:
    for box in boxes.values():
        wait_until(lambda box=box: picture(box) == "LIVE", f"LIVE ({box.journal(UNIT)[-2000:]})")
