"""X-ray's contact and the panel through the real corridor: simulated on pseudo-terminals, and what both screens say."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.serial.ports import Beeper, Lamp, PanelView
from hw.serial.simulators.panel_box import SimulatedPanel
from hw.serial.simulators.xray_box import SimulatedXrayBox
from tests.corridor.pictures import Show
from tests.corridor.rig import ENDS, Rig, wait_until
from tests.serial.conftest import RunningDevice

ALARM = "HELD, X-RAY ON"


@pytest.fixture
def box() -> Iterator[RunningDevice]:
    plugged = RunningDevice(SimulatedXrayBox(time.monotonic_ns()))
    yield plugged
    plugged.unplug()


@pytest.fixture
def panel() -> Iterator[RunningDevice]:
    plugged = RunningDevice(SimulatedPanel(time.monotonic_ns()))
    yield plugged
    plugged.unplug()


@pytest.mark.slow
def test_xray_over_a_still_picture_alarms_both_ends_and_a_silent_box_is_never_off(
    tmp_path: Path, box: RunningDevice, panel: RunningDevice
) -> None:
    with Rig(tmp_path / "lab", f"serial.xray={box.path}", f"serial.panel={panel.path}") as rig:

        def panel_view() -> PanelView:
            assert isinstance(panel.device, SimulatedPanel)
            return panel.device.view

        def wait_cause(words: str) -> None:
            for name in ENDS:
                wait_until(lambda name=name: words in rig.ends[name].samples[-1].cause, f"{words!r} at the {name}")

        box.press("o")
        for name in ENDS:
            wait_until(lambda name=name: rig.ends[name].answer["xray"] == "on", f"X-ray on at the {name}")
        rig.wait_pictures(rig.sink.count + 60)
        for end in rig.ends.values():
            assert end.first_since(0, ALARM) is None
        rig.source.show = Show.HELD
        held_ns = time.monotonic_ns()
        rig.wait_state(ALARM)
        for name, end in rig.ends.items():
            assert end.first_since(held_ns, "HELD") is not None, f"held comes first at the {name}"
            assert any(event["what"] == f"picture is {ALARM}" for event in end.answer["events"])
        wait_until(lambda: panel_view().lines[0] == ALARM, "the alarm on the panel")
        assert (panel_view().fault, panel_view().beeper) == (Lamp.FAST, Beeper.ALARM)
        panel.press("c")
        pressed = {"what": "call button pressed", "cause": ""}
        wait_until(lambda: any(pressed.items() <= event.items() for event in rig.sender.answer["events"]), "a press")
        box.press("f")
        rig.wait_state("HELD")
        wait_cause("X-ray off, last image held")
        box.press("o")
        rig.wait_state(ALARM)
        box.unplug()
        rig.wait_state("HELD")
        wait_cause("X-ray unknown")
        assert {end.answer["xray"] for end in rig.ends.values()} == {"unknown"}
        rig.heal()
        rig.wait_state("LIVE")
        wait_cause("X-ray unknown")
