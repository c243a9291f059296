"""V4L2 capture on a real kernel driver: the tests of `in_guest/test_vivid.py`, in a guest that has the vivid camera."""

from pathlib import Path

from tests.appliance.guest import run_in_guest

CASES = 30


def test_capture_on_the_vivid_camera(tmp_path: Path) -> None:
    results = run_in_guest("tests/appliance/in_guest/test_vivid.py", tmp_path)
    assert not results.problems, "\n\n".join(results.problems)
    assert results.passed >= CASES, results.console[-4000:]
