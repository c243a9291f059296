"""The expert asks for another source, the operator grants it at the panel, the switcher does it: the real corridor."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from daemon.main import main
from daemon.status import StatusClient
from hw.serial.simulators.panel_box import SimulatedPanel
from hw.serial.simulators.switcher_box import SimulatedSwitcher
from tests.corridor.rig import Rig, wait_until
from tests.serial.conftest import RunningDevice


@pytest.mark.slow
def test_the_experts_wish_is_granted_by_a_press_of_the_button(tmp_path: Path) -> None:
    panel, switcher = SimulatedPanel(time.monotonic_ns()), SimulatedSwitcher(time.monotonic_ns())
    plugged = {"panel": RunningDevice(panel), "switcher": RunningDevice(switcher)}
    try:
        settings = [f"serial.{name}={device.path}" for name, device in plugged.items()]
        with Rig(tmp_path / "lab", *settings) as rig:
            wait_until(lambda: rig.sender.answer["serial"]["source"]["input"] == 1, "the source")
            assert main(["source", "3", "--config", str(rig.lab.receiver_config)]) == 0
            wait_until(lambda: panel.view.lines[1] == "EXPERT: INPUT 3?", "the question")
            assert switcher.input == 1
            plugged["panel"].press("c")
            wait_until(lambda: switcher.input == 3, "the other source")
            done = "input 3: switched"
            wait_until(lambda: rig.receiver.answer["source_wish"] == done, "the answer")
            with closing(StatusClient(str(rig.lab.sender_config.with_suffix(".sock")))) as client:
                client.ask("source 2")
            wait_until(lambda: switcher.input == 2, "the operator's own choice")
    finally:
        for device in plugged.values():
            device.unplug()
