"""What all tests share: the profile of the property tests, and small clips made on the spot."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import settings

from hw.ports import GrayPicture

# Property tests try the same examples in every run, and are never judged by how fast the machine is.
settings.register_profile("cathlink", deadline=None, derandomize=True)
settings.load_profile("cathlink")

WriteClip = Callable[..., Path]


def write_gray_clip(path: Path, pictures: Sequence[GrayPicture], rate_hz: int) -> Path:
    """Lossless grey video (FFV1 in Matroska) of the pictures."""
    with av.open(f"file:{path}", "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=rate_hz)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt, stream.time_base = "gray", Fraction(1, rate_hz)
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            frame.pts, frame.time_base = n, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def write_clip(tmp_path: Path) -> WriteClip:
    """`write_gray_clip` into the test's folder."""

    def write(pictures: Sequence[GrayPicture], rate_hz: int = 10, name: str = "clip.mkv") -> Path:
        return write_gray_clip(tmp_path / name, pictures, rate_hz)

    return write
