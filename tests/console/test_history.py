"""Rows wait, are written in batches, and the newer of two with one key stays."""

from pathlib import Path

import pytest

from console.errors import ConsoleError
from console.history import CASES, COMMANDS, EVENTS, MINUTES, History

MINUTE = {"device": "s/a", "minute": 10, "picture": "LIVE", "latency_ms": 40.0, "latency_max_ms": 50.0}
MINUTE |= dict.fromkeys(("loss_percent", "residual_loss_percent", "rate_kbps", "temperature_c"))


def _event(number: int) -> dict[str, object]:
    return {
        "device": "s/a",
        "log": "L",
        "id": number,
        "at": "",
        "kind": "picture",
        "what": f"{number}",
        "cause": "",
        "received_s": 700,
    }


def _filled(url: str) -> History:
    history = History(url, keep_days=1)
    history.open()
    for row in (MINUTE, MINUTE | {"latency_ms": 41.0}, MINUTE | {"device": "s/b"}):
        history.put(MINUTES, row)
    for number in (1, 2, 2, 1):
        history.put(EVENTS, _event(number))
    history.put(CASES, {"device": "s/a", "began_s": 600, "ended_s": None})
    history.put(CASES, {"device": "s/b", "began_s": 500, "ended_s": None})
    history.put(CASES, {"device": "s/b", "began_s": 500, "ended_s": 550})
    command = {"device": "s/a", "nonce": "N", "command": "identify", "who": "x", "reason": "", "is_authentic": True}
    history.put(COMMANDS, command | {"outcome": "sent", "at_s": 700})
    history.close()
    reopened = History(url, keep_days=1)
    reopened.open()
    return reopened


@pytest.fixture
def history(tmp_path: Path) -> History:
    return _filled(f"sqlite:///{tmp_path}/history.db")


def test_what_was_put_is_read(history: History) -> None:
    [minute] = history.minutes("s/a", 600)
    assert minute["latency_ms"] == 41.0
    assert [row["id"] for row in history.events("s/a", 10)] == [2, 1]
    assert history.events("s/b", 10) == []
    assert history.cases_under_way() == {"s/a": 600}
    assert [row["ended_s"] for row in history.cases(None, 10)] == [None, 550]
    assert history.commands(None, 10)[0]["outcome"] == "sent"
    history.close()


def test_what_is_old_is_forgotten(history: History) -> None:
    history.forget_old(700 + 86_400 + 1)
    assert history.minutes("s/a", 0) == []
    assert history.events(None, 10) == []
    assert history.cases(None, 10) == []
    history.close()


def test_a_database_that_cannot_be_used_is_said_in_one_line(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/folder/history.db", "nonsense://", "not a url"):
        with pytest.raises(ConsoleError, match=r"history\.url") as caught:
            History(url, 1).open()
        assert "\n" not in str(caught.value)
