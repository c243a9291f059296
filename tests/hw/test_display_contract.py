"""What every display promises (hw.ports.Display), the fake one like the real ones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hw.display.none import NoneDisplay
from hw.display.raw import RawDisplay
from hw.display.sdl import SdlDisplay
from hw.display.web import WebDisplay
from hw.errors import DeviceError
from hw.fake import FakeDisplay
from hw.ports import Banner, ChromaSampling, ColourCoding, ColourMatrix, ColourPicture, Display, PixelFormat, Tone

LIVE = Banner(Tone.GOOD, "LIVE", "", 70, 83, 4, Tone.GOOD)
BANNERS = [
    LIVE,
    Banner(Tone.NOTICE, "HELD", "X-ray is off", 12_345, 83, None, Tone.GOOD),
    Banner(Tone.WARNING, "DEGRADED", "repaired from incomplete data", 90, 210, 12, Tone.WARNING),
    Banner(Tone.ALARM, "CAPTURE LOST", "no signal", None, None, None, Tone.NOTICE),
]
DISPLAYS: dict[str, Callable[[Path], Display]] = {
    "fake": lambda folder: FakeDisplay(),
    "none": lambda folder: NoneDisplay(),
    "raw": lambda folder: RawDisplay(str(folder / "pictures.gray")),
    "raw bgrx": lambda folder: RawDisplay(str(folder / "pictures.bgrx"), PixelFormat.BGRX),
    "sdl": lambda folder: SdlDisplay(),
    "web": lambda folder: WebDisplay("127.0.0.1", 0),
}


@pytest.fixture(params=list(DISPLAYS))
def display(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    display = DISPLAYS[request.param](tmp_path)
    yield display
    display.close()


def test_it_shows_nothing_before_the_first_picture_then_pictures_and_banners(display: Display) -> None:
    display.open()
    for banner in BANNERS:
        display.show(None, banner, is_new=False)
    for seed, banner in enumerate(BANNERS):
        picture = np.random.default_rng(seed).integers(0, 256, (120, 160), np.uint8)
        display.show(picture, banner, is_new=True)
        display.show(picture, banner, is_new=False)
    display.show(None, LIVE, is_new=False)


def test_pictures_may_change_their_size(display: Display) -> None:
    display.open()
    for size in ((1, 1), (480, 640), (1024, 1024), (1081, 1919), (3, 500)):
        display.show(np.full(size, 128, np.uint8), LIVE, is_new=True)


@pytest.mark.parametrize("sampling", ChromaSampling)
def test_grey_and_colour_may_follow_each_other(display: Display, sampling: ChromaSampling) -> None:
    display.open()
    grey = np.full((47, 63), 128, np.uint8)
    for matrix in ColourMatrix:
        chroma = np.full((2, *sampling.plane_shape(grey.shape)), 90, np.uint8)
        chroma.flags.writeable = False
        display.show(ColourPicture(grey, chroma, ColourCoding(sampling, matrix)), LIVE, is_new=True)
        display.show(grey, LIVE, is_new=True)


def test_it_leaves_the_picture_alone(display: Display) -> None:
    display.open()
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture.flags.writeable = False
    display.show(picture, LIVE, is_new=True)
    np.testing.assert_array_equal(picture.ravel(), np.arange(256))


def test_it_can_be_closed_at_any_time_and_opened_again(display: Display) -> None:
    display.close()
    for _ in range(2):
        display.open()
        display.show(np.zeros((16, 16), np.uint8), LIVE, is_new=True)
        display.close()
        display.close()


def test_a_closed_display_says_that_it_shows_nothing(display: Display) -> None:
    with pytest.raises(DeviceError):
        display.show(None, LIVE, is_new=False)
    display.open()
    display.close()
    with pytest.raises(DeviceError):
        display.show(None, LIVE, is_new=False)
