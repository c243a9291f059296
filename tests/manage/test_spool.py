"""The spool: order, ids, bounds; and a disk that does not keep what it was given."""

import sqlite3
from pathlib import Path

import pytest

from daemon.errors import ManageError
from daemon.manage.schema import ClockState, Moment
from daemon.manage.spool import BOOTS_KEPT, Spool

AT = Moment(boot_id="b", mono_ns=1, utc="2026-11-24T16:00:00.000Z", clock_state=ClockState.UNKNOWN)


def drain(spool: Spool) -> list[tuple[int, str]]:
    told = []
    while event := spool.oldest():
        told.append((event.id, event.what))
        spool.delivered(event.id)
    return told


def test_events_come_out_in_order_also_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite")
    for n in range(5):
        spool.add("device", f"event {n}", "", AT)
    log = spool.log
    spool.close()
    spool = Spool(tmp_path / "spool.sqlite")
    assert (spool.log, spool.waiting) == (log, 5)
    assert drain(spool) == [(n + 1, f"event {n}") for n in range(5)]
    spool.add("device", "one more", "", AT)
    assert drain(spool) == [(6, "one more")]  # an id never comes again
    spool.close()


def test_a_full_spool_drops_the_oldest_and_counts(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite", events_kept=10)
    for n in range(25):
        spool.add("device", f"event {n}", "", AT)
    assert (spool.waiting, spool.dropped) == (10, 15)
    spool.close()
    spool = Spool(tmp_path / "spool.sqlite", events_kept=10)
    assert (spool.waiting, spool.dropped) == (10, 15)
    assert [event_id for event_id, _ in drain(spool)] == list(range(16, 26))
    spool.close()


def test_sessions_and_boots_are_remembered(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite")
    assert [spool.next_session() for _ in range(3)] == [1, 2, 3]
    for n in range(2 * BOOTS_KEPT):
        boots = spool.note_boot(f"boot {n}")
    assert boots == {f"boot {n}" for n in range(BOOTS_KEPT, 2 * BOOTS_KEPT)}
    spool.close()


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_a_damaged_file_is_put_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "spool.sqlite"
    path.write_bytes(damage)
    spool = Spool(path)
    spool.add("device", "event", "", AT)
    assert drain(spool) == [(1, "event")]
    assert (tmp_path / "spool.sqlite.damaged").exists()
    spool.close()


def test_a_disk_that_fails_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ManageError, match="cannot be opened"):
        Spool(tmp_path / "file" / "spool.sqlite")
    spool = Spool(tmp_path / "spool.sqlite")
    other = sqlite3.connect(tmp_path / "spool.sqlite")
    other.execute("DROP TABLE events")
    other.close()
    with pytest.raises(ManageError, match="cannot be written"):
        spool.add("device", "event", "", AT)
    spool.close()
