"""Video4Linux2 capture on a kernel that plays a card: formats, times, fields, buffers, and what goes wrong.

The same code on a real driver: tests/appliance.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes import Structure
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.capture import v4l2_abi as abi
from hw.capture.edid import BLOCK_BYTES, HEADER, edid_fault
from hw.capture.pacing import SECOND_NS
from hw.capture.v4l2 import V4l2Capture, V4l2Wish
from hw.capture.v4l2_fake import FakeCard, FakeKernel
from hw.capture.v4l2_timing import SourceTimings, source_timings
from hw.errors import DeviceError, SourceChangedError
from hw.fake import ManualClock
from hw.ports import CapturedFrame, CaptureTiming, ColourMatrix, FrameBytes, PixelFormat, ValueRange
from hw.select import capture_device

PATH = "/dev/video0"
HD = SourceTimings(64, 48, 60.0, is_interlaced=False)
INTERLACED = SourceTimings(64, 48, 25.0, is_interlaced=True)
NOBODY = 65534


class Rig:
    """A capture on a fake card, in simulated time."""

    def __init__(self, card: FakeCard, wish: V4l2Wish | None = None) -> None:
        self.card = card
        self.clock = ManualClock()
        self.kernel = FakeKernel(card, self.clock, PATH)
        self.capture = V4l2Capture(PATH, wish or V4l2Wish(), clock=self.clock, kernel=self.kernel)
        self.timing = self.capture.open()

    def frame(self) -> CapturedFrame:
        frame = self.capture.read(1.0)
        assert frame is not None
        return frame

    def until_lost(self, limit_s: float = 0.5) -> DeviceError:
        """The error that ends the reading; within 500 ms, as promised."""
        deadline_ns = self.clock.now_ns() + round(limit_s * SECOND_NS)

        def read_on() -> None:
            while self.clock.now_ns() < deadline_ns:
                self.capture.read(0.1)

        with pytest.raises(DeviceError) as caught:
            read_on()
        assert self.clock.now_ns() <= deadline_ns
        assert self.kernel.open_descriptors == 0
        return caught.value


# --- formats ---


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (("BGR3", "YUYV", "GREY"), PixelFormat.GRAY8),
        (("BGR3", "YUYV", "NV12"), PixelFormat.NV12),
        (("MJPG", "XR24", "YUYV"), PixelFormat.YUYV422),
        (("XR24", "BGR3"), PixelFormat.BGR24),
        (("H264", "AR24"), PixelFormat.BGRX),
    ],
)
def test_the_format_of_least_conversion_is_taken(offered: tuple[str, ...], taken: PixelFormat) -> None:
    rig = Rig(FakeCard(formats=offered[1:] + offered[:1] if offered[0] in ("MJPG", "H264") else offered))
    assert rig.timing.pixel_format is taken
    assert rig.frame().pixels.shape == taken.frame_shape(64, 48)


def test_a_format_that_is_asked_for_is_taken() -> None:
    assert Rig(FakeCard(), V4l2Wish(pixel_format=PixelFormat.YUYV422)).timing.pixel_format is PixelFormat.YUYV422


def test_a_card_without_a_format_of_ours_is_told_in_words() -> None:
    with pytest.raises(DeviceError, match=r"its driver offers H264, MJPG, not a format that is known here"):
        Rig(FakeCard(formats=("MJPG", "H264")))


@pytest.mark.parametrize("is_multiplanar", [False, True])
@pytest.mark.parametrize("padding_bytes", [0, 24])
def test_pixels_without_the_drivers_padding(is_multiplanar: bool, padding_bytes: int) -> None:
    rig = Rig(FakeCard(is_multiplanar=is_multiplanar, padding_bytes=padding_bytes))
    for sequence in range(8):
        frame = rig.frame()
        assert frame.pixels.shape == (48, 64)
        assert frame.pixels.flags.c_contiguous
        assert (frame.pixels == sequence).all()


def test_rows_are_the_drivers_rows() -> None:
    def fill(data: FrameBytes, sequence: int) -> None:
        rows = data.reshape(48, 64 + 24)
        rows[:, :64], rows[:, 64:] = np.arange(48)[:, None], 99

    frame = Rig(FakeCard(padding_bytes=24, fill=fill)).frame()
    assert (frame.pixels == np.arange(48)[:, None]).all()


@pytest.mark.parametrize(
    ("colour", "pixel_format", "matrix", "value_range"),
    [
        ((abi.COLORSPACE_REC709, 0, 0), "YUYV", ColourMatrix.BT709, ValueRange.LIMITED),
        ((1, 0, 0), "YUYV", ColourMatrix.BT601, ValueRange.LIMITED),
        ((1, abi.YCBCR_ENC_709, abi.QUANTIZATION_FULL_RANGE), "NV12", ColourMatrix.BT709, ValueRange.FULL),
        ((abi.COLORSPACE_JPEG, 0, 0), "YUYV", ColourMatrix.BT601, ValueRange.FULL),
        ((8, 0, 0), "BGR3", ColourMatrix.BT601, ValueRange.FULL),
        ((8, 0, 2), "XR24", ColourMatrix.BT601, ValueRange.LIMITED),
        ((8, 0, 0), "GREY", ColourMatrix.BT601, ValueRange.FULL),
    ],
)
def test_matrix_and_range_are_the_drivers(
    colour: tuple[int, int, int], pixel_format: str, matrix: ColourMatrix, value_range: ValueRange
) -> None:
    timing = Rig(FakeCard(colour=colour, formats=(pixel_format,))).timing
    assert (timing.matrix, timing.value_range) == (matrix, value_range)


def test_what_the_engineer_says_of_the_signal_goes_over_what_the_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel(FakeCard(), ManualClock(), "/dev/video3")
    monkeypatch.setattr("hw.capture.v4l2.LinuxKernel", lambda: kernel)
    timing = capture_device("v4l2:/dev/video3?format=yuyv422&matrix=bt601&range=limited&interlaced=yes").open()
    assert timing == CaptureTiming(
        64, 48, 10.0, PixelFormat.YUYV422, ColourMatrix.BT601, ValueRange.LIMITED, is_interlaced=True
    )


@pytest.mark.parametrize(
    ("words", "pixelclock", "horizontal", "vertical", "second_field", "flags"),
    [
        ("1920x1080p60", 148_500_000, (1920, 88, 44, 148), (1080, 4, 5, 36), (0, 0, 0), 0),
        ("1920x1080p59.94", 148_500_000, (1920, 88, 44, 148), (1080, 4, 5, 36), (0, 0, 0), abi.DV_FL_REDUCED_FPS),
        ("1920x1080i30", 74_250_000, (1920, 88, 44, 148), (1080, 2, 5, 15), (2, 5, 16), 0),
        ("1600x1200p85", 229_500_000, (1600, 64, 192, 304), (1200, 1, 3, 46), (0, 0, 0), 0),
    ],
)
def test_the_timings_of_the_standards(
    words: str,
    pixelclock: int,
    horizontal: tuple[int, ...],
    vertical: tuple[int, ...],
    second_field: tuple[int, ...],
    flags: int,
) -> None:
    """CEA-861 formats 16 and 5; VESA DMT."""
    timings = abi.DvTimings()
    bt = timings.u.bt
    bt.pixelclock, bt.flags, bt.interlaced = pixelclock, flags, int("i" in words)
    bt.width, bt.hfrontporch, bt.hsync, bt.hbackporch = horizontal
    bt.height, bt.vfrontporch, bt.vsync, bt.vbackporch = vertical
    bt.il_vfrontporch, bt.il_vsync, bt.il_vbackporch = second_field
    assert str(source_timings(timings)) == words


# --- time ---


def test_the_capture_time_is_the_drivers() -> None:
    rig = Rig(FakeCard(signal=HD, stamp_delay_s=0.004))
    opened_ns = rig.clock.now_ns()
    for count in range(1, 20):
        frame = rig.frame()
        assert abs(frame.capture_ns - (opened_ns + count * SECOND_NS / 60 - 4_000_000)) < 2_000


def test_a_time_of_the_frames_beginning_is_moved_to_its_end() -> None:
    flags = abi.BUF_FLAG_TIMESTAMP_MONOTONIC | abi.BUF_FLAG_TSTAMP_SRC_SOE
    rig = Rig(FakeCard(signal=HD, stamp_flags=flags, stamp_delay_s=0.020))
    frame = rig.frame()
    assert abs(frame.capture_ns - (rig.clock.now_ns() - 20_000_000 + SECOND_NS // 60)) < 2_000


@pytest.mark.parametrize(("flags", "delay_s"), [(0, 0.0), (abi.BUF_FLAG_TIMESTAMP_MONOTONIC, 90.0)])
def test_a_time_that_is_not_of_our_clock_is_replaced_by_ours(flags: int, delay_s: float) -> None:
    rig = Rig(FakeCard(signal=HD, stamp_flags=flags, stamp_delay_s=delay_s))
    assert rig.frame().capture_ns == rig.clock.now_ns()
    assert rig.capture.counts.foreign_stamps == 1


@pytest.mark.parametrize("stamp_flags", [0, abi.BUF_FLAG_TIMESTAMP_MONOTONIC])
@pytest.mark.parametrize("away_s", [0.105, 1.005, 100.005])
def test_who_comes_late_gets_no_old_frame(stamp_flags: int, away_s: float) -> None:
    rig = Rig(FakeCard(signal=HD, stamp_flags=stamp_flags))
    for _ in range(5):
        rig.frame()
    rig.clock.advance(away_s)
    frame = rig.frame()
    assert frame.sequence == 4 + int(away_s * 60) + 1
    assert rig.frame().sequence == frame.sequence + 1
    assert rig.capture.counts.late > 0


def test_who_comes_a_little_late_gets_the_newest_at_once() -> None:
    rig = Rig(FakeCard(signal=HD))
    before = rig.frame()
    rig.clock.advance(2.5 / 60)
    now_ns = rig.clock.now_ns()
    frame = rig.frame()
    assert frame.sequence == before.sequence + 2
    assert rig.clock.now_ns() == now_ns


def test_damaged_frames_are_left_out_and_counted() -> None:
    rig = Rig(FakeCard(signal=HD))
    assert rig.frame().sequence == 0
    rig.card.damages_frames = True
    assert rig.capture.read(0.06) is None
    rig.card.damages_frames = False
    assert rig.frame().sequence == 4
    assert rig.capture.counts.damaged == 3


# --- interlaced ---


@pytest.mark.parametrize(
    "woven_field",
    [abi.FIELD_INTERLACED, abi.FIELD_INTERLACED_BT, abi.FIELD_SEQ_TB, abi.FIELD_SEQ_BT, abi.FIELD_ALTERNATE],
)
@pytest.mark.parametrize("scales_fields", [False, True])
def test_two_fields_are_one_frame(woven_field: int, scales_fields: bool) -> None:
    rig = Rig(FakeCard(signal=INTERLACED, woven_field=woven_field, scales_fields=scales_fields))
    assert rig.timing.is_interlaced
    assert (rig.timing.height, rig.timing.rate_hz) == (48, 25.0)
    frames = [rig.frame() for _ in range(10)]
    assert [frame.sequence for frame in frames] == list(range(10))
    assert all((frame.pixels == frame.sequence).all() for frame in frames[-3:])
    assert frames[-1].capture_ns - frames[0].capture_ns == 9 * SECOND_NS // 25


@pytest.mark.parametrize(("kind", "top_first"), [(abi.FIELD_SEQ_TB, True), (abi.FIELD_SEQ_BT, False)])
def test_fields_one_after_the_other_are_woven(kind: int, top_first: bool) -> None:
    rig = Rig(FakeCard(signal=INTERLACED, woven_field=kind))
    rig.card.fill = lambda data, sequence: np.copyto(data, np.repeat(np.uint8([7, 9]), data.size // 2))
    top, bottom = rig.frame().pixels[0::2], rig.frame().pixels[1::2]
    assert (top == (7 if top_first else 9)).all()
    assert (bottom == (9 if top_first else 7)).all()


def test_a_lost_field_makes_no_frame_of_two_moments() -> None:
    rig = Rig(FakeCard(signal=INTERLACED))
    assert rig.frame().sequence == 0
    rig.card.damages_frames = True
    rig.capture.read(0.021)  # one field
    rig.card.damages_frames = False
    for _ in range(5):
        frame = rig.frame()
        assert (frame.pixels == frame.pixels[0, 0]).all()


# --- what goes wrong at open ---


@contextmanager
def as_nobody() -> Iterator[None]:
    """The administrator may open everything; nobody may not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def complaint(path: str) -> str:
    with pytest.raises(DeviceError) as caught:
        V4l2Capture(path).open()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_missing_device() -> None:
    assert complaint("/dev/video-none") == (
        "unplugged: /dev/video-none is not there: plug the capture device in, or correct the path"
    )


@pytest.mark.parametrize("path", ["/dev/null", "/dev", __file__])
def test_a_wrong_device(path: str) -> None:
    assert complaint(path) == f"{path} is not a capture device: give one such as /dev/video0"


def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch(mode=0o000)
    with as_nobody():
        text = complaint(str(path))
    assert text == f"{path} may not be opened: let cathlink's user into the group 'video'"


def test_each_error_of_each_request_is_a_device_error_and_leaves_nothing_open() -> None:
    """Whatever the driver refuses, and with whatever number."""
    numbers = [errno.EIO, errno.EBUSY, errno.EINVAL, errno.ENODEV, errno.ENOTTY, errno.EPERM, errno.ENOMEM, 523]
    for refused in range(16):
        for number in numbers:
            clock = ManualClock()
            kernel = _Refusing(FakeCard(), clock, refused, number)
            capture = V4l2Capture(PATH, clock=clock, kernel=kernel)
            with suppress(DeviceError):
                capture.open()
                capture.read(1.0)
            capture.close()
            assert kernel.open_descriptors == 0


class _Refusing(FakeKernel):
    """Refuses one request, the first, second, ... of them all."""

    def __init__(self, card: FakeCard, clock: ManualClock, refused: int, number: int) -> None:
        super().__init__(card, clock, PATH)
        self._left, self._number = refused, number

    def ioctl(self, fd: int, request: int, argument: Structure) -> None:
        self._left -= 1
        if self._left == -1:
            raise OSError(self._number, os.strerror(self._number))
        super().ioctl(fd, request, argument)


# --- what goes wrong while it runs ---

UNPLUG = "unplugged: /dev/video0 is gone: plug the capture device in again"
NO_SIGNAL = "no signal: check the cable and the source"
CARDS = {
    "tells of changes": FakeCard,
    "has no events": lambda: FakeCard(tells_of_changes=False),
    "gives noise": lambda: FakeCard(gives_noise=True),
    "gives noise, no events": lambda: FakeCard(gives_noise=True, tells_of_changes=False),
    "gives nothing, events never come": lambda: FakeCard(forgets_to_tell=True, tells_of_status=False),
    "tells nothing but timings": lambda: FakeCard(tells_of_changes=False, tells_of_status=False),
}


@pytest.fixture(params=CARDS)
def rig(request: pytest.FixtureRequest) -> Rig:
    card = CARDS[request.param]()
    card.signal = HD
    rig = Rig(card)
    for _ in range(30):
        rig.frame()
    return rig


def change(rig: Rig, change: Callable[[FakeCard], None]) -> None:
    rig.kernel.change_at((rig.clock.now_ns() - 1_000 * SECOND_NS) / SECOND_NS + 0.001, change)


def test_an_unplugged_card(rig: Rig) -> None:
    change(rig, lambda card: setattr(card, "is_plugged", False))
    assert str(rig.until_lost()) == UNPLUG
    for _ in range(3):
        with pytest.raises(DeviceError, match=f"unplugged: {PATH} is not there"):
            rig.capture.open()
    rig.card.is_plugged = True
    assert rig.capture.open() == rig.timing
    rig.frame()


def test_a_pulled_cable(rig: Rig) -> None:
    change(rig, lambda card: setattr(card, "signal", None))
    assert str(rig.until_lost()) == NO_SIGNAL
    with pytest.raises(DeviceError, match=NO_SIGNAL):
        rig.capture.open()
    rig.card.signal = HD
    rig.capture.open()
    rig.frame()


@pytest.mark.parametrize("values", [{"signal": None}, {"is_locked": False}])
def test_a_driver_that_gives_noise_and_tells_nothing_is_found_out_by_its_status(values: dict[str, object]) -> None:
    rig = Rig(FakeCard(signal=HD, gives_noise=True, forgets_to_tell=True))
    rig.frame()
    change(rig, lambda card: [setattr(card, name, value) for name, value in values.items()])
    rig.until_lost()


def test_a_signal_that_cannot_be_locked(rig: Rig) -> None:
    change(rig, lambda card: setattr(card, "is_locked", False))
    assert str(rig.until_lost()).startswith("signal not stable: check the cable")
    with pytest.raises(DeviceError, match="signal not stable"):
        rig.capture.open()


def test_a_signal_out_of_range_is_named(rig: Rig) -> None:
    rig.card.highest_rate_hz = 75
    change(rig, lambda card: setattr(card, "signal", SourceTimings(1600, 1200, 85.0, is_interlaced=False)))
    assert str(rig.until_lost()).startswith(("signal out of range 1600x1200p85: set the source", "the source changed"))
    with pytest.raises(DeviceError, match="signal out of range 1600x1200p85"):
        rig.capture.open()


def test_a_signal_that_is_measured_and_not_taken_is_named_too() -> None:
    with pytest.raises(DeviceError, match=f"signal out of range {HD}: set the source"):
        Rig(FakeCard(signal=HD, refuses_timings=True))


@pytest.mark.parametrize("new", [SourceTimings(80, 60, 60.0, False), SourceTimings(64, 48, 50.0, False), INTERLACED])
def test_another_signal_is_taken_at_once(rig: Rig, new: SourceTimings) -> None:
    change(rig, lambda card: setattr(card, "signal", new))
    error = rig.until_lost()
    assert isinstance(error, SourceChangedError)
    assert str(error) == f"the source changed from {HD} to {new}"
    timing = rig.capture.open()
    assert str(timing) == str(new)
    assert rig.frame().pixels.shape == (new.height, new.width)


def test_measured_clocks_that_tremble_change_nothing(rig: Rig) -> None:
    change(rig, lambda card: setattr(card, "signal", SourceTimings(64, 48, 59.94, is_interlaced=False)))
    for _ in range(100):
        rig.frame()


def test_a_driver_that_stands_still_is_opened_again(rig: Rig) -> None:
    change(rig, lambda card: setattr(card, "is_stuck", True))
    assert "no frames from the capture device, though it has a signal" in str(rig.until_lost(1.5))


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EAGAIN])
def test_a_driver_that_gives_up_is_opened_again(rig: Rig, number: int) -> None:
    rig.card.fatal_number = number
    change(rig, lambda card: setattr(card, "has_fatal_error", True))
    assert "driver reports an error" in str(rig.until_lost())
    rig.capture.open()
    rig.frame()


def test_a_driver_that_gives_up_for_want_of_a_signal_says_so(rig: Rig) -> None:
    def give_up(card: FakeCard) -> None:
        card.signal, card.has_fatal_error = None, True

    change(rig, give_up)
    assert str(rig.until_lost()) == NO_SIGNAL


# --- EDID ---


def edid(blocks: int = 1) -> bytes:
    first = bytearray(HEADER + bytes(BLOCK_BYTES - len(HEADER)))
    first[126] = blocks - 1
    first[127] = -sum(first) % 256
    return bytes(first) + bytes(BLOCK_BYTES) * (blocks - 1)


def test_an_edid_is_set_once(tmp_path: Path) -> None:
    path = tmp_path / "edid.bin"
    path.write_bytes(edid(2))
    rig = Rig(FakeCard(), V4l2Wish(edid_path=str(path)))
    assert rig.card.edid == edid(2)
    rig.capture.open()  # setting it again would make the source renew its signal
    assert rig.card.edids_set == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin like one"),
        (edid()[:-1], "has 127 bytes, not whole blocks of 128"),
        (edid(2)[:128], "says that 1 blocks follow the first, there are 0"),
        (edid()[:-1] + b"\0", "has a wrong checksum in block 0"),
    ],
)
def test_a_wrong_edid_is_told_in_words(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "edid.bin"
    path.write_bytes(data)
    with pytest.raises(DeviceError, match=words):
        Rig(FakeCard(), V4l2Wish(edid_path=str(path)))


def test_a_missing_edid(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be read"):
        Rig(FakeCard(), V4l2Wish(edid_path=str(tmp_path / "none")))


@given(st.binary(max_size=300) | st.binary(min_size=120, max_size=120).map(lambda rest: HEADER + rest))
def test_any_bytes_are_an_edid_or_have_a_fault_in_words(data: bytes) -> None:
    fault = edid_fault(data)
    assert (fault == "") == (data.startswith(HEADER) and len(data) == 128 and data[126] == 0 and not sum(data) % 256)
