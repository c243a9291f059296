"""What the X-ray contact adds to the source's state: an alarm when it is on over a still picture, no wrong "off"."""

import pytest

from daemon.messages import XrayReport
from daemon.picture.source import (
    XRAY_OFF_LIMIT_NS,
    XRAY_REPORT_LIMIT_NS,
    XRAY_WITHOUT_IMAGE_INTERVALS,
    XRAY_WITHOUT_IMAGE_LIMIT_NS,
    SourceWatch,
)
from daemon.states import SourceState
from hw.ports import CaptureTiming, PixelFormat
from hw.serial.ports import XrayState

MS = 1_000_000
T0 = 7_000 * MS
IMAGE_NS = 64 * MS
REPORT_NS = 250 * MS


class Source:
    """A source in simulated time, whose supervisor repeats X-ray's state as the real one does."""

    def __init__(self, image_ns: int = IMAGE_NS) -> None:
        self.now_ns = T0
        self.watch = SourceWatch(T0)
        self.watch.note_open(CaptureTiming(64, 64, 1e9 / 16e6, PixelFormat.GRAY8))
        self._image_ns = image_ns
        self._next_image_ns = T0
        self._next_report_ns = T0
        self.xray: XrayState | None = None
        self.since_ns = T0

    def set_xray(self, state: XrayState) -> None:
        self.xray, self.since_ns, self._next_report_ns = state, self.now_ns, self.now_ns

    def pass_time(self, duration_ns: int, *, moving: bool, supervisor: bool = True) -> list[SourceState]:
        """Frames every 16 ms; the states that were told, without repetition."""
        states: list[SourceState] = []
        end_ns = self.now_ns + duration_ns
        while self.now_ns < end_ns:
            if supervisor and self.xray is not None and self.now_ns >= self._next_report_ns:
                self.watch.note_xray(XrayReport(self.xray, self.since_ns, self.now_ns))
                self._next_report_ns = self.now_ns + REPORT_NS
            is_new = moving and self.now_ns >= self._next_image_ns
            self.watch.note_frame(self.now_ns, is_new=is_new)
            if is_new:
                self.watch.note_encoded(self.now_ns)
                self._next_image_ns = self.now_ns + self._image_ns
            state = SourceState(self.watch.assess(self.now_ns).state)
            if states[-1:] != [state]:
                states.append(state)
            self.now_ns += 16 * MS
        return states

    @property
    def cause(self) -> str:
        return self.watch.assess(self.now_ns).cause


def test_without_a_contact_nothing_is_said_of_xray() -> None:
    source = Source()
    assert source.pass_time(2000 * MS, moving=True) == [SourceState.LIVE]
    assert source.pass_time(5000 * MS, moving=False) == [SourceState.LIVE, SourceState.HELD]
    assert source.watch.assess(source.now_ns).xray == XrayState.NOT_WATCHED
    assert "X-ray" not in source.cause


def test_a_case_of_many_runs_gives_no_false_alarm() -> None:
    """X-ray on; its first image 400 ms later; after it is off, images for 100 ms yet."""
    source = Source()
    for _ in range(20):
        source.set_xray(XrayState.ON)
        source.pass_time(400 * MS, moving=False)
        assert source.pass_time(4000 * MS, moving=True)[-1] is SourceState.LIVE
        source.set_xray(XrayState.OFF)
        states = source.pass_time(100 * MS, moving=True) + source.pass_time(3000 * MS, moving=False)
        assert SourceState.HELD_WITH_XRAY not in states
        assert source.cause == "X-ray off, last image held"


def test_xray_on_over_a_still_picture_is_an_alarm_to_the_nanosecond_and_ends_with_the_next_image() -> None:
    source = Source()
    source.set_xray(XrayState.ON)
    source.pass_time(2000 * MS, moving=True)
    image_ns = source.watch.assess(source.now_ns).image_capture_ns
    source.pass_time(900 * MS, moving=False)
    assert source.watch.assess(image_ns + XRAY_WITHOUT_IMAGE_LIMIT_NS).state == SourceState.HELD
    status = source.watch.assess(image_ns + XRAY_WITHOUT_IMAGE_LIMIT_NS + 1)
    assert status.state == SourceState.HELD_WITH_XRAY
    assert status.xray == XrayState.ON
    assert status.cause == "X-ray is on and the picture does not change"
    assert source.pass_time(2000 * MS, moving=False)[-1] is SourceState.HELD_WITH_XRAY
    assert source.pass_time(200 * MS, moving=True) == [SourceState.LIVE]


def test_xray_that_goes_on_over_a_held_picture_counts_from_then() -> None:
    source = Source()
    source.set_xray(XrayState.OFF)
    source.pass_time(500 * MS, moving=True)
    source.pass_time(60_000 * MS, moving=False)
    source.set_xray(XrayState.ON)
    assert source.pass_time(XRAY_WITHOUT_IMAGE_LIMIT_NS, moving=False) == [SourceState.HELD]
    assert source.pass_time(100 * MS, moving=False)[-1] is SourceState.HELD_WITH_XRAY


def test_slow_pulses_are_no_alarm() -> None:
    """Less than one image a second: each is held before the next comes."""
    source = Source(image_ns=1050 * MS)
    source.set_xray(XrayState.ON)
    source.pass_time(3000 * MS, moving=True)
    assert SourceState.HELD_WITH_XRAY not in source.pass_time(20_000 * MS, moving=True)
    limit_ns = int(XRAY_WITHOUT_IMAGE_INTERVALS * 1056 * MS)
    assert source.pass_time(limit_ns + 100 * MS, moving=False)[-1] is SourceState.HELD_WITH_XRAY


@pytest.mark.parametrize("moving", [True, False])
def test_unknown_is_told_and_is_no_alarm(moving: bool) -> None:
    source = Source()
    source.set_xray(XrayState.UNKNOWN)
    source.pass_time(500 * MS, moving=True)
    states = source.pass_time(5000 * MS, moving=moving)
    assert states[-1] is (SourceState.LIVE if moving else SourceState.HELD)
    assert "X-ray unknown" in source.cause


@pytest.mark.parametrize("state", [XrayState.ON, XrayState.OFF])
def test_a_supervisor_that_falls_silent_makes_it_unknown(state: XrayState) -> None:
    source = Source()
    source.set_xray(state)
    source.pass_time(1000 * MS, moving=True)
    last_report_ns = source._next_report_ns - REPORT_NS
    assert source.watch.assess(last_report_ns + XRAY_REPORT_LIMIT_NS).xray == state
    assert source.watch.assess(last_report_ns + XRAY_REPORT_LIMIT_NS + 1).xray == XrayState.UNKNOWN
    source.pass_time(10_000 * MS, moving=False, supervisor=False)
    assert source.watch.assess(source.now_ns).state == SourceState.HELD
    assert "X-ray unknown" in source.cause


def test_images_while_xray_is_off_are_said_not_to_be_taken_now() -> None:
    source = Source()
    source.set_xray(XrayState.OFF)
    source.pass_time(XRAY_OFF_LIMIT_NS - 100 * MS, moving=True)
    assert source.cause == ""
    assert source.pass_time(500 * MS, moving=True) == [SourceState.LIVE]
    assert source.cause == "X-ray is off: these images are not being taken now"


def test_a_lost_capture_comes_before_what_the_contact_says() -> None:
    source = Source()
    source.set_xray(XrayState.ON)
    source.pass_time(1000 * MS, moving=True)
    source.watch.note_lost("no signal")
    status = source.watch.assess(source.now_ns + 3000 * MS)
    assert (status.state, status.cause) == (SourceState.CAPTURE_LOST, "no signal")
    assert source.watch.assess(source.now_ns).xray == XrayState.ON
