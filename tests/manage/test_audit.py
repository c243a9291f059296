"""The audit log: an unbroken chain over rotation, restarts and power cuts; nobody changes it unseen."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.errors import ManageError
from daemon.manage.audit import FILES_KEPT, Audit, audit_files, verify
from daemon.manage.now import Now
from daemon.manage.schema import ClockState

NOW = Now(1, datetime(2026, 11, 24, tzinfo=UTC), ClockState.SYNCHRONISED)


def lines(folder: Path) -> list[bytes]:
    return [line for path in audit_files(folder) for line in path.read_bytes().splitlines()]


def test_a_chain_goes_on_over_rotation_and_restarts(tmp_path: Path) -> None:
    for start in range(5):
        audit = Audit(tmp_path, "boot", file_limit_bytes=1_000)
        for n in range(7):
            audit.append("command", {"start": start, "n": n}, NOW)
    assert verify(lines(tmp_path)) == audit.head
    assert audit.head.n == 35
    assert len(audit_files(tmp_path)) > 2


def test_old_files_go_and_the_chain_begins_later(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "boot", file_limit_bytes=300)
    for n in range(60):
        audit.append("command", {"n": n}, NOW)
    assert len(audit_files(tmp_path)) <= FILES_KEPT + 1
    assert verify(lines(tmp_path)) == audit.head
    assert b'"n":1,' not in lines(tmp_path)[0]


def test_no_line_is_changed_removed_or_moved_unseen(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "boot")
    for n in range(6):
        audit.append("command", {"n": n}, NOW)
    good = lines(tmp_path)
    for place in range(5):  # a change of the last line shows against the head alone
        for forged in (
            [*good[:place], good[place].replace(b"command", b"commanx"), *good[place + 1 :]],
            [*good[: place + 1], *good[place + 2 :]] if place < 4 else [*good[:4], good[5]],
            [*good[:place], good[place + 1], good[place], *good[place + 2 :]],
        ):
            with pytest.raises(ManageError, match="does not follow"):
                verify(forged)
    assert verify(good[:-1]) != audit.head
    with pytest.raises(ManageError, match="not a record"):
        verify([*good, b"{"])


def test_a_line_that_a_power_cut_tore_is_cut_off_and_said(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "boot")
    audit.append("command", {"n": 1}, NOW)
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"n":2,"prev')
    audit = Audit(tmp_path, "boot")
    audit.append("command", {"n": 2}, NOW)
    assert verify(lines(tmp_path)) == audit.head
    assert b"torn" in lines(tmp_path)[1]
