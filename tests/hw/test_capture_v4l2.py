"""Video4Linux2 without a camera: the errors, and everything after FFmpeg's input device."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from hw.capture.pacing import MONOTONIC_CLOCK
from hw.capture.v4l2 import V4l2Capture, _descriptor_of, _Session
from hw.errors import DeviceError
from hw.ports import CaptureTiming, GrayPicture, PixelFormat
from hw.select import capture_device

NOBODY = 65534


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
        V4l2Capture(path, None, None).open()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_missing_device() -> None:
    assert complaint("/dev/video-none") == (
        "capture device '/dev/video-none' is not there: plug the device in, or correct the path"
    )


@pytest.mark.parametrize("path", ["/dev/null", "/dev", __file__])
def test_a_wrong_device(path: str) -> None:
    assert complaint(path) == f"capture device {path!r} is not a capture device: give one such as /dev/video0"


def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch(mode=0o000)
    with as_nobody():
        text = complaint(str(path))
    assert text == f"capture device {str(path)!r} may not be opened: let cathlink's user into the group 'video'"


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EBUSY, "is in use"), (errno.ENOLINK, "has no signal"), (errno.EIO, "fails"), (errno.ENODEV, "is gone")],
)
def test_other_causes(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(av, "open", fail)
    assert f"capture device '/dev/video0' {words}" in complaint("/dev/video0")


def test_the_address_options_reach_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, str] = {}

    def note(path: str, *, format: str, options: dict[str, str]) -> None:
        asked.update(options, path=path, format=format)
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(av, "open", note)
    with pytest.raises(DeviceError):
        capture_device("v4l2:/dev/video3?size=1920x1080&rate=59.94&format=bgrx").open()
    assert asked == {
        "path": "/dev/video3",
        "format": "v4l2",
        "video_size": "1920x1080",
        "framerate": "59.94",
        "input_format": "bgr0",
        "fflags": "nobuffer",
    }


def test_frames_are_fetched_one_by_one(
    make_pictures: Callable[..., list[GrayPicture]], write_clip: Callable[..., Path]
) -> None:
    pictures = make_pictures(5)
    with av.open(str(write_clip(pictures, rate_hz=10))) as container:
        session = _Session(container)
        assert session.timing == CaptureTiming(64, 48, 10, PixelFormat.GRAY8)
        for number, picture in enumerate(pictures):
            frame = session.fetch(MONOTONIC_CLOCK)
            assert frame is not None
            assert frame.sequence == number
            assert np.array_equal(frame.pixels, picture)


def test_frames_that_the_driver_lost_are_a_gap(
    make_pictures: Callable[..., list[GrayPicture]], write_clip: Callable[..., Path]
) -> None:
    with av.open(str(write_clip(make_pictures(6), rate_hz=10))) as container:
        session = _Session(container)
        sequences = []
        for number, packet in enumerate(list(container.demux(video=0))[:6]):
            for frame in packet.decode() if number not in (2, 3) else ():
                session._count(frame)
                sequences.append(session._last_sequence)
    assert sequences == [0, 1, 4, 5]


def test_the_descriptor_of_a_device_is_found() -> None:
    with pytest.raises(OSError, match="no open descriptor"):
        _descriptor_of("/dev/full")
    fd = os.open("/dev/full", os.O_RDONLY)
    assert _descriptor_of("/dev/full") == fd
    os.close(fd)
