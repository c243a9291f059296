"""An audit log that was touched is found."""

import hashlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.audit import FIRST_PREVIOUS, verify
from console.cli import main
from console.errors import ConsoleError


def _log(count: int, first: int = 1) -> list[bytes]:
    lines: list[bytes] = []
    previous = FIRST_PREVIOUS if first == 1 else "1" * 64
    for n in range(first, first + count):
        lines.append(msgspec.json.encode({"n": n, "previous": previous, "what": "command refused", "detail": {}}))
        previous = hashlib.sha256(lines[-1]).hexdigest()
    return lines


def _written(folder: Path, lines: list[bytes]) -> Path:
    path = folder / "audit.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_a_whole_log_in_two_files(tmp_path: Path) -> None:
    lines = _log(5)
    old = _written(tmp_path, lines[:3]).rename(tmp_path / "audit-3.jsonl")
    head = verify([old, _written(tmp_path, lines[3:])], None)
    assert (head.n, head.lines, head.hash) == (5, 5, hashlib.sha256(lines[-1]).hexdigest())


def test_a_log_whose_oldest_file_has_gone_still_holds(tmp_path: Path) -> None:
    assert verify([_written(tmp_path, _log(4, first=7))], None).n == 10


def test_a_cut_end_shows_by_the_head(tmp_path: Path) -> None:
    lines = _log(4)
    head = hashlib.sha256(lines[-1]).hexdigest()
    assert verify([_written(tmp_path, lines)], head).n == 4
    with pytest.raises(ConsoleError, match="taken away"):
        verify([_written(tmp_path, lines[:-1])], head)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_changed_or_taken_out_is_found(tmp_path: Path, data: st.DataObject) -> None:
    lines = _log(6)
    at = data.draw(st.integers(min_value=0, max_value=4))
    match data.draw(st.sampled_from(["change", "remove", "swap", "garbage"])):
        case "change":
            lines[at] = lines[at].replace(b"refused", b"done")
        case "remove":
            del lines[at + (at == 0)]
        case "swap":
            lines[at], lines[at + 1] = lines[at + 1], lines[at]
        case "garbage":
            lines[at] = data.draw(st.binary(max_size=20).filter(lambda b: b"\n" not in b and b"\r" not in b))
    with pytest.raises(ConsoleError):
        verify([_written(tmp_path, lines)], None)


def test_the_command_says_it_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", str(_written(tmp_path, _log(3)))]) == 0
    assert "3 lines, none changed" in capsys.readouterr().out
    assert main(["audit", "verify", str(_written(tmp_path, _log(3)[1:2] * 2))]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["audit", "verify", str(tmp_path / "none")]) == 2
