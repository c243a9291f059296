"""What the list of capture devices says of each."""

import errno
import os

import pytest

from hw.capture import v4l2_abi as abi
from hw.capture.v4l2_fake import FakeCard, FakeKernel
from hw.capture.v4l2_list import list_capture_devices
from hw.capture.v4l2_timing import SourceTimings
from hw.fake import ManualClock

PATH = "/dev/video0"


def listed(card: FakeCard) -> str:
    kernel = FakeKernel(card, ManualClock(), PATH)
    (listing,) = list_capture_devices(kernel, [PATH])
    assert kernel.open_descriptors == 0
    return str(listing)


def test_a_receiver_with_a_signal() -> None:
    card = FakeCard(SourceTimings(64, 48, 60.0, is_interlaced=False), formats=("YUYV", "MJPG"))
    assert listed(card).splitlines() == [
        "v4l2:/dev/video0  Fake card, HDMI 0",
        "    signal: 64x48p60",
        "    YUYV: format=yuyv422",
        "    MJPG: not read here",
    ]


@pytest.mark.parametrize(
    ("card", "signal"),
    [
        (FakeCard(has_timings=False), "the device's own"),
        (FakeCard(signal=None), "no signal: check the cable and the source"),
        (FakeCard(has_timings=False, signal=None), "no signal: check the cable and the source"),
        (FakeCard(is_locked=False), "signal not stable: check the cable; the source may be changing its resolution"),
    ],
)
def test_the_signal_in_words(card: FakeCard, signal: str) -> None:
    assert f"    signal: {signal}" in listed(card).splitlines()


def test_a_signal_out_of_range_is_named() -> None:
    card = FakeCard(SourceTimings(1600, 1200, 85.0, is_interlaced=False), highest_rate_hz=75)
    assert "signal out of range 1600x1200p85" in listed(card)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "may not be opened"), (errno.EBUSY, "is in use"), (errno.ENODEV, "is gone")]
)
def test_a_device_that_cannot_be_opened_is_listed_with_the_reason(number: int, words: str) -> None:
    class Refusing(FakeKernel):
        def open(self, path: str) -> int:
            raise OSError(number, os.strerror(number))

    (listing,) = list_capture_devices(Refusing(FakeCard(), ManualClock()), [PATH])
    assert words in listing.signal


def test_nodes_that_do_not_capture_are_left_out() -> None:
    assert list_capture_devices(nodes=["/dev/null"]) == []


def test_numbers_that_are_no_characters_are_shown_as_such() -> None:
    card = FakeCard(formats=("YUYV", "\x01\x02AB"))
    assert "    ??AB: not read here" in listed(card)
    assert abi.fourcc("GREY") == int.from_bytes(b"GREY", "little")
