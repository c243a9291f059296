"""A box and its broker, both real: birth, will, health, events; and what happens when the broker fails."""

import json

import pytest

from daemon.manage.backoff import RIVAL_S
from tests.manage.asyncapi import check
from tests.manage.rig import ManagedBox, ManagedLab, wait_until


def test_birth_health_and_farewell(managed: ManagedLab) -> None:
    console, box = managed.console(), managed.box()
    birth = console.wait_for("state")
    check(birth.payload, "State")
    assert (birth.json["status"], birth.json["seq"], birth.json["role"]) == ("online", 1, "sender")
    assert len(birth.json["challenge"]) == 22
    health = console.wait_for("health")
    check(health.payload, "Health")
    assert health.json["picture"]["state"] == "HELD"
    assert health.json["path"] == {"rtt_ms": 20.1}
    assert 0 < health.properties.MessageExpiryInterval <= 15
    box.close()
    farewell = console.wait_for("state", 2)
    assert (farewell.json["status"], farewell.json["cause"]) == ("offline", "stopped")
    assert all(farewell.json[name] == birth.json[name] for name in ("boot_id", "session"))
    late = managed.console()
    assert late.wait_for("state").is_retained


@pytest.mark.slow
def test_a_box_that_vanishes_is_told_by_its_will(managed: ManagedLab) -> None:
    console, box = managed.console(), managed.box()
    birth = console.wait_for("state")
    assert box.management._broker is not None
    box.management._topics = None  # type: ignore[assignment]  # whatever it does now fails
    sock = box.management._broker._client._client.socket()
    sock.shutdown(2)
    will = console.wait_for("state", 2)
    check(will.payload, "State")
    assert (will.json["status"], will.json["cause"], will.json["seq"]) == ("offline", "connection lost", 0)
    assert all(will.json[name] == birth.json[name] for name in ("boot_id", "session"))


def test_events_come_in_order_with_ids_that_grow_by_one(managed: ManagedLab) -> None:
    console, box = managed.console(), managed.box()
    console.wait_for("state")
    for n in range(50):
        box.note_event(f"event {n}", "why")
    console.wait_for("event/", 50)
    events = [message.json for message in console.on("event/")]
    for message in console.on("event/"):
        check(message.payload, "Event")
    assert [event["what"] for event in events] == [f"event {n}" for n in range(50)]
    assert [event["id"] for event in events] == list(range(events[0]["id"], events[0]["id"] + 50))
    wait_until(lambda: box.management._spool.waiting == 0, "an empty spool")


def test_what_happens_while_the_broker_is_away_comes_later_once_and_in_order(managed: ManagedLab) -> None:
    managed.broker.stop()
    box = managed.box()
    for n in range(20):
        box.note_event(f"event {n}")
    wait_until(lambda: box.management._spool.waiting == 20, "20 events on disk")
    managed.broker.start()
    console = managed.console()
    console.wait_for("event/", 20)
    assert [message.json["what"] for message in console.on("event/")] == [f"event {n}" for n in range(20)]


@pytest.mark.slow
def test_the_connection_comes_back_as_often_as_the_broker_does(managed: ManagedLab) -> None:
    box = managed.box()
    for n in range(3):
        console = managed.console()
        box.note_event(f"event {n}")
        wait_until(lambda n=n, console=console: any(m.json["what"] == f"event {n}" for m in console.on("event/")), "it")
        console.close()
        managed.broker.stop()
        wait_until(lambda: not box.management.snapshot()["connected"], "its end to be noticed")
        managed.broker.start()


def test_events_outlive_the_program(managed: ManagedLab) -> None:
    managed.broker.stop()
    first = managed.box()
    first.note_event("before the power cut")
    wait_until(lambda: first.management._spool.waiting == 1, "it on disk")
    first.close()
    managed.broker.start()
    console, second = managed.console(), managed.box()
    event = console.wait_for("event/").json
    assert event["what"] == "before the power cut"
    assert event["at"]["boot_id"] != event["boot_id"] == second.management._boot_id


def test_sessions_grow_over_connections_and_starts(managed: ManagedLab) -> None:
    console = managed.console()
    sessions = []
    for n in range(3):
        box = managed.box()
        sessions.append(console.wait_for("state", 2 * n + 1).json["session"])
        box.close()
        console.wait_for("state", 2 * n + 2)
    assert sessions == sorted(set(sessions))


def test_a_clone_is_found_and_named_at_both(managed: ManagedLab) -> None:
    first = managed.box(directory=str(managed.folder / "one"))
    console = managed.console()
    console.wait_for("state")
    second = managed.box(directory=str(managed.folder / "other"))

    def has_named(box: ManagedBox, other: ManagedBox) -> bool:
        boot = other.management._boot_id[:8]
        return any("another device" in what and boot in cause for what, cause in box.box.told)

    wait_until(lambda: has_named(second, first), "the second to know the first")
    wait_until(lambda: has_named(first, second), "the first to know the second", limit_s=60)
    assert first.management._backoff.wait_s(has_rival=True) >= RIVAL_S / 2


def test_a_will_that_overtakes_the_rebirth_is_put_right(managed: ManagedLab) -> None:
    console, box = managed.console(), managed.box()
    birth = console.wait_for("state").json
    impostor = managed.peer("sender", client_id="late will")
    late = {**birth, "status": "offline", "cause": "connection lost", "challenge": None, "seq": 0}
    impostor.say("v1/lab/sender.lab.cathlink/state", json.dumps(late).encode(), retain=True)
    again = console.wait_for("state", 3).json
    assert (again["status"], again["challenge"], again["session"]) == ("online", birth["challenge"], birth["session"])
    assert not any("another device" in what for what, _ in box.box.told)


def test_garbage_on_our_own_state_topic_changes_nothing(managed: ManagedLab) -> None:
    console, box = managed.console(), managed.box()
    console.wait_for("state")
    impostor = managed.peer("sender", client_id="garbage")
    for garbage in (b"", b"{", b"\xff" * 100, b"[" * 20_000, b'{"status":"online"}'):
        impostor.say("v1/lab/sender.lab.cathlink/state", garbage)
    box.note_event("still here")
    console.wait_for("event/")
