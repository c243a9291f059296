"""Capture on a real kernel driver, vivid: what `tests/hw/test_capture_v4l2.py` promises of a fake one."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hw.capture.v4l2 import V4l2Wish
from hw.errors import DeviceError, SourceChangedError
from hw.ports import CAPTURE_FRAMES_KEPT, PixelFormat, ValueRange
from tests.appliance.in_guest.vivid import WEBCAM, Capture, Vivid, wait_until

MakeCapture = Callable[..., Capture]

WHITE, BLACK = 6, 5  # test patterns "100% White" and "100% Black"
NO_TEXT = 2
NO_SIGNAL, NO_LOCK, OUT_OF_RANGE, SELECTED = 1, 2, 3, 4
LOST_WITHIN_S = 0.5
SIZE = V4l2Wish(size=(320, 180))


# --- a camera ---


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_every_format_has_the_levels_that_its_range_says(
    webcam: Vivid, capture: MakeCapture, pixel_format: PixelFormat
) -> None:
    device = capture(V4l2Wish(size=(320, 180), pixel_format=pixel_format))
    for pattern, full, limited in ((WHITE, 255, 235), (BLACK, 0, 16)):
        webcam.set(test_pattern=pattern, osd_text_mode=NO_TEXT)
        timing = device.open()
        assert (timing.width, timing.height, timing.pixel_format) == (320, 180, pixel_format)
        frame = device.frame()
        assert frame.pixels.shape == pixel_format.frame_shape(320, 180)
        luma = frame.pixels[:180, :: 2 if pixel_format is PixelFormat.YUYV422 else 1]
        if pixel_format is PixelFormat.BGRX:
            luma = frame.pixels.reshape(180, 320, 4)[:, :, :3]
        expected = full if timing.value_range is ValueRange.FULL else limited
        assert abs(luma.astype(int) - expected).max() <= 1
        device.close()


def test_grey_is_preferred(webcam: Vivid, capture: MakeCapture) -> None:
    assert capture().open().pixel_format is PixelFormat.GRAY8


@pytest.mark.parametrize("source", [0, 1], ids=["end of frame", "start of exposure"])
def test_times_and_numbers_are_the_drivers(webcam: Vivid, capture: MakeCapture, source: int) -> None:
    webcam.set(timestamp_source=source)
    device = capture(V4l2Wish(size=(320, 180), rate_hz=10))
    interval_ns = 1e9 / device.open().rate_hz
    first = last = device.frame()
    while last.sequence - first.sequence < 20:
        reopened = device.reopened
        frame = device.frame()
        if device.reopened != reopened:  # the guest was starved: frames count from 0 again
            first = last = frame
            continue
        assert last.capture_ns < frame.capture_ns <= time.monotonic_ns()
        assert frame.sequence > last.sequence
        last = frame
    mean_ns = (last.capture_ns - first.capture_ns) / (last.sequence - first.sequence)
    assert abs(mean_ns / interval_ns - 1) < 0.1
    assert device.counts.foreign_stamps == 0
    assert device.counts.damaged == 0


def test_pixels_stay_while_further_frames_come(webcam: Vivid, capture: MakeCapture) -> None:
    webcam.set(horizontal_movement=6)  # each frame differs
    device = capture(SIZE)
    device.open()
    kept = []
    for _ in range(2 * CAPTURE_FRAMES_KEPT):
        frame = device.frame()
        kept = [*kept, (frame, frame.pixels.copy())][-CAPTURE_FRAMES_KEPT:]
        assert all((earlier.pixels == then).all() for earlier, then in kept)


def test_who_comes_late_gets_no_old_frame(webcam: Vivid, capture: MakeCapture) -> None:
    device = capture(V4l2Wish(size=(320, 180), rate_hz=10))
    interval_ns = 1e9 / device.open().rate_hz
    device.frame()
    time.sleep(1.5)
    frame = device.frame()
    assert time.monotonic_ns() - frame.capture_ns < 1.5 * interval_ns
    assert frame.sequence >= 13 or device.reopened


def test_close_ends_a_read_in_another_thread(hdmi: Vivid, capture: MakeCapture) -> None:
    device = capture(V4l2Wish())
    device.open()
    errors: list[DeviceError] = []

    def read_on() -> None:
        try:
            while True:
                device.read(100.0)
        except DeviceError as error:
            errors.append(error)

    reader = threading.Thread(target=read_on, daemon=True)
    reader.start()
    device.close()
    reader.join(10)
    assert not reader.is_alive()
    assert "closed" in str(errors[0])


def test_nothing_is_left_open(webcam: Vivid, capture: MakeCapture) -> None:
    device = capture(SIZE)
    before = None
    for _ in range(4):
        device.open()
        device.frame()
        device.close()
        now = len(os.listdir("/proc/self/fd"))
        assert before in (None, now)
        before = now


def test_a_device_in_use_is_told(webcam: Vivid, capture: MakeCapture) -> None:
    first, second = capture(SIZE), capture(SIZE)
    first.open()
    first.frame()
    with pytest.raises(DeviceError, match="is in use"):
        second.open()
    assert first.frame() is not None


# --- a receiver of a digital signal ---


def test_the_sources_own_timings_are_taken(hdmi: Vivid, capture: MakeCapture) -> None:
    hdmi.set(dv_timings_signal_mode=SELECTED, dv_timings=timings_index("1280x720p60"))
    timing = capture().open()
    assert str(timing) == "1280x720p60"


@pytest.mark.parametrize(
    ("mode", "words"),
    [(NO_SIGNAL, "no signal"), (NO_LOCK, "signal not stable"), (OUT_OF_RANGE, "signal out of range")],
)
def test_a_lost_signal_is_noticed_and_its_return_too(hdmi: Vivid, capture: MakeCapture, mode: int, words: str) -> None:
    device = capture()
    timing = device.open()
    device.frame()
    error, seconds = lose(hdmi, device, dv_timings_signal_mode=mode)
    assert words in str(error)
    assert seconds < LOST_WITHIN_S
    with pytest.raises(DeviceError, match=words):
        device.open()
    hdmi.set(dv_timings_signal_mode=0)
    assert device.open() == timing
    device.frame()


def test_a_signal_that_the_card_does_not_take_is_named(hdmi: Vivid, capture: MakeCapture) -> None:
    """Its pixel clock of 13.5 MHz is under vivid's 14."""
    hdmi.set(dv_timings_signal_mode=SELECTED, dv_timings=timings_index("720x576i25"))
    with pytest.raises(DeviceError, match="signal out of range 720x576i25: set the source"):
        capture().open()


@pytest.mark.parametrize("name", ["800x600p60", "640x480p75", "1920x1080i30"])
def test_another_signal_is_noticed_and_taken(hdmi: Vivid, capture: MakeCapture, name: str) -> None:
    hdmi.set(dv_timings_signal_mode=SELECTED, dv_timings=timings_index("640x480p59"))
    device = capture(V4l2Wish(pixel_format=PixelFormat.GRAY8))
    device.open()
    device.frame()
    error, seconds = lose(hdmi, device, dv_timings=timings_index(name))
    assert isinstance(error, SourceChangedError), error
    assert seconds < LOST_WITHIN_S
    timing = device.open()
    size, _, rest = name.partition("p" if "p" in name else "i")
    assert f"{timing.width}x{timing.height}" == size
    assert timing.is_interlaced == ("i" in name)
    assert 0 <= timing.rate_hz - float(rest) < 1.0  # vivid cuts it
    assert device.frame().pixels.shape == (timing.height, timing.width)


def test_an_edid_is_set_once(hdmi: Vivid, capture: MakeCapture, tmp_path: Path) -> None:
    path = tmp_path / "edid"
    first = bytearray(bytes.fromhex("00ffffffffffff00") + bytes(120))
    first[127] = -sum(first) % 256
    path.write_bytes(bytes(first))
    device = capture(V4l2Wish(edid_path=str(path)))
    for _ in range(2):
        device.open()
        device.frame()
        device.close()


# --- a driver that fails ---


def test_an_unplugged_device_is_noticed_and_taken_again(webcam: Vivid, capture: MakeCapture) -> None:
    device = capture(SIZE)
    device.open()
    device.frame()
    error, seconds = lose(webcam, device, disconnect=1)
    assert "unplugged" in str(error)
    assert seconds < LOST_WITHIN_S
    webcam.unload()
    with pytest.raises(DeviceError, match="unplugged: /dev/video0 is not there"):
        device.open()
    webcam.load(WEBCAM)
    device.open()
    device.frame()


def test_a_fatal_error_of_the_driver_is_noticed(webcam: Vivid, capture: MakeCapture) -> None:
    device = capture(SIZE)
    device.open()
    device.frame()
    error, seconds = lose(webcam, device, inject_fatal_streaming_error=1)
    assert "driver reports an error" in str(error)
    assert seconds < LOST_WITHIN_S
    device.open()
    device.frame()


@pytest.mark.parametrize("control", ["inject_vidioc_reqbufs_error", "inject_vidioc_streamon_error"])
def test_a_driver_that_refuses_leaves_nothing_open(webcam: Vivid, capture: MakeCapture, control: str) -> None:
    device = capture(SIZE)
    webcam.set(**{control: 1})
    with pytest.raises(DeviceError):
        device.open()
    device.open()
    device.frame()


def test_damaged_frames_are_left_out_and_counted(webcam: Vivid, capture: MakeCapture) -> None:
    device = capture(SIZE)
    device.open()
    device.frame()
    webcam.set(inject_v4l2_buf_flag_error=1)
    wait_until(lambda: bool(device.read(1.0)) and device.counts.damaged == 1)


# --- the multi-planar API, of receivers in SoCs ---


@pytest.mark.parametrize("pixel_format", [PixelFormat.NV12, PixelFormat.GRAY8, PixelFormat.BGR24])
def test_the_multiplanar_api(capture: MakeCapture, pixel_format: PixelFormat) -> None:
    with Vivid(WEBCAM, "multiplanar=2") as vivid:
        vivid.set(test_pattern=WHITE, osd_text_mode=NO_TEXT)
        device = capture(V4l2Wish(size=(320, 180), pixel_format=pixel_format))
        timing = device.open()
        frame = device.frame()
        assert frame.pixels.shape == pixel_format.frame_shape(320, 180)
        white = 255 if timing.value_range is ValueRange.FULL else 235
        assert abs(frame.pixels[:180].astype(int) - white).max() <= 1
        device.close()


# --- helpers ---


def timings_index(name: str) -> int:
    """The place of timings in vivid's menu of them."""
    listed = os.popen(f"v4l2-ctl -d {Vivid.path} -L").read()
    for line in listed[listed.index(" dv_timings 0x") :].splitlines()[1:]:
        index, _, text = line.strip().partition(": ")
        if text == name:
            return int(index)
    raise AssertionError(f"vivid has no {name}")


def lose(vivid: Vivid, device: Capture, **controls: int) -> tuple[DeviceError, float]:
    """The error that the change of `controls` brings about, and how long it took from their call's end on."""
    set_at: list[float] = []

    def bring_about() -> None:
        vivid.set(**controls)
        set_at.append(time.monotonic())

    thread = threading.Thread(target=bring_about)
    thread.start()
    error = device.until_lost()
    noticed = time.monotonic()
    thread.join()
    return error, noticed - set_at[0]
