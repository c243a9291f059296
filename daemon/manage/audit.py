"""The audit log: JSON lines, each with the SHA-256 of the line before, in a few files of bounded size.

Whoever changes or removes a line breaks the chain; whoever cuts the end off contradicts the head that the device's
signed acknowledgements tell. The bytes that count are those of the line without its line feed.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from daemon.errors import ManageError
from daemon.manage.now import Now
from daemon.manage.schema import AuditHead

FIRST_PREVIOUS = "0" * 64
FILE_LIMIT_BYTES = 1 << 20
FILES_KEPT = 8


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A line. `previous`: see above; n grows by one."""

    n: int
    previous: str
    utc: str
    clock_state: str
    boot_id: str
    mono_ns: int
    what: str
    detail: dict[str, Any]


class Audit:
    """Appends to `folder`/audit.jsonl; a full file becomes audit-{its last n}.jsonl, the oldest of FILES_KEPT goes.

    Raises ManageError when the disk does not let it.
    """

    def __init__(self, folder: Path, boot_id: str, file_limit_bytes: int = FILE_LIMIT_BYTES) -> None:
        self._folder = folder
        self._path = folder / "audit.jsonl"
        self._boot_id = boot_id
        self._file_limit_bytes = file_limit_bytes
        self._torn_bytes = 0
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._torn_bytes = _cut_torn_end(self._path)
            self.head = self._last_head()
        except OSError as error:
            raise ManageError(
                f"{self._path}: {error.strerror}", "check manage.directory, its owner and space"
            ) from error

    def _last_head(self) -> AuditHead:
        for path in reversed(audit_files(self._folder)):
            if lines := path.read_bytes().splitlines():
                return _head_of(lines[-1])
        return AuditHead(n=0, hash=FIRST_PREVIOUS)

    def append(self, what: str, detail: Mapping[str, Any], now: Now) -> AuditHead:
        """The new head, when the line is on the disk."""
        if self._torn_bytes:
            torn, self._torn_bytes = self._torn_bytes, 0
            self.append("a torn line was cut off", {"bytes": torn}, now)
        record = AuditRecord(
            n=self.head.n + 1,
            previous=self.head.hash,
            utc=now.utc_text,
            clock_state=now.clock_state,
            boot_id=self._boot_id,
            mono_ns=now.mono_ns,
            what=what,
            detail=dict(detail),
        )
        line = msgspec.json.encode(record)
        try:
            self._rotate_if_full()
            with open(self._path, "ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ManageError(f"{self._path}: {error.strerror}", "check manage.directory's disk") from error
        self.head = _head_of(line)
        return self.head

    def _rotate_if_full(self) -> None:
        if not self._path.exists() or self._path.stat().st_size < self._file_limit_bytes:
            return
        self._path.rename(self._folder / f"audit-{self.head.n:010}.jsonl")
        for path in audit_files(self._folder)[:-FILES_KEPT]:
            path.unlink()

    def last_lines(self, count: int) -> list[str]:
        """The newest last."""
        lines: list[bytes] = []
        for path in reversed(audit_files(self._folder)):
            lines = path.read_bytes().splitlines() + lines
            if len(lines) >= count:
                break
        return [line.decode() for line in lines[-count:]]


def audit_files(folder: Path) -> list[Path]:
    """In the order of their lines."""
    current = folder / "audit.jsonl"
    return [*sorted(folder.glob("audit-*.jsonl")), *([current] if current.exists() else [])]


def _head_of(line: bytes) -> AuditHead:
    try:
        return AuditHead(n=msgspec.json.decode(line, type=AuditRecord).n, hash=hashlib.sha256(line).hexdigest())
    except msgspec.DecodeError:
        return AuditHead(n=0, hash=hashlib.sha256(line).hexdigest())


def _cut_torn_end(path: Path) -> int:
    """A power cut may leave a last line without its line feed, which was never acknowledged. Bytes cut off."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return len(content) - whole
