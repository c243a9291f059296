"""The serial devices in the supervisor's loop: pyserial on pseudo-terminals, the shipped simulators behind them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon import serial_devices, serial_line
from daemon.config import SerialConfig
from daemon.event_limit import BURST
from daemon.messages import XrayReport
from daemon.panel_view import PanelCall
from daemon.serial_devices import SerialDevices, describe_serial
from daemon.serial_line import SerialLine
from daemon.states import PictureState
from hw.errors import DeviceError
from hw.serial.fake import FakePort
from hw.serial.panel import FrontPanel, PanelReport, build_report
from hw.serial.ports import (
    NEVER_NS,
    Beeper,
    ButtonPressed,
    ButtonReleased,
    Lamp,
    PanelEvent,
    PanelView,
    XrayChanged,
    XrayState,
)
from hw.serial.simulators.panel_box import SimulatedPanel
from hw.serial.simulators.switcher_box import SimulatedSwitcher
from hw.serial.simulators.xray_box import SimulatedXrayBox
from hw.serial.xray import SILENCE_LIMIT_NS, XrayFrame, pack_frame
from tests.serial.conftest import DEADLINE_S, PlugIn


class Box:
    """Serial devices that run, with all that they told."""

    def __init__(self, config: SerialConfig) -> None:
        self.events: list[str] = []
        self.xray: list[XrayState] = []
        self.panel_events: list[PanelEvent] = []
        self.devices = SerialDevices(
            config,
            note_event=lambda what, cause: self.events.append(f"{what}: {cause}" if cause else what),
            tell_xray=self._note_xray,
        )
        self.devices.panel_listeners.append(self.panel_events.append)

    def _note_xray(self, report: XrayReport) -> None:
        if not self.xray or self.xray[-1] is not report.state:
            self.xray.append(report.state)


@asynccontextmanager
async def running(config: SerialConfig) -> AsyncIterator[Box]:
    box = Box(config)
    task = asyncio.create_task(box.devices.run())
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        await asyncio.sleep(0.002)


def test_without_any_device_nothing_is_watched_and_nothing_raises() -> None:
    async def go() -> None:
        async with running(SerialConfig()) as box:
            box.devices.show_state(PictureState.LIVE, "", None, [])
            box.devices.repeat_xray()
            assert box.devices.xray is XrayState.NOT_WATCHED
            assert (box.xray, box.events, box.devices.problems) == ([], [], [])
            assert box.devices.snapshot() == {"devices": {}}
            with pytest.raises(DeviceError, match=r"serial\.switcher"):
                box.devices.switch_source(1)

    asyncio.run(go())


def test_the_panels_button_is_heard_and_the_panel_shows_the_picture(plug_in: PlugIn) -> None:
    panel = SimulatedPanel(time.monotonic_ns())
    plugged = plug_in(panel)

    async def go() -> None:
        async with running(SerialConfig(panel=plugged.path)) as box:
            await until(lambda: not box.devices.problems, "the panel answers")
            plugged.press("c")
            await until(lambda: len(box.panel_events) == 2, "a press")
            assert isinstance(box.panel_events[0], ButtonPressed)
            assert isinstance(box.panel_events[1], ButtonReleased)
            box.devices.call = PanelCall.RINGING
            box.devices.show_state(PictureState.LIVE, "", 45, [])
            await until(lambda: panel.view.lines == ("LIVE 45 ms", "EXPERT CALLS"), "the view")
            assert box.events == ["panel connected", "panel answers", "call button pressed"]

    asyncio.run(go())


def test_xray_is_known_while_the_box_speaks_and_unknown_when_it_is_unplugged(plug_in: PlugIn) -> None:
    plugged = plug_in(SimulatedXrayBox(time.monotonic_ns()))

    async def go() -> None:
        async with running(SerialConfig(xray=plugged.path)) as box:
            assert box.devices.xray is XrayState.UNKNOWN
            await until(lambda: box.xray[-1:] == [XrayState.OFF], "off")
            plugged.press("o")
            await until(lambda: box.xray[-1:] == [XrayState.ON], "on")
            plugged.unplug()
            await until(lambda: box.xray[-1:] == [XrayState.UNKNOWN], "unknown")
            assert box.xray == [XrayState.OFF, XrayState.ON, XrayState.UNKNOWN]
            await until(lambda: any("not connected" in event for event in box.events), "it is said")

    asyncio.run(go())


def test_the_source_is_switched_and_a_refusal_is_told(plug_in: PlugIn) -> None:
    switcher = SimulatedSwitcher(time.monotonic_ns())
    plugged = plug_in(switcher)

    async def go() -> None:
        async with running(SerialConfig(switcher=plugged.path)) as box:
            await until(lambda: not box.devices.problems, "the switcher answers")
            box.devices.switch_source(3)
            await until(lambda: "source is input 3" in box.events, "input 3")
            box.devices.switch_source(9)
            refusal = "source not switched to input 9: there is no such input (E01)"
            await until(lambda: refusal in box.events, "the refusal")
            await until(lambda: switcher.take_output() == b"" and box.devices.snapshot()["source"], "a snapshot")
            assert box.devices.snapshot()["source"] == {"input": 3, "signals": [True] * 4}

    asyncio.run(go())


@pytest.mark.parametrize("n", range(3))
def test_replugged_in_the_middle_of_a_command_it_is_found_again_and_works(
    plug_in: PlugIn, tmp_path: Path, n: int
) -> None:
    """By its by-id name, which leads to another terminal each time."""
    name = tmp_path / "by-id"

    async def go() -> None:
        plugged = plug_in(SimulatedSwitcher(time.monotonic_ns()))
        name.symlink_to(plugged.path)
        async with running(SerialConfig(switcher=str(name))) as box:
            await until(lambda: not box.devices.problems, "the switcher answers")
            box.devices.switch_source(2)
            for _ in range(n):
                await asyncio.sleep(0)
            plugged.unplug()
            name.unlink()
            await until(lambda: box.devices.problems, "it is gone")
            again = plug_in(SimulatedSwitcher(time.monotonic_ns()))
            name.symlink_to(again.path)
            await until(lambda: not box.devices.problems, "it is back")
            box.devices.switch_source(4)
            await until(lambda: "source is input 4" in box.events, "input 4")

    asyncio.run(go())


def test_it_ends_also_when_it_is_told_so_in_the_instant_in_which_something_comes() -> None:
    async def go() -> None:
        line = SerialLine("panel", FakePort(), FrontPanel(), tell=print, note_event=lambda what, cause: None)
        task = asyncio.create_task(line.run())
        await until(lambda: line.is_open, "open")
        await asyncio.sleep(0)
        line.wake()
        await asyncio.sleep(0)
        line.wake()
        task.cancel()
        _, running_on = await asyncio.wait([task], timeout=DEADLINE_S)
        assert not running_on

    asyncio.run(go())


def test_a_port_that_stays_away_is_told_once() -> None:
    async def go() -> None:
        port, tries = FakePort(), 0
        port.unplug()
        events: list[str] = []
        real_open = port.open

        def counted() -> None:
            nonlocal tries
            tries += 1
            real_open()

        port.open = counted  # type: ignore[method-assign]
        line = SerialLine("panel", port, FrontPanel(), tell=print, note_event=lambda what, cause: events.append(what))
        task = asyncio.create_task(line.run())
        await until(lambda: tries >= 3, "three tries")
        assert events == ["panel not connected"]
        port.plug_in()
        await until(lambda: line.is_open, "it is found")
        assert events == ["panel not connected", "panel connected"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


def test_a_device_that_takes_nothing_is_given_up_and_opened_again() -> None:
    class Chatter(FrontPanel):
        """Has always more to say."""

        def take_output(self) -> bytes:
            return bytes(100)

    async def go() -> None:
        port, problems = FakePort(), []
        line = SerialLine("panel", port, Chatter(), tell=print, note_event=lambda what, cause: problems.append(cause))
        task = asyncio.create_task(line.run())

        def is_given_up() -> bool:
            line.wake()
            return "it takes no data" in problems

        await until(is_given_up, "it is given up")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


def test_only_a_device_that_brings_much_within_a_second_floods() -> None:
    line = SerialLine("panel", FakePort(), FrontPanel(), tell=print, note_event=print)
    for second in range(10):
        line._check_rate(serial_line.MOST_BYTES_A_SECOND, second * 1_000_000_000)
    with pytest.raises(DeviceError, match="floods"):
        line._check_rate(1, 9_999_999_999)


def test_a_port_that_lived_long_is_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "SHORT_LIFE_S", 0.0)

    async def go() -> None:
        port = FakePort()
        line = SerialLine("panel", port, FrontPanel(), tell=print, note_event=lambda what, cause: None)
        line._short_lives = 5
        task = asyncio.create_task(line.run())
        await until(lambda: line.is_open, "open")
        port.unplug()
        await until(lambda: not line.is_open, "lost")
        assert line._short_lives == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


def test_a_device_that_floods_is_closed_and_opened_again_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds >= serial_line.REOPEN_AFTER_S:
            delays.append(seconds)
            seconds = 0.0
        await real_sleep(seconds)

    async def go() -> None:
        port, panel = FakePort(), FrontPanel()
        line = SerialLine("panel", port, panel, tell=print, note_event=lambda what, cause: None)
        monkeypatch.setattr(serial_line.asyncio, "sleep", sleep)
        task = asyncio.create_task(line.run())

        def is_given_up_often() -> bool:
            with contextlib.suppress(OSError):  # its buffer is full
                port.deliver(bytes(1000))
            return len(delays) >= 7

        await until(is_given_up_often, "it is given up")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert delays[:7] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
        assert panel.damaged < 10

    asyncio.run(go())


def test_a_fault_in_a_protocol_costs_that_device_alone_and_it_is_tried_again() -> None:
    class Faulty(FrontPanel):
        def receive(self, data: bytes, now_ns: int) -> None:
            raise ZeroDivisionError

    async def go() -> None:
        port, problems = FakePort(), []
        line = SerialLine("panel", port, Faulty(), tell=print, note_event=lambda what, cause: problems.append(what))
        task = asyncio.create_task(line.run())
        await until(lambda: line.is_open, "open")
        port.deliver(b"x")
        await until(lambda: line.problem == "internal fault, see the log", "it is said")
        await until(lambda: line.is_open, "open again")
        assert problems == ["panel connected", "panel not connected", "panel connected"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


def test_a_stuck_line_leaves_the_loop_free_and_what_is_left_is_written_when_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serial_line, "LONGEST_WAIT_S", 1000.0)

    class Patient(FrontPanel):
        """Says its views once."""

        def tick(self, now_ns: int) -> None:
            if self._is_view_due:
                super().tick(self.timer_ns)

        @property
        def timer_ns(self) -> int:
            return super().timer_ns if self._is_view_due else NEVER_NS

    async def go() -> None:
        port, panel = FakePort(), Patient()
        line = SerialLine("panel", port, panel, tell=print, note_event=lambda what, cause: None)
        task = asyncio.create_task(line.run())
        await until(lambda: line.is_open, "open")
        while port.write(bytes(1000)):  # the line is full
            pass
        panel.show(PanelView(Lamp.ON, Lamp.OFF, Lamp.OFF, Beeper.OFF, ("HELD", "last image held")), time.monotonic_ns())
        line.wake()
        await until(lambda: line._unwritten, "something that the line does not take")
        received = b""

        def has_come() -> bool:
            nonlocal received
            received += port.sent()
            return b"last image held" in received

        await until(has_come, "the view")
        port.deliver(build_report(PanelReport(1, 2, 0, True)))
        await until(lambda: panel.is_pressed, "a press")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


def test_a_state_of_xray_that_is_too_old_is_not_told_however_late_the_loop_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class LateTime:
        def monotonic_ns(self) -> int:
            return SILENCE_LIMIT_NS

    reports: list[XrayReport] = []
    monkeypatch.setattr(serial_devices, "time", LateTime())
    devices = SerialDevices(SerialConfig(xray="x"), note_event=lambda what, cause: None, tell_xray=reports.append)
    box = devices._xray
    assert box is not None
    box.note_open(0)
    box.receive(pack_frame(XrayFrame(1, XrayState.ON, 0)), 0)
    assert box.state is XrayState.ON
    devices.repeat_xray()
    assert reports[-1].state is XrayState.UNKNOWN


def test_a_contact_that_chatters_does_not_push_other_events_out_and_its_state_is_told_all_the_same() -> None:
    events: list[str] = []
    reports: list[XrayReport] = []
    devices = SerialDevices(
        SerialConfig(xray="x"), note_event=lambda what, cause: events.append(what), tell_xray=reports.append
    )
    for n in range(1000):
        devices._hear("X-ray contact", XrayChanged(XrayState.ON if n % 2 else XrayState.OFF))
    assert BURST <= len(events) < 2 * BURST
    assert len(reports) == 1000


def test_the_status_lines() -> None:
    well = {"connected": True, "answering": True, "problem": ""}
    silent = {"connected": True, "answering": False, "problem": ""}
    gone = {"connected": False, "answering": False, "problem": "/dev/x: not there"}
    source = {"input": 2, "signals": [False, True]}
    assert describe_serial({"devices": {}}) == []
    assert describe_serial({"devices": {"panel": well, "X-ray contact": well, "switcher": well}, "source": source}) == [
        "  panel: answers",
        "  X-ray contact: answers",
        "  switcher: source is input 2 of 1 (no signal), 2",
    ]
    assert describe_serial({"devices": {"panel": gone, "X-ray contact": silent}}) == [
        "  panel: not connected, /dev/x: not there",
        "  X-ray contact: connected, does not answer",
    ]
