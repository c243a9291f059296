"""Identity at the far end of the real corridor: none, through another screen, killed workers and a cut cable.

A name in white is stamped into every frame at the source; nothing else there is as bright. What the receiver's screen
gets is searched for it.
"""

import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from daemon.picture.area import Area
from daemon.picture.layout import Landmark, Layout, LayoutBook
from daemon.picture.layout_file import save_layouts
from hw.ports import GrayPicture
from tests.corridor.pictures import Show, noisy_pictures
from tests.corridor.rig import Rig, wait_until

SIDE = 256
NAME = Area(100, 8, 120, 24)
NAME_ELSEWHERE = Area(20, 180, 120, 24)
WORDS = Area(8, 8, 64, 24)
NAME_LEVELS = 220  # the rest stays far under it, and so does what the codec makes of its edges

pytestmark = pytest.mark.slow


def screen(name: Area, words_seed: int) -> list[GrayPicture]:
    letters = np.random.default_rng(words_seed).integers(0, 2, (WORDS.height // 4, WORDS.width // 4), np.uint8)
    pictures = [np.minimum(picture, 150) for picture in noisy_pictures(SIDE, SIDE)]
    for picture in pictures:
        WORDS.view(picture)[:] = letters.repeat(4, axis=0).repeat(4, axis=1) * 140
        name.view(picture)[:] = np.random.default_rng(3).integers(0, 2, (name.height, name.width), np.uint8) * 255
    return pictures


def kill(rig: Rig, end: str, worker: str) -> None:
    pid = rig.ends[end].pid(worker)
    rig.signal_worker(end, worker, signal.SIGKILL)
    wait_until(lambda: rig.ends[end].pid(worker) != pid, "another process")


KNOWN = screen(NAME, 1)
LAYOUTS = LayoutBook((Layout(f"{SIDE}x{SIDE}", identity=(NAME,), landmarks=(Landmark.seen_in(KNOWN[0], WORDS),)),))


def test_no_identity_reaches_the_screen(tmp_path: Path) -> None:
    save_layouts(tmp_path / "console.toml", LAYOUTS)
    with Rig(tmp_path / "rig", f"capture.layout={tmp_path / 'console.toml'}", pictures=KNOWN) as rig:
        for _ in range(3):
            rig.wait_pictures(rig.sink.count + 20)
            rig.source.show_pictures(screen(NAME_ELSEWHERE, 2))
            rig.wait_state("MASKED")
            came = rig.sink.count
            kill(rig, "sender", "video")
            rig.wait_state("MASKED")
            assert rig.sink.count <= came + 2, "nothing new comes while it is withheld"
            rig.source.show_pictures(KNOWN)
            rig.wait_state("LIVE")
            for end, worker in (("sender", "video"), ("sender", "link"), ("receiver", "video")):
                kill(rig, end, worker)
                rig.wait_state("LIVE")
            rig.source.show = Show.NOTHING
            rig.wait_state("CAPTURE LOST")
            rig.source.show = Show.MOVING
            rig.wait_state("LIVE")
            rig.wait_pictures(rig.sink.count + 20)
        assert rig.sink.count > 100
        assert rig.sink.brightest < NAME_LEVELS
    assert not threading.current_thread().daemon


def test_the_search_finds_a_name_that_is_there(tmp_path: Path) -> None:
    """The same without a mask: the laboratory's own layout, which says that there is no identity."""
    with Rig(tmp_path / "rig", pictures=KNOWN) as rig:
        rig.wait_pictures(20)
        assert rig.sink.brightest >= NAME_LEVELS


def test_without_a_layout_nothing_comes(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "rig", "capture.layout=", pictures=KNOWN)
    try:
        rig.wait_state("MASKED", 30.0)
        assert "cathlink layout" in rig.receiver.samples[-1].cause
        assert rig.sink.count == 0
    finally:
        rig.close()
