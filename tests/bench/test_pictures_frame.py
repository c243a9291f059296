"""The frame of `make bench-pictures`: verdicts, tables as text and JSON, the phantom missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.pictures.table import Bar, Row, Table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", 3.0, bar=Bar.AT_MOST, limit=3.0), True),
        (Row("a", 3.1, bar=Bar.AT_MOST, limit=3.0), False),
        (Row("a", 0.95, bar=Bar.AT_LEAST, limit=0.95), True),
        (Row("a", 0.94, bar=Bar.AT_LEAST, limit=0.95), False),
        (Row("a", float("nan"), bar=Bar.AT_LEAST, limit=0.95), False),
        (Row("a", 7.0), None),
    ],
)
def test_verdict(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_one_bar_missed_is_a_table_missed() -> None:
    good = Row("good", 1.0, bar=Bar.AT_MOST, limit=2.0)
    bad = Row("bad", 2.25, " ms", Bar.AT_MOST, 2.0, "why")
    assert Table("t", [good, Row("to know", 9.0)]).met
    table = Table("t", [good, bad])
    assert not table.met
    assert "| bad | 2.25 ms | <= 2 ms | NOT MET | why |" in table.text()
    assert [row["met"] for row in table.as_json()["rows"]] == [True, False]


def test_a_missing_phantom_is_said_in_one_line(tmp_path: Path) -> None:
    code = "from tests.bench.pictures import phantom; phantom.load('phantom')"
    environment = {**os.environ, "PHANTOM": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.stderr.splitlines()[-1].endswith(
        f"no phantom/phantom.py in {tmp_path}: name its folder, make bench-pictures PHANTOM=DIR"
    )
