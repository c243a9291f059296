"""The status socket: a line of JSON for each line asked, for this user and group alone, one daemon a configuration."""

import asyncio
import json
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.errors import LinkError
from daemon.status import Snapshot, StatusClient, StatusServer, describe, print_status
from hw.errors import CathlinkError

DEADLINE_S = 10.0
ANSWER: dict[str, Any] = {
    "role": "receiver",
    "pid": 4,
    "picture": {
        "state": "HELD",
        "cause": "X-ray off, last image held",
        "frame_id": 9,
        "age_ms": 1234,
        "latency_ms": 45,
        "latency_bound_ms": 3,
    },
    "xray": "on",
    "workers": {
        "link": {"pid": 5, "restarts": 1, "figures": {"rtt_ms": 20.5}, "words": {"encoder": "libx264 in software"}}
    },
    "events": [],
}


@contextmanager
def serving(path: Path, snapshot: Snapshot) -> Iterator[None]:
    """A status server in a loop of its own."""
    loop = asyncio.new_event_loop()
    server = StatusServer(str(path), lambda: snapshot)
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(DEADLINE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE_S)
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()


def test_each_question_gets_its_answer(tmp_path: Path) -> None:
    with serving(tmp_path / "run" / "status.sock", ANSWER):
        client = StatusClient(str(tmp_path / "run" / "status.sock"))
        assert client.ask() == ANSWER
        assert client.ask() == ANSWER
        client.close()


def test_only_user_and_group_may_ask_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with serving(path, ANSWER):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()


def test_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with serving(path, ANSWER):
        with pytest.raises(LinkError, match="another cathlink runs"):
            asyncio.run(StatusServer(str(path), dict).start())
        client = StatusClient(str(path))
        assert client.ask() == ANSWER
        client.close()


def test_the_socket_of_a_daemon_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(path, ANSWER):
        client = StatusClient(str(path))
        assert client.ask() == ANSWER
        client.close()


def test_a_place_that_cannot_be_written_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkError, match=r"status\.socket: .*choose a writable place"):
        asyncio.run(StatusServer(str(tmp_path / "file" / "status.sock"), dict).start())


def test_without_a_daemon_the_client_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(CathlinkError, match="cathlink run --config FILE"):
        StatusClient(str(tmp_path / "no.sock"))


def test_a_daemon_that_ends_is_an_error_of_ours(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "status.sock", socket.socket(socket.AF_UNIX)
    theirs.bind(str(ours))
    theirs.listen()
    client = StatusClient(str(ours))
    connection, _ = theirs.accept()
    connection.close()
    theirs.close()
    with pytest.raises(CathlinkError, match="stopped answering"):
        client.ask()
    client.close()


def test_the_command_prints_json_or_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path / "status.sock", ANSWER):
        print_status(str(tmp_path / "status.sock"), as_json=True, watch=False)
        assert json.loads(capsys.readouterr().out) == ANSWER
        print_status(str(tmp_path / "status.sock"), as_json=False, watch=False)
        assert capsys.readouterr().out == describe(ANSWER) + "\n"


def test_the_words_tell_state_cause_age_and_latency() -> None:
    text = describe(ANSWER)
    assert "libx264 in software" in text
    for words in ("receiver: HELD - X-ray off, last image held", "1234 ms", "45 ms ±3", "pid 5, restarts 1", "20.5"):
        assert words in text
    unknown = {**ANSWER, "picture": {**ANSWER["picture"], "age_ms": None, "latency_ms": None, "cause": ""}}
    assert "age" not in describe(unknown)
    assert "glass" not in describe(unknown)


def test_what_became_of_a_wish_for_another_source_is_told() -> None:
    assert "  source wish         input 3: switched" in describe({**ANSWER, "source_wish": "input 3: switched"})
    assert "source wish" not in describe({**ANSWER, "source_wish": ""})


def test_xray_is_told_where_it_is_watched() -> None:
    assert "  X-ray               on" in describe(ANSWER).splitlines()
    assert "X-ray  " not in describe({**ANSWER, "xray": "not watched"})
