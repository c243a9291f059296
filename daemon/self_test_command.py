"""The command `cathlink selftest`: asks the running daemon, or says what can be said without one."""

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec

from daemon.config import Config
from daemon.manage.now import installed_at, read_now
from daemon.self_test import SAMPLE_EVERY_S, SAMPLES, certificate_expiries, judge_without_daemon
from daemon.status import StatusClient
from hw.errors import CathlinkError

LIMIT_S = 2 * SAMPLES * SAMPLE_EVERY_S
ASK_EVERY_S = 0.2


def run_self_test(config: Config, *, as_json: bool) -> int:
    """Exit code 0: ready for a case; 1: not. Raises CathlinkError when the daemon does not come to an end with it."""
    try:
        client = StatusClient(config.status.socket)
    except CathlinkError:
        clock = read_now(installed_at()).clock_state
        report = msgspec.to_builtins(judge_without_daemon(certificate_expiries(config), clock, datetime.now(UTC)))
    else:
        with closing(client):
            report = _ask(client)
    print(json.dumps(report) if as_json else describe_self_test(report))
    return 0 if report["ok"] else 1


def _ask(client: StatusClient) -> dict[str, Any]:
    client.ask("selftest")
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        time.sleep(ASK_EVERY_S)
        report: dict[str, Any] | None = client.ask()["self_test"]
        if report is not None:
            return report
    raise CathlinkError(f"the self-test did not end within {LIMIT_S:g} s", "see cathlink status")


def describe_self_test(report: dict[str, Any]) -> str:
    lines = [report["line"]]
    lines += [f"  {'ok ' if check['ok'] else 'BAD'} {check['name']:<14}{check['words']}" for check in report["checks"]]
    return "\n".join(lines)
