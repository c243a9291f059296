import fcntl
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hw.display.bgrx import bgrx_of
from hw.display.raw import RawDisplay
from hw.errors import DeviceError
from hw.pipe import unread_bytes
from hw.ports import (
    Banner,
    ChromaSampling,
    ColourCoding,
    ColourMatrix,
    ColourPicture,
    GrayPicture,
    PixelFormat,
    Tone,
)

LIVE = Banner(Tone.GOOD, "LIVE", "", 70, 83, 4, Tone.GOOD)
SMALL = (64, 64)  # fits any pipe
LARGE = (2048, 2048)  # fits none


def picture(seed: int, size: tuple[int, int] = SMALL) -> GrayPicture:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    os.mkfifo(path)
    return path


@pytest.fixture
def reader(fifo: Path) -> Iterator[int]:
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    yield fd
    os.close(fd)


@pytest.fixture
def display(fifo: Path, reader: int) -> Iterator[RawDisplay]:
    shown = RawDisplay(str(fifo))
    shown.open()
    yield shown
    shown.close()


def read_exactly(fd: int, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = os.read(fd, count - len(got))
        assert part, f"the pipe ended after {len(got)} bytes"
        got += part
    return got


def read_while_ticking(display: RawDisplay, reader: int, count: int) -> bytes:
    """Read what the display has begun, while it goes on being called as by the presenter."""
    received: list[bytes] = []
    taking = threading.Thread(target=lambda: received.append(read_exactly(reader, count)))
    taking.start()
    while taking.is_alive():
        display.show(None, LIVE, is_new=False)
        taking.join(0.001)
    return received[0]


def test_each_new_picture_is_written_whole_and_alone(display: RawDisplay, reader: int) -> None:
    for seed in range(2):
        display.show(picture(seed), LIVE, is_new=True)
        display.show(picture(seed), LIVE, is_new=False)
        display.show(None, LIVE, is_new=False)
    display.close()
    expected = b"".join(picture(seed).tobytes() for seed in range(2))
    assert read_exactly(reader, len(expected)) == expected
    assert os.read(reader, 1) == b""


def test_the_pipe_is_enlarged(display: RawDisplay, reader: int) -> None:
    assert fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ) >= 1 << 20


def test_a_reader_that_stands_still_costs_pictures_and_no_latency(display: RawDisplay, reader: int) -> None:
    for seed in range(10):
        display.show(picture(seed), LIVE, is_new=True)
    assert display.dropped_pictures == 8
    size = picture(0).nbytes
    assert read_exactly(reader, 2 * size) == picture(0).tobytes() + picture(1).tobytes()
    display.show(picture(10), LIVE, is_new=True)
    assert read_exactly(reader, size) == picture(10).tobytes()


def test_a_picture_that_fits_the_pipe_is_never_there_in_part(display: RawDisplay, reader: int) -> None:
    """Or a reader would see pictures shifted for ever after this process is killed."""
    pipe_bytes = fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ)
    rows = pipe_bytes * 3 // 5 // 1024
    for seed in range(3):
        display.show(picture(seed, (rows, 1024)), LIVE, is_new=True)
        assert unread_bytes(reader) == rows * 1024
    assert display.dropped_pictures == 2


def test_a_picture_larger_than_the_pipe_stays_whole(display: RawDisplay, reader: int) -> None:
    """The reader stands still in the middle of a picture: its rest comes first, the ones in between are dropped."""
    large = picture(1, LARGE)
    display.show(large, LIVE, is_new=True)
    display.show(picture(2, LARGE), LIVE, is_new=True)
    assert display.dropped_pictures == 1
    assert read_while_ticking(display, reader, large.nbytes) == large.tobytes()
    display.show(picture(3), LIVE, is_new=True)
    assert read_exactly(reader, picture(3).nbytes) == picture(3).tobytes()


def test_the_caller_may_reuse_the_pixels_of_a_cut_picture(display: RawDisplay, reader: int) -> None:
    large = picture(1, LARGE)
    expected = large.tobytes()
    display.show(large, LIVE, is_new=True)
    large[:] = 0
    assert read_while_ticking(display, reader, len(expected)) == expected


def test_a_reader_that_leaves_is_an_error(fifo: Path) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    display = RawDisplay(str(fifo))
    display.open()
    os.close(reader)
    with pytest.raises(DeviceError, match=r"the reader of .*pictures is gone"):
        display.show(picture(0), LIVE, is_new=True)
    display.close()


def test_a_pipe_that_nobody_reads_is_an_error_and_no_wait(fifo: Path) -> None:
    with pytest.raises(DeviceError, match="start the reader first"):
        RawDisplay(str(fifo)).open()


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="No such file or directory"):
        RawDisplay(str(tmp_path / "nowhere" / "pictures")).open()


def test_a_terminal_is_refused() -> None:
    ours, theirs = pty.openpty()
    try:
        with pytest.raises(DeviceError, match="would go to a terminal"):
            RawDisplay(os.ttyname(theirs)).open()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_file_gets_every_picture(tmp_path: Path) -> None:
    path = tmp_path / "pictures.gray"
    display = RawDisplay(str(path))
    display.open()
    for seed in range(5):
        display.show(picture(seed, (300, 200)), LIVE, is_new=True)
    display.close()
    assert path.read_bytes() == b"".join(picture(seed, (300, 200)).tobytes() for seed in range(5))
    assert path.stat().st_mode & 0o777 == 0o600
    assert display.dropped_pictures == 0


STANDARD_OUTPUT_PROGRAM = """
import os
import numpy as np
from hw.display.raw import RawDisplay
from hw.ports import Banner, Tone
display = RawDisplay("-")
display.open()
live = Banner(Tone.GOOD, "LIVE", "", 0, 0, 0, Tone.GOOD)
display.show(np.arange(4096, dtype=np.uint8).reshape(64, 64), live, is_new=True)
display.close()
assert os.get_blocking(1), "standard output is left as it was found"
"""


def test_standard_output_carries_pictures_alone() -> None:
    done = subprocess.run([sys.executable, "-c", STANDARD_OUTPUT_PROGRAM], capture_output=True, timeout=60, check=True)
    assert done.stdout == np.arange(4096, dtype=np.uint8).tobytes()


def test_of_a_colour_picture_it_writes_luma_or_all_channels(tmp_path: Path) -> None:
    grey = picture(1)
    chroma = np.full((2, *SMALL), 200, np.uint8)
    coloured = ColourPicture(grey, chroma, ColourCoding(ChromaSampling.FULL, ColourMatrix.BT709))
    for pixel_format, expected in (
        (PixelFormat.GRAY8, grey.tobytes() + grey.tobytes()),
        (PixelFormat.BGRX, bgrx_of(coloured).tobytes() + bgrx_of(grey).tobytes()),
    ):
        path = tmp_path / pixel_format
        shown = RawDisplay(str(path), pixel_format)
        shown.open()
        shown.show(coloured, LIVE, is_new=True)
        shown.show(grey, LIVE, is_new=True)
        shown.close()
        assert path.read_bytes() == expected
