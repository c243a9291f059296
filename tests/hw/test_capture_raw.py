"""Raw frames: in any pieces, from any pipe, and what happens at the end."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.capture import raw
from hw.capture.raw import RawCapture
from hw.errors import DeviceError
from hw.fake import ManualClock
from hw.pipe import unread_bytes
from hw.ports import CaptureTiming, ColourMatrix, GrayPicture, PixelFormat, ValueRange
from hw.select import capture_device

WIDTH, HEIGHT = 32, 16
FRAME_BYTES = WIDTH * HEIGHT


@pytest.fixture
def pictures() -> list[GrayPicture]:
    return list(np.random.default_rng(3).integers(0, 256, (20, HEIGHT, WIDTH), np.uint8))


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.fixture
def standard_input() -> Iterator[int]:
    """Gives the end of a pipe that is written to; the other is standard input."""
    kept = os.dup(0)
    read_end, write_end = os.pipe()
    os.dup2(read_end, 0)
    os.close(read_end)
    yield write_end
    os.dup2(kept, 0)
    os.close(kept)


def capture(path: object, clock: ManualClock | None = None) -> RawCapture:
    return RawCapture(str(path), CaptureTiming(WIDTH, HEIGHT, 30.0, PixelFormat.GRAY8), clock or ManualClock())


@given(st.lists(st.integers(1, 3 * FRAME_BYTES), min_size=1, max_size=40))
def test_frames_may_come_in_any_pieces(sizes: list[int]) -> None:
    stream = np.random.default_rng(5).integers(0, 256, sum(sizes), np.uint8).tobytes()
    read_end, write_end = os.pipe()
    device = capture(f"/proc/self/fd/{read_end}")
    device.open()
    frames: list[bytes] = []
    written = 0
    for size in sizes:
        os.write(write_end, stream[written : written + size])
        written += size
        while (frame := device.read(0.0)) is not None:
            assert frame.sequence == len(frames)
            frames.append(frame.pixels.tobytes())
        assert len(frames) == written // FRAME_BYTES
    assert b"".join(frames) == stream[: len(frames) * FRAME_BYTES]
    device.close()
    os.close(read_end)
    os.close(write_end)


def test_a_frame_whose_rest_comes_at_once_is_taken_whole(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a process killed between two reads would leave half a frame to its successor on the same input."""
    frame = bytes(range(256)) * (WIDTH * HEIGHT // 256)
    reads: list[int] = []
    readv = os.readv

    def counted(fd: int, buffers: list[memoryview]) -> int:
        reads.append(readv(fd, buffers))
        return reads[-1]

    device = capture(fifo)
    device.open()
    with fifo.open("wb", buffering=0) as writer:
        writer.write(frame[:100])

        def unread_and_the_rest(fd: int) -> int:
            monkeypatch.setattr(raw, "unread_bytes", unread_bytes)
            writer.write(frame[100:])
            return 100

        monkeypatch.setattr(raw, "unread_bytes", unread_and_the_rest)
        monkeypatch.setattr(os, "readv", counted)
        taken = device.read(1.0)
    assert taken is not None
    assert taken.pixels.tobytes() == frame
    assert reads == [len(frame)]
    device.close()


def test_a_frame_counts_from_its_last_byte(fifo: Path, pictures: list[GrayPicture]) -> None:
    clock = ManualClock()
    device = capture(fifo, clock)
    device.open()
    with open(fifo, "wb", buffering=0) as writer:
        data = pictures[0].tobytes()
        writer.write(data[:-1])
        assert device.read(0.001) is None
        clock.advance(0.5)
        writer.write(data[-1:])
        frame = device.read(1.0)
    assert frame is not None
    assert frame.capture_ns == clock.now_ns()
    assert np.array_equal(frame.pixels, pictures[0])
    device.close()


def test_a_pipe_has_no_pace(fifo: Path, pictures: list[GrayPicture]) -> None:
    clock = ManualClock()
    device = capture(fifo, clock)
    device.open()
    opened_ns = clock.now_ns()
    with open(fifo, "wb", buffering=0) as writer:
        writer.write(b"".join(picture.tobytes() for picture in pictures))
        for picture in pictures:
            frame = device.read(0.0)
            assert frame is not None
            assert np.array_equal(frame.pixels, picture)
    assert clock.now_ns() == opened_ns
    device.close()


def test_a_fifo_waits_for_its_writer_and_for_the_next_one(fifo: Path, pictures: list[GrayPicture]) -> None:
    device = capture(fifo)
    for picture in pictures[:3]:
        device.open()
        assert device.read(0.001) is None
        with open(fifo, "wb", buffering=0) as writer:
            writer.write(picture.tobytes() + b"a piece of a frame")
            frame = device.read(1.0)
        assert frame is not None
        assert np.array_equal(frame.pixels, picture)
        with pytest.raises(DeviceError, match="end of input"):
            device.read(1.0)
    device.close()


def test_a_file_is_read_at_the_rate_and_ends(tmp_path: Path, pictures: list[GrayPicture]) -> None:
    path = tmp_path / "pictures.gray"
    path.write_bytes(b"".join(picture.tobytes() for picture in pictures) + b"a piece of a frame")
    clock = ManualClock()
    device = capture(path, clock)
    device.open()
    start_ns = clock.now_ns()
    for number, picture in enumerate(pictures):
        frame = device.read(1.0)
        assert frame is not None
        assert np.array_equal(frame.pixels, picture)
        assert frame.capture_ns == clock.now_ns() == start_ns + round(number * 1e9 / 30)
    with pytest.raises(DeviceError, match="end of input"):
        device.read(1.0)
    with pytest.raises(DeviceError, match="closed"):
        device.read(1.0)


def test_standard_input_is_read_and_stays_open(standard_input: int, pictures: list[GrayPicture]) -> None:
    device = capture("-")
    for picture in pictures[:2]:
        device.open()
        os.write(standard_input, picture.tobytes())
        frame = device.read(1.0)
        assert frame is not None
        assert np.array_equal(frame.pixels, picture)
        device.close()
    assert stat.S_ISFIFO(os.fstat(0).st_mode)
    os.close(standard_input)
    device.open()
    with pytest.raises(DeviceError, match="end of input"):
        device.read(1.0)
    assert stat.S_ISFIFO(os.fstat(0).st_mode)


@pytest.mark.parametrize("size_before", [4096, 1 << 20])
def test_a_pipe_is_made_large_and_never_smaller(fifo: Path, size_before: int) -> None:
    end = os.open(fifo, os.O_RDWR)
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, size_before)
    device = capture(fifo)
    device.open()
    assert fcntl.fcntl(end, fcntl.F_GETPIPE_SZ) >= 1 << 20
    device.close()
    os.close(end)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"no-such' cannot be read \(No such file or directory\): check the path"):
        capture(tmp_path / "no-such").open()
    with pytest.raises(DeviceError, match="is a folder: name a file or a named pipe"):
        capture(tmp_path).open()


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_frames_of_every_format_are_taken_as_they_are(fifo: Path, pixel_format: PixelFormat) -> None:
    device = capture_device(f"raw:{fifo}?format={pixel_format}&size=33x17&range=limited&matrix=bt601&interlaced=yes")
    timing = device.open()
    assert timing == CaptureTiming(33, 17, 30.0, pixel_format, ColourMatrix.BT601, ValueRange.LIMITED, True)
    frame = np.random.default_rng(4).integers(0, 256, pixel_format.frame_shape(33, 17), np.uint8)
    with open(fifo, "wb", buffering=0) as pipe:
        pipe.write(frame.tobytes())
        read = device.read(1.0)
    assert read is not None
    np.testing.assert_array_equal(read.pixels, frame)
    device.close()
