"""The time as management needs it: monotonic, of the wall, and what the wall clock is worth. Reads the clocks once."""

import ctypes
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daemon.manage.schema import ClockState, Moment

_TIMESYNC_DONE = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd(8)
_STA_UNSYNC = 0x0040  # adjtimex(2)
_TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class Now:
    """A moment. `utc` is aware, and means little unless `clock_state` says so."""

    mono_ns: int
    utc: datetime
    clock_state: ClockState

    @property
    def utc_text(self) -> str:
        return utc_text(self.utc)

    def moment(self, boot_id: str) -> Moment:
        return Moment(boot_id=boot_id, mono_ns=self.mono_ns, utc=self.utc_text, clock_state=self.clock_state)


def utc_text(utc: datetime) -> str:
    """RFC 3339 with milliseconds and Z."""
    return utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03}Z"


def read_utc(text: str) -> datetime:
    """What `utc_text` wrote. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def installed_at() -> datetime:
    """When this program was put on the disk: no true clock is before that."""
    return datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)


def read_now(no_sooner_than: datetime) -> Now:
    """The clocks now. A wall clock before `no_sooner_than` is UNSET."""
    utc = datetime.now(UTC)
    state = ClockState.UNSET if utc < no_sooner_than else _clock_state()
    return Now(time.monotonic_ns(), utc, state)


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); what follows `status` is not read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def _clock_state() -> ClockState:
    """From the kernel; a sandbox that hides adjtimex(2) may still show what systemd-timesyncd says."""
    timex = _Timex()  # modes 0: only read
    result = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if result >= 0:
        is_off = result == _TIME_ERROR or timex.status & _STA_UNSYNC
        return ClockState.UNSYNCHRONISED if is_off else ClockState.SYNCHRONISED
    return ClockState.SYNCHRONISED if os.path.exists(_TIMESYNC_DONE) else ClockState.UNKNOWN
