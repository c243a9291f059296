"""The fake capture follows its script to the nanosecond, and the fake display forgets nothing."""

import numpy as np
import pytest

from hw.errors import DeviceError
from hw.fake import Delivery, FakeCapture, FakeDisplay, Loss, ManualClock, deliveries
from hw.ports import Banner, CaptureTiming, PixelFormat, Tone

TIMING = CaptureTiming(8, 4, 10, PixelFormat.GRAY8)
PICTURES = [np.full((4, 8), level, np.uint8) for level in range(20)]
UNPLUGGED = DeviceError("no signal", "check the cable")


def test_frames_come_at_their_scripted_times() -> None:
    clock = ManualClock()
    device = FakeCapture(
        [Delivery(0.5, PICTURES[3]), Delivery(0.123456789, PICTURES[7]), Delivery(0.6, PICTURES[3])], TIMING, clock
    )
    device.open()
    start_ns = clock.now_ns()
    seen = []
    while (frame := device.read(1.0)) is not None:
        seen.append((frame.capture_ns - start_ns, int(frame.pixels[0, 0]), frame.sequence))
    assert seen == [(123_456_789, 7, 0), (500_000_000, 3, 1), (600_000_000, 3, 2)]
    assert clock.now_ns() - start_ns == 1_600_000_000


def test_a_stall_is_nothing_for_its_time() -> None:
    clock = ManualClock()
    device = FakeCapture([*deliveries(PICTURES[:3], 10), *deliveries(PICTURES[3:5], 10, start_s=1.0)], TIMING, clock)
    device.open()
    frames = [device.read(0.1) for _ in range(14)]
    came = [number for number, frame in enumerate(frames) if frame is not None]
    assert came[:3] == [0, 1, 2]
    assert len(came) == 5
    assert came[3] >= 9


def test_a_loss_is_raised_until_its_end_and_the_script_goes_on() -> None:
    clock = ManualClock()
    device = FakeCapture([*deliveries(PICTURES, 10), Loss(0.55, 1.05, UNPLUGGED)], TIMING, clock)
    device.open()
    for _ in range(6):
        assert device.read(1.0) is not None
    with pytest.raises(DeviceError, match="no signal: check the cable"):
        device.read(1.0)
    for _ in range(4):
        with pytest.raises(DeviceError, match="no signal"):
            device.open()
        clock.advance(0.1)
    clock.advance(0.12)
    device.open()
    frame = device.read(1.0)
    assert frame is not None
    assert (frame.sequence, int(frame.pixels[0, 0])) == (11, 11)


def test_a_loss_that_nobody_saw_is_still_told() -> None:
    clock = ManualClock()
    device = FakeCapture([*deliveries(PICTURES, 10), Loss(0.5, 0.6, UNPLUGGED)], TIMING, clock)
    device.open()
    clock.advance(1.0)
    with pytest.raises(DeviceError, match="no signal"):
        device.read(1.0)
    device.open()
    assert device.read(1.0) is not None


def test_the_display_keeps_copies_of_what_it_was_shown() -> None:
    display = FakeDisplay()
    banner = Banner(Tone.GOOD, "LIVE", "", 70, 83, 4, Tone.GOOD)
    with pytest.raises(DeviceError, match="closed"):
        display.show(None, banner, is_new=False)
    display.open()
    display.show(None, banner, is_new=False)
    picture = PICTURES[5].copy()
    display.show(picture, banner, is_new=True)
    picture.fill(0)
    display.close()
    empty, shown = display.shown
    assert (empty.picture, empty.banner, empty.is_new) == (None, banner, False)
    assert shown.picture is not None
    assert np.array_equal(shown.picture, PICTURES[5])
    assert shown.is_new
