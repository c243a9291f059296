"""What needs a kernel with devices that this machine lacks: the tests of `in_guest`, in a guest that has them."""

from pathlib import Path

import pytest

from tests.appliance.guest import run_in_guest


@pytest.mark.parametrize(("tests", "cases"), [("test_vivid.py", 30), ("test_usb_serial.py", 4)])
def test_in_guest(tmp_path: Path, tests: str, cases: int) -> None:
    results = run_in_guest(f"tests/appliance/in_guest/{tests}", tmp_path)
    assert not results.problems, "\n\n".join(results.problems)
    assert results.passed >= cases, results.console[-4000:]
