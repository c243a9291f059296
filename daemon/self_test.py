"""The test before a case: is this box, and the path to the other one, fit for it? Takes SAMPLES seconds.

It looks, and disturbs nothing: the figures that the workers tell every second, the clock, the certificates, the disk.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from cryptography import x509

from daemon.config import Config, Role
from daemon.manage.now import installed_at, read_now
from daemon.manage.schema import ClockState

SAMPLES = 8
SAMPLE_EVERY_S = 1.0
LONGEST_ENCODE_MS = 33.0
LONGEST_RTT_MS = 150.0
MOST_LOSS_PERCENT = 5.0
LEAST_RATE_KBPS = 1_500.0
LEAST_CERTIFICATE_DAYS = 14
LEAST_DISK_FREE_PERCENT = 5.0

Snapshot = Mapping[str, Any]


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at, in words."""

    name: str
    ok: bool
    words: str


class SelfTestReport(msgspec.Struct, frozen=True):
    ok: bool
    line: str
    checks: list[Check]


def judge(
    samples: Sequence[Snapshot], role: Role, expiries: Mapping[str, datetime], clock: ClockState, now: datetime
) -> SelfTestReport:
    """Pure. `samples`: the supervisor's snapshots, one a second. What a box does not have is not looked at."""
    last = samples[-1]
    checks = [_picture(last), *_path(samples, role)]
    if role is Role.SENDER:
        checks += _source(samples)
    if last.get("voice"):
        checks.append(_voice(last))
    checks += [_clock(clock), _certificates(expiries, now), *_disk(last)]
    return _report(checks)


def judge_without_daemon(expiries: Mapping[str, datetime], clock: ClockState, now: datetime) -> SelfTestReport:
    """What can be said while nothing runs: it is never ok."""
    return _report([Check("daemon", False, "it does not run"), _clock(clock), _certificates(expiries, now)])


def _report(checks: list[Check]) -> SelfTestReport:
    wrong = [f"{check.name}: {check.words}" for check in checks if not check.ok]
    return SelfTestReport(not wrong, f"NOT READY - {'; '.join(wrong)}" if wrong else "READY", checks)


def _figures(samples: Sequence[Snapshot], worker: str, name: str) -> list[float]:
    told = [sample["workers"].get(worker, {}).get("figures", {}).get(name) for sample in samples]
    return [value for value in told if value is not None]


def _picture(last: Snapshot) -> Check:
    picture = last["picture"]
    latency = f", {picture['latency_ms']} ms from glass to glass" if picture["latency_ms"] is not None else ""
    words = picture["state"] + (f" ({picture['cause']})" if picture["cause"] else "") + latency
    return Check("picture", picture["state"] in ("LIVE", "HELD"), words)


def _source(samples: Sequence[Snapshot]) -> list[Check]:
    frames, encode = _figures(samples, "video", "frames_per_s"), _figures(samples, "video", "encode_p99_ms")
    checks = [Check("capture", bool(frames) and median(frames) > 0, f"{median(frames or [0]):g} frames/s")]
    if encode:
        checks.append(Check("encoder", max(encode) <= LONGEST_ENCODE_MS, f"99 of 100 images in {max(encode):.1f} ms"))
    return checks


def _path(samples: Sequence[Snapshot], role: Role) -> list[Check]:
    rtt = _figures(samples, "link", "rtt_ms")
    worst_ms = max(rtt, default=0.0)
    checks = [Check("round trip", 0 < worst_ms <= LONGEST_RTT_MS, f"{worst_ms:.0f} ms" if worst_ms else "no answer")]
    if role is Role.SENDER:  # it is the sender that knows what the path loses and carries
        loss, rate = _figures(samples, "link", "loss_percent"), _figures(samples, "link", "target_kbps")
        worst, least = max(loss, default=0.0), min(rate, default=0.0)
        checks.append(Check("loss", worst <= MOST_LOSS_PERCENT, f"{worst:.1f} %"))
        checks.append(Check("rate", least >= LEAST_RATE_KBPS, f"{least:.0f} kbit/s"))
    return checks


def _voice(last: Snapshot) -> Check:
    worker = last["workers"].get("voice", {})
    return Check("voice", bool(worker.get("figures")), "its process answers" if worker.get("figures") else "no answer")


def _clock(clock: ClockState) -> Check:
    return Check("clock", clock in (ClockState.SYNCHRONISED, ClockState.UNKNOWN), clock.value)


def _certificates(expiries: Mapping[str, datetime], now: datetime) -> Check:
    name, soonest = min(expiries.items(), key=lambda item: item[1])
    days = (soonest - now).days
    return Check("certificates", days >= LEAST_CERTIFICATE_DAYS, f"{name} is good for {days} more days")


def _disk(last: Snapshot) -> list[Check]:
    disks = (last.get("health") or {}).get("disks", [])
    free = [100 * disk["free_bytes"] / max(1, disk["total_bytes"]) for disk in disks]
    return [Check("disk", min(free) >= LEAST_DISK_FREE_PERCENT, f"{min(free):.0f} % free")] if free else []


def certificate_expiries(config: Config) -> dict[str, datetime]:
    """Of the device's own and its authority's. Raises OSError or ValueError."""
    files = {"this box's": config.identity.certificate, "the authority's": config.identity.authority}
    loaded = {whose: x509.load_pem_x509_certificates(Path(file).read_bytes())[0] for whose, file in files.items()}
    return {whose: certificate.not_valid_after_utc for whose, certificate in loaded.items()}


class SelfTest:
    """One at a time; `snapshot` is the last outcome, for the status and the panel."""

    def __init__(self, config: Config, box: Callable[[], Snapshot], note_event: Callable[[str, str], None]) -> None:
        self._config = config
        self._box = box
        self._note_event = note_event
        self._running: asyncio.Task[SelfTestReport] | None = None
        self._report: SelfTestReport | None = None

    def begin(self) -> "asyncio.Task[SelfTestReport]":
        if self._running is None or self._running.done():
            self._report = None
            self._running = asyncio.get_running_loop().create_task(self._run())
        return self._running

    async def _run(self) -> SelfTestReport:
        samples = []
        for _ in range(SAMPLES):
            await asyncio.sleep(SAMPLE_EVERY_S)
            samples.append(self._box())
        clock = read_now(installed_at()).clock_state
        expiries = await asyncio.to_thread(certificate_expiries, self._config)
        self._report = judge(samples, self._config.role, expiries, clock, datetime.now(UTC))
        self._note_event("self-test", self._report.line)
        return self._report

    def snapshot(self) -> dict[str, Any] | None:
        """None: there was none, or it is under way."""
        answer: dict[str, Any] | None = msgspec.to_builtins(self._report) if self._report else None
        return answer
