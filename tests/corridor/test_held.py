"""A held image becomes finer through the real corridor, and is the same image to picture truth."""

from pathlib import Path

import numpy as np

from tests.corridor.pictures import Show, noisy_pictures
from tests.corridor.rig import Rig, wait_until

BITRATE_BPS = 1_500_000
LATENCY_LIMIT_MS = 150  # the steps that it takes come more than this after the image
FINER = 0.5  # of the error that the live image had


def test_a_held_image_is_refined_and_stays_as_old_as_it_is(tmp_path: Path) -> None:
    pictures = noisy_pictures(256, 256)
    with Rig(tmp_path / "lab", f"encoder.bitrate_bps={BITRATE_BPS}", pictures=pictures) as rig:

        def error() -> float:
            shown = rig.sink.last
            assert shown is not None
            return float(min(np.abs(picture.astype(int) - shown).mean() for picture in pictures))

        rig.wait_pictures(rig.sink.count + 30)
        live_error = error()
        rig.source.show = Show.HELD
        rig.wait_state("HELD")
        wait_until(lambda: error() < FINER * live_error, "a finer picture")
        picture = rig.receiver.answer["picture"]
        assert picture["state"] == "HELD"
        assert picture["latency_ms"] < LATENCY_LIMIT_MS, "it is that of the image, not of its refinement"
        rig.heal()
        rig.wait_state("LIVE")
