"""The audit log: an unbroken chain over rotation, restarts and power cuts; nobody changes it unseen."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.audit import verify
from console.errors import ConsoleError
from daemon.manage.audit import FILES_KEPT, Audit, audit_files
from daemon.manage.now import Now
from daemon.manage.schema import AuditHead, ClockState

NOW = Now(1, datetime(2026, 11, 24, tzinfo=UTC), ClockState.SYNCHRONISED)


def lines(folder: Path) -> list[bytes]:
    return [line for path in audit_files(folder) for line in path.read_bytes().splitlines()]


def verified(folder: Path, log: list[bytes] | None = None) -> AuditHead:
    """As the console verifies it: the files of `folder`, or `log` in one."""
    files = audit_files(folder)
    if log is not None:
        files = [folder / "log"]
        files[0].write_bytes(b"".join(line + b"\n" for line in log))
    head = verify(files, None)
    return AuditHead(n=head.n, hash=head.hash)


def test_a_chain_goes_on_over_rotation_and_restarts(tmp_path: Path) -> None:
    for start in range(5):
        audit = Audit(tmp_path, "boot", file_limit_bytes=1_000)
        for n in range(7):
            audit.append("command", {"start": start, "n": n}, NOW)
    assert verified(tmp_path) == audit.head
    assert audit.head.n == 35
    assert len(audit_files(tmp_path)) > 2


def test_old_files_go_and_the_chain_begins_later(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "boot", file_limit_bytes=300)
    for n in range(60):
        audit.append("command", {"n": n}, NOW)
    assert len(audit_files(tmp_path)) <= FILES_KEPT + 1
    assert verified(tmp_path) == audit.head
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
            with pytest.raises(ConsoleError, match="does not follow"):
                verified(tmp_path, forged)
    assert verified(tmp_path, good[:-1]) != audit.head
    with pytest.raises(ConsoleError, match="not a line of an audit log"):
        verified(tmp_path, [*good, b"{"])


def test_a_line_that_a_power_cut_tore_is_cut_off_and_said(tmp_path: Path) -> None:
    audit = Audit(tmp_path, "boot")
    audit.append("command", {"n": 1}, NOW)
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"n":2,"prev')
    audit = Audit(tmp_path, "boot")
    audit.append("command", {"n": 2}, NOW)
    assert verified(tmp_path) == audit.head
    assert b"torn" in lines(tmp_path)[1]
