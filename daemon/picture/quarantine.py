"""A hardware encoder that failed is left alone for a while, longer each time, also over a restart of the process.

The record says when the device was taken into use. A process that finds it so at its start knows that the one before
died over it (a driver can take the whole process down), and counts that as a failure too. Pure; the record is kept by
`QuarantineFile`. Times are monotonic nanoseconds of this boot.
"""

import contextlib
import logging
import os
from pathlib import Path
from typing import Protocol

import msgspec

logger = logging.getLogger(__name__)

RETRY_FACTORS = (1, 6, 30, 180)  # of the first back-off, by how many failures there were in a row
FORGIVEN_AFTER = 10  # first back-offs in service
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class QuarantineRecord(msgspec.Struct, frozen=True):
    """What is known of `device`. `in_use_since_ns` None: it is not in use."""

    device: str
    in_use_since_ns: int | None = None
    failures: int = 0
    until_ns: int = 0
    cause: str = ""
    boot_id: str = ""


class QuarantineStore(Protocol):
    def load(self) -> QuarantineRecord | None: ...

    def save(self, record: QuarantineRecord) -> None: ...


class Quarantine:
    """Of the device `device`. Used by one thread."""

    def __init__(self, device: str, store: QuarantineStore, retry_after_ns: int, now_ns: int) -> None:
        self._store = store
        self._retry_after_ns = retry_after_ns
        record = store.load()
        self._record = record if record is not None and record.device == device else QuarantineRecord(device)
        if self._record.in_use_since_ns is not None:
            self.fail("the video process died while it was in use", now_ns)

    @property
    def cause(self) -> str:
        """Why it failed last; empty when it has not."""
        return self._record.cause

    def may_use(self, now_ns: int) -> bool:
        return now_ns >= self._record.until_ns

    def begin(self, now_ns: int) -> None:
        """It is taken into use: before anything is asked of it."""
        self._keep(msgspec.structs.replace(self._record, in_use_since_ns=now_ns))

    def end(self) -> None:
        """It is given back in good order."""
        self._keep(msgspec.structs.replace(self._record, in_use_since_ns=None, cause=""))

    def fail(self, cause: str, now_ns: int) -> float:
        """It failed. Returns for how many seconds it is left alone."""
        record = self._record
        served_ns = now_ns - record.in_use_since_ns if record.in_use_since_ns is not None else 0
        failures = 0 if served_ns > FORGIVEN_AFTER * self._retry_after_ns else record.failures
        away_ns = RETRY_FACTORS[min(failures, len(RETRY_FACTORS) - 1)] * self._retry_after_ns
        self._keep(QuarantineRecord(record.device, None, failures + 1, now_ns + away_ns, cause))
        return away_ns / 1e9

    def _keep(self, record: QuarantineRecord) -> None:
        self._record = record
        self._store.save(record)


class QuarantineFile:
    """Keeps the record in a small file that counts for this boot alone."""

    def __init__(self, path: Path, boot_id_now: str | None = None) -> None:
        self._path = path
        self._boot_id = boot_id_now or boot_id()

    def load(self) -> QuarantineRecord | None:
        """None: there is none, or not of this boot, or it cannot be read."""
        try:
            record = msgspec.json.decode(self._path.read_bytes(), type=QuarantineRecord)
        except (OSError, msgspec.DecodeError):
            return None
        return record if record.boot_id == self._boot_id else None

    def save(self, record: QuarantineRecord) -> None:
        part = self._path.with_suffix(".part")
        try:
            part.write_bytes(msgspec.json.encode(msgspec.structs.replace(record, boot_id=self._boot_id)))
            os.replace(part, self._path)
        except OSError as error:  # then a restart of the process forgets; the picture goes on
            logger.warning("%s: cannot be written (%s)", self._path, error.strerror)
            with contextlib.suppress(OSError):
                part.unlink()


def boot_id() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
