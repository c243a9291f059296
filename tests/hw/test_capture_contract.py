"""What every capture source promises (hw.ports.CaptureDevice), the fake one like the real ones."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hw.capture.file import FileCapture
from hw.capture.pacing import SECOND_NS, Clock, MonotonicClock
from hw.capture.phantom import PhantomCapture
from hw.capture.phantom_beam import BeamSchedule
from hw.capture.raw import RawCapture
from hw.capture.v4l2 import V4l2Capture
from hw.capture.v4l2_fake import FakeCard, FakeKernel
from hw.capture.v4l2_timing import SourceTimings
from hw.errors import DeviceError
from hw.fake import FakeCapture, ManualClock, deliveries
from hw.ports import CAPTURE_FRAMES_KEPT, CaptureDevice, CapturedFrame, CaptureTiming, PixelFormat

WIDTH, HEIGHT = 64, 48
RATE_HZ = 10
CLIP_PICTURES = 11  # fewer than are read: the loop is part of it
READ = 30
DEADLINE_S = 5.0
SLOW_HZ = 0.02  # so slow that the second frame never comes within a test


@dataclass
class Source:
    """One source of the test: how to make the device, and how to bring about its next frame if it is not its own."""

    make: Callable[[Clock, float], CaptureDevice]
    feed: Callable[[ManualClock], None] = lambda clock: None
    is_live: bool = False  # comes when it comes, without pacing


@pytest.fixture(params=["fake", "clip", "dicom", "raw file", "fifo", "v4l2", "phantom", "phantom held"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    pictures = request.getfixturevalue("make_pictures")(200, WIDTH, HEIGHT)
    match request.param:
        case "fake":
            timing = CaptureTiming(WIDTH, HEIGHT, RATE_HZ, PixelFormat.GRAY8)
            yield Source(lambda clock, rate_hz: FakeCapture(deliveries(pictures, rate_hz), timing, clock))
        case "clip":
            path = request.getfixturevalue("write_clip")(pictures[:CLIP_PICTURES])
            yield Source(lambda clock, rate_hz: FileCapture(str(path), rate_hz, loop=True, clock=clock))
        case "dicom":
            path = request.getfixturevalue("write_dicom")(np.stack(pictures[:CLIP_PICTURES]))
            yield Source(lambda clock, rate_hz: FileCapture(str(path), rate_hz, loop=True, clock=clock))
        case "raw file":
            path = tmp_path / "pictures.gray"
            path.write_bytes(np.stack(pictures).tobytes())
            yield Source(
                lambda clock, rate_hz: RawCapture(
                    str(path), CaptureTiming(WIDTH, HEIGHT, rate_hz, PixelFormat.GRAY8), clock
                )
            )
        case "fifo":
            path = tmp_path / "pipe"
            os.mkfifo(path)
            writer = os.open(path, os.O_RDWR)
            rest = iter(pictures)

            def write_one(clock: ManualClock) -> None:
                os.write(writer, next(rest).tobytes())
                clock.advance(1 / RATE_HZ)

            yield Source(
                lambda clock, rate_hz: RawCapture(
                    str(path), CaptureTiming(WIDTH, HEIGHT, rate_hz, PixelFormat.GRAY8), clock
                ),
                write_one,
                True,
            )
            os.close(writer)
        case "v4l2":

            def make_card(clock: Clock, rate_hz: float) -> CaptureDevice:
                card = FakeCard(SourceTimings(WIDTH, HEIGHT, rate_hz, is_interlaced=False), has_timings=False)
                return V4l2Capture("/dev/video0", clock=clock, kernel=FakeKernel(card, clock))

            yield Source(make_card, is_live=True)
        case _:
            images_hz = RATE_HZ / 3 if request.param == "phantom held" else RATE_HZ

            def make(clock: Clock, rate_hz: float) -> CaptureDevice:
                schedule = BeamSchedule(min(images_hz, rate_hz), rate_hz, beam_on_s=1.0, beam_off_s=0.5)
                return PhantomCapture(WIDTH, HEIGHT, schedule, quanta=60, seed=1, clock=clock)

            yield Source(make)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def device(source: Source, clock: ManualClock) -> Iterator[CaptureDevice]:
    device = source.make(clock, RATE_HZ)
    yield device
    device.close()


def read(device: CaptureDevice, source: Source, clock: ManualClock) -> CapturedFrame:
    source.feed(clock)
    frame = device.read(1.0)
    assert frame is not None
    return frame


def test_frames_have_the_announced_shape(device: CaptureDevice, source: Source, clock: ManualClock) -> None:
    timing = device.open()
    assert timing == CaptureTiming(WIDTH, HEIGHT, RATE_HZ, PixelFormat.GRAY8)
    frame = read(device, source, clock)
    assert frame.pixels.shape == (HEIGHT, WIDTH)
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.flags.c_contiguous


def test_frames_come_one_by_one_at_their_time(device: CaptureDevice, source: Source, clock: ManualClock) -> None:
    device.open()
    opened_ns = clock.now_ns()
    last = read(device, source, clock)
    assert last.sequence == 0
    for _ in range(READ):
        frame = read(device, source, clock)
        assert frame.sequence == last.sequence + 1
        assert frame.capture_ns - last.capture_ns == SECOND_NS // RATE_HZ
        assert opened_ns <= frame.capture_ns <= clock.now_ns()
        last = frame


def test_pixels_stay_while_further_frames_come(device: CaptureDevice, source: Source, clock: ManualClock) -> None:
    device.open()
    kept: list[tuple[CapturedFrame, np.ndarray]] = []
    for _ in range(READ):
        frame = read(device, source, clock)
        kept = [*kept, (frame, frame.pixels.copy())][-CAPTURE_FRAMES_KEPT:]
        device.read(0.001)  # what is prepared for the next frame must not touch them either
        for earlier, pixels_then in kept:
            assert np.array_equal(earlier.pixels, pixels_then)


def test_the_same_few_buffers_are_used_again(device: CaptureDevice, source: Source, clock: ManualClock) -> None:
    device.open()
    addresses = {read(device, source, clock).pixels.ctypes.data for _ in range(READ)}
    assert len(addresses) <= CAPTURE_FRAMES_KEPT + 1


def test_read_gives_up_after_its_timeout(device: CaptureDevice, source: Source, clock: ManualClock) -> None:
    device.open()
    first = read(device, source, clock)
    for _ in range(3):
        assert device.read(0.002) is None
    assert read(device, source, clock).sequence == first.sequence + 1


def test_a_late_reader_gets_the_newest_frame_and_no_burst(
    device: CaptureDevice, source: Source, clock: ManualClock
) -> None:
    if source.is_live:
        pytest.skip("what is in a pipe stays there, and a card loses what nobody fetches")
    device.open()
    first = read(device, source, clock)
    clock.advance(10.5 / RATE_HZ)
    late = device.read(0.0)
    assert late is not None
    assert late.sequence == first.sequence + 10
    assert device.read(0.3 / RATE_HZ) is None
    assert read(device, source, clock).sequence == late.sequence + 1


def test_a_closed_device_says_so(device: CaptureDevice) -> None:
    with pytest.raises(DeviceError, match="closed"):
        device.read(0.0)
    device.open()
    device.close()
    with pytest.raises(DeviceError, match="closed"):
        device.read(0.0)


def test_close_is_harmless_and_open_opens_again(device: CaptureDevice, source: Source, clock: ManualClock) -> None:
    device.close()
    for _ in range(3):
        timing = device.open()
        assert read(device, source, clock).pixels.shape == (timing.height, timing.width)
        device.close()
        device.close()
    device.open()
    device.open()
    read(device, source, clock)


def test_close_ends_a_read_in_another_thread(
    source: Source,
    wait_until: Callable[[Callable[[], bool]], None],
    is_waiting: Callable[[threading.Thread], bool],
) -> None:
    device = source.make(MonotonicClock(), SLOW_HZ)
    device.open()
    errors: list[DeviceError] = []

    def read_on() -> None:
        try:
            while True:
                device.read(1000.0)
        except DeviceError as error:
            errors.append(error)

    # daemons: when the promise is broken the test fails, and does not hang
    reader = threading.Thread(target=read_on, daemon=True)
    closer = threading.Thread(target=device.close, daemon=True)
    reader.start()
    wait_until(lambda: is_waiting(reader))
    closer.start()
    for thread in (reader, closer):
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    assert "closed" in str(errors[0])


def test_no_descriptor_is_left_over(source: Source, clock: ManualClock) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    device = source.make(clock, RATE_HZ)
    device.open()
    read(device, source, clock)
    device.close()
    before = count()
    for _ in range(3):
        device.open()
        read(device, source, clock)
        device.close()
    assert count() == before
