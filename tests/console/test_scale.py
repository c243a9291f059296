"""A small run of the fleet's bench: a console loses no message of a fleet that comes and goes."""

from pathlib import Path

import pytest

from tests.bench.fleet import run


@pytest.mark.slow
def test_no_message_is_lost(tmp_path: Path) -> None:
    figures = run(tmp_path, devices=400, seconds=4.0)
    assert figures["devices"] == 400
    assert figures["messages the console has taken"] == figures["messages said"]
