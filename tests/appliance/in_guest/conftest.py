"""In the guest: a vivid device as each test needs it. Runs on Debian's Python with numpy and pytest alone."""

from collections.abc import Callable, Iterator

import pytest

from hw.capture.v4l2 import V4l2Wish
from tests.appliance.in_guest.vivid import HDMI, WEBCAM, Capture, Vivid


@pytest.fixture
def webcam() -> Iterator[Vivid]:
    with Vivid(WEBCAM) as vivid:
        yield vivid


@pytest.fixture
def hdmi() -> Iterator[Vivid]:
    with Vivid(HDMI) as vivid:
        yield vivid


@pytest.fixture
def capture() -> Iterator[Callable[..., Capture]]:
    """Makes captures of vivid, which are closed at the end."""
    made: list[Capture] = []

    def make(wish: V4l2Wish | None = None) -> Capture:
        made.append(Capture(Vivid.path, wish or V4l2Wish()))
        return made[-1]

    yield make
    for one in made:
        one.close()
