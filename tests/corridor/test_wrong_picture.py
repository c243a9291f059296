"""A decoder that gives a wrong picture is told as DEGRADED at both ends, and no longer than it does."""

import os
import time
from pathlib import Path

import pytest

from tests.corridor.rig import Rig

WRONG_DECODER = """
import os
import sys

if sys.orig_argv[1:4] == ["-m", "daemon.worker", "video"]:
    import numpy as np

    from daemon.picture.decode import Decoder

    decode = Decoder.decode

    def wrong(self, access_unit):
        picture = decode(self, access_unit)
        return np.roll(picture, 40, 1) if os.path.exists({flag!r}) else picture

    Decoder.decode = wrong
"""


def test_a_wrong_picture_is_degraded_at_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag, hook = tmp_path / "wrong", tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WRONG_DECODER.format(flag=str(flag)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hook), str(Path(__file__).parents[2])]))
    (tmp_path / "lab").mkdir()
    with Rig(tmp_path / "lab") as rig:
        begun_ns = time.monotonic_ns()
        flag.touch()
        rig.wait_state("DEGRADED", since_ns=begun_ns)
        for end in rig.ends.values():
            sample = end.first_since(begun_ns, "DEGRADED")
            assert sample is not None
            assert "not the picture that was sent" in sample.cause
        flag.unlink()
        rig.wait_state("LIVE")
