"""Colour through the real corridor: it comes when the source shows it, and none of it from under the mask."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.picture.area import Area
from daemon.picture.layout import Landmark, Layout, LayoutBook
from daemon.picture.layout_file import save_layouts
from hw.ports import FrameBytes, PixelFormat
from tests.corridor.pictures import noisy_pictures
from tests.corridor.rig import Rig, wait_until

SIDE = 256
WORDS = Area(8, 8, 64, 24)
NAME = Area(100, 8, 120, 24)
ROADMAP = Area(60, 120, 100, 8)
RED = (30, 30, 200)  # blue, green, red
SATURATED = 100  # between red and blue: far over what coding makes of grey


def frames(*, in_colour: bool) -> list[FrameBytes]:
    """A name in red, always; a roadmap in red."""
    letters = np.random.default_rng(1).integers(0, 2, (6, 16), np.uint8) * 140
    made = []
    for picture in noisy_pictures(SIDE, SIDE):
        WORDS.view(picture)[:] = letters.repeat(4, axis=0).repeat(4, axis=1)
        pixels = picture[:, :, None].repeat(4, axis=2)
        for area in (NAME, ROADMAP)[: 2 if in_colour else 1]:
            pixels[area.y : area.bottom, area.x : area.right, :3] = RED
        made.append(pixels.reshape(SIDE, -1))
    return made


def layouts() -> LayoutBook:
    grey = np.ascontiguousarray(frames(in_colour=False)[0].reshape(SIDE, SIDE, 4)[:, :, 1])
    landmark = Landmark.seen_in(grey, WORDS)
    return LayoutBook((Layout(f"{SIDE}x{SIDE}", identity=(NAME,), landmarks=(landmark,)),))


def red_pixels(rig: Rig) -> npt.NDArray[np.bool_]:
    shown = rig.sink.last
    assert shown is not None
    pixels = shown.reshape(SIDE, SIDE, 4).astype(int)
    red: npt.NDArray[np.bool_] = pixels[:, :, 2] - pixels[:, :, 0] > SATURATED
    return red


def test_colour_comes_with_the_source_and_the_red_name_does_not(tmp_path: Path) -> None:
    save_layouts(tmp_path / "console.toml", layouts())
    settings = f"capture.layout={tmp_path / 'console.toml'}"
    with Rig(tmp_path / "rig", settings, pictures=frames(in_colour=False), pixel_format=PixelFormat.BGRX) as rig:
        rig.wait_pictures(rig.sink.count + 10)
        assert not red_pixels(rig).any()
        rig.source.show_pictures(frames(in_colour=True))
        wait_until(lambda: red_pixels(rig).any(), "a red roadmap")
        rig.wait_pictures(rig.sink.count + 10)
        red = red_pixels(rig)
        assert ROADMAP.view(red)[2:-2, 2:-2].all()
        assert red.sum() <= (ROADMAP.width + 4) * (ROADMAP.height + 4), "nothing red elsewhere"
        rig.wait_state("LIVE")
