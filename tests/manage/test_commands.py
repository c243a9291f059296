"""Commands through a real broker: acknowledged with the device's signature, in the audit log, and nothing else done."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from console.audit import verify
from daemon.manage.audit import audit_files
from daemon.states import PictureState
from tests.manage.asyncapi import check
from tests.manage.operator import DEVICE, OperatorHand, open_acknowledgement
from tests.manage.rig import ManagedBox, ManagedLab, Peer, wait_until

ROOT = f"v1/lab/{DEVICE}"


class Desk:
    """A managed sender, a console, and the lab's operator at it."""

    def __init__(self, managed: ManagedLab) -> None:
        self.managed = managed
        self.console: Peer = managed.console()
        self.box: ManagedBox = managed.box()
        self.hand = OperatorHand.of_lab(managed.folder)
        self.challenge: str = self.console.wait_for("state").json["challenge"]
        self.reported = self.console.wait_for("reported").json

    def send(self, name: str, payload: bytes, **how: Any) -> None:
        how = {"response_topic": f"{ROOT}/reply/test", "correlation": b"n1"} | how
        self.console.say(f"{ROOT}/cmd/{name}", payload, **how)

    def order(self, name: str, **arguments: Any) -> None:
        self.send(name, self.hand.command(name, self.challenge, arguments=arguments))

    def answer(self, count: int = 1) -> dict[str, Any]:
        reply = self.console.wait_for("reply/test", count)
        check(reply.payload, "SignedByDevice")
        check(reply.json["signed"], "Acknowledgement")
        assert reply.properties.CorrelationData == b"n1"
        return open_acknowledgement(reply.payload, self.reported["certificate"].encode())

    def audit_paths(self) -> list[Path]:
        return audit_files(self.managed.folder / "sender.manage")

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for path in self.audit_paths() for line in path.read_bytes().splitlines()]

    def wait_audit(self, words: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [record for record in self.audit() if words in record["detail"].get("reason", "")]

        wait_until(found, f"{words!r} in the audit log: {self.audit()}")
        return found()[-1]


@pytest.fixture
def desk(managed: ManagedLab) -> Desk:
    return Desk(managed)


def test_what_a_device_reports_of_itself(desk: Desk) -> None:
    check(desk.console.wait_for("reported").payload, "Reported")
    assert "status" in desk.reported["commands"]
    assert desk.reported["operators"][0]["key_id"] == desk.hand.key_id
    assert desk.reported["settings"]["encoder.bitrate_bps"] == 6_000_000


def test_status_is_done_acknowledged_and_noted(desk: Desk) -> None:
    desk.order("status")
    answer = desk.answer()
    assert (answer["outcome"], answer["command"], answer["device"]) == ("done", "status", DEVICE)
    assert answer["result"]["picture"]["state"] == "HELD"
    records = desk.audit()
    assert [record["detail"]["outcome"] for record in records] == ["begun", "done"]
    assert records[0]["detail"]["operator"] == "operator of the lab"
    assert answer["audit"]["n"] == 2


@pytest.mark.parametrize(
    ("name", "arguments", "call"),
    [
        ("identify", {"seconds": 5}, ("identify", 5)),
        ("restart", {"what": "video"}, ("restart_worker", "video")),
        ("restart", {"what": "daemon"}, ("restart_program",)),
        ("source", {"input": 2}, ("switch_source", 2)),
    ],
)
def test_commands_do_what_they_say(desk: Desk, name: str, arguments: dict[str, Any], call: tuple[Any, ...]) -> None:
    desk.order(name, **arguments)
    assert desk.answer()["outcome"] == "done"
    assert desk.box.box.calls == [call]


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("identify", {"seconds": 10_000}, "a whole number from 1 to 120"),
        ("identify", {"seconds": True}, "a whole number"),
        ("identify", {"loudly": 1}, "no such argument"),
        ("restart", {"what": "network"}, "the name of a worker"),
        ("logs", {"what": "/etc/passwd"}, "'events' or 'audit'"),
        ("set", {"identity.key": "x"}, "cannot be set from afar"),
        ("set", {"encoder.bitrate_bps": 5}, "encoder.bitrate_bps"),
        ("set", {"link.peer": "nowhere"}, "not an address"),
        ("reboot", {}, "nothing on this box reboots it"),
    ],
)
def test_what_cannot_be_done_says_why(desk: Desk, name: str, arguments: dict[str, Any], reason: str) -> None:
    desk.order(name, **arguments)
    answer = desk.answer(2 if name == "set" else 1)
    assert answer["outcome"] == "failed"
    assert reason in answer["reason"]
    assert desk.box.box.calls == []


def test_logs_are_events_or_the_audit_and_bounded(desk: Desk) -> None:
    for n in range(300):
        desk.box.note_event(f"event {n}", "x" * 400)
    desk.console.wait_for("event/", 300)
    desk.order("logs", lines=100)
    lines = desk.answer()["result"]["lines"]
    assert "event 299" in lines[-1]
    assert sum(map(len, lines)) <= 20_000
    desk.order("logs", what="audit", lines=2)
    assert [json.loads(line)["what"] for line in desk.answer(2)["result"]["lines"]] == ["command", "command"]


def test_a_self_test_is_accepted_then_done(desk: Desk) -> None:
    desk.order("selftest")
    assert desk.answer()["outcome"] == "accepted"
    assert desk.answer(2)["result"]["line"] == "READY"


def test_attacks_by_who_holds_the_broker_do_nothing(desk: Desk) -> None:
    """All through the wire, as a broker's administrator could send them; the gate's own test has them one by one."""
    stranger, old = OperatorHand(), datetime.now(UTC) - timedelta(hours=2)
    good = desk.hand.command("identify", desk.challenge)
    body = json.dumps(desk.hand.body("restart", desk.challenge, arguments={"what": "daemon"}))
    flipped = good.replace(b"identify", b"identifx")
    attacks = {
        "is not listed": stranger.sign(body),
        "it expired at": desk.hand.command("restart", desk.challenge, old),
        "it is for receiver": desk.hand.command("restart", desk.challenge, device="receiver.lab.cathlink"),
        "is not that of this session": desk.hand.command("restart", "A" * 22),
        "signature is not good": flipped,
        "0 signatures": json.dumps({"signed": body, "signatures": []}).encode(),
        "not a Signed message": body.encode(),
        "longer than 32768": good + b" " * (32_900 - len(good)),
        "and came on cmd/restart": desk.hand.command("status", desk.challenge),
    }
    for reason, payload in attacks.items():
        desk.send("restart", payload)
        assert desk.wait_audit(reason)["detail"]["outcome"] == "refused"
    desk.send("restart", desk.hand.command("restart", desk.challenge), retain=True)
    desk.wait_audit("it was retained")
    elsewhere = "v1/lab/receiver.lab.cathlink/state"
    desk.send("restart", desk.hand.command("restart", desk.challenge), response_topic=elsewhere)
    desk.wait_audit("no response topic")
    desk.send("identify", good)
    desk.wait_audit("")
    desk.send("identify", good)
    desk.wait_audit("nonce was used before")
    assert desk.box.box.calls == [("identify", 10)]
    assert verify(desk.audit_paths(), None).n == len(desk.audit())


def test_nothing_disruptive_is_done_in_a_case(desk: Desk) -> None:
    desk.box.box.state = PictureState.LIVE
    wait_until(lambda: desk.box.management.snapshot()["case"], "the case to be noticed")
    desk.order("restart", what="video")
    assert "a case is under way" in desk.answer()["reason"]
    desk.order("identify")
    assert desk.answer(2)["outcome"] == "done"
    assert desk.box.box.calls == [("identify", 10)]


def test_settings_are_kept_when_the_box_is_well_with_them(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.manage.settings.SETTLED_NS", 0)
    desk.order("set", **{"encoder.bitrate_bps": 4_000_000})
    assert [desk.answer(n)["outcome"] for n in (1, 2)] == ["accepted", "done"]
    assert desk.box.box.calls == [("use_config", 4_000_000, ["link", "video"])]
    assert desk.console.wait_for("reported", 2).json["settings"]["encoder.bitrate_bps"] == 4_000_000


def test_settings_are_taken_back_when_the_link_does_not_come_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.manage.settings.TRIAL_LIMIT_NS", 500_000_000)
    use_config = desk.box.box.use_config

    def break_link(config: Any, restart: Any) -> None:
        use_config(config, restart)
        desk.box.box.state = PictureState.LINK_STALLED if "192.0.2.1" in config.link.peer else PictureState.HELD

    desk.box.box.use_config = break_link  # type: ignore[method-assign]
    desk.order("set", **{"link.peer": "192.0.2.1:47000"})
    answer = desk.answer(2)
    assert answer["outcome"] == "failed"
    assert "taken back: LINK STALLED" in answer["reason"]
    assert desk.box.box.config.link.peer.startswith("127.0.0.1")


def test_desired_settings_are_applied_once_and_older_ones_never(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.manage.settings.SETTLED_NS", 0)
    desk.console.say(f"{ROOT}/desired", desk.hand.desired(7, {"encoder.bitrate_bps": 3_000_000}), retain=True)
    wait_until(lambda: desk.console.on("reported")[-1].json["settings_revision"] == 7, "revision 7")
    report = desk.console.on("reported")[-1].json
    assert (report["settings"]["encoder.bitrate_bps"], report["settings_problem"]) == (3_000_000, "")
    desk.console.say(f"{ROOT}/desired", desk.hand.desired(6, {"encoder.bitrate_bps": 9_000_000}))
    desk.wait_audit("is older than 7")
    desk.console.say(f"{ROOT}/desired", OperatorHand().desired(8, {"encoder.bitrate_bps": 9_000_000}))
    desk.wait_audit("is not listed")
    desk.console.say(f"{ROOT}/desired", desk.hand.desired(8, {"capture.layout": "none"}))
    wait_until(lambda: "cannot be set" in desk.console.on("reported")[-1].json["settings_problem"], "the problem")
    assert desk.box.box.calls == [("use_config", 3_000_000, ["link", "video"])]


def test_desired_settings_wait_for_the_end_of_a_case(desk: Desk) -> None:
    desk.box.box.state = PictureState.LIVE
    wait_until(lambda: desk.box.management.snapshot()["case"], "the case to be noticed")
    desk.console.say(f"{ROOT}/desired", desk.hand.desired(1, {"encoder.bitrate_bps": 3_000_000}))
    wait_until(lambda: desk.console.on("reported")[-1].json["settings_problem"].startswith("waits for"), "it to wait")
    assert desk.box.box.calls == []


def test_a_wrong_operators_file_is_one_line(managed: ManagedLab, tmp_path: Path) -> None:
    from daemon.errors import ManageError
    from daemon.manage.operators import load_operators

    path = tmp_path / "broken.toml"
    hand = OperatorHand()
    for text, words in {
        "[[operator": "broken.toml",
        hand.entry() + hand.entry(): "twice",
        hand.entry().replace("administrator", "king"): "king",
        '[[operator]]\nname = "x"\nrole = "engineer"\nkey = "AAAA"\n': "not an Ed25519 public key",
    }.items():
        path.write_text(text)
        with pytest.raises(ManageError, match=words):
            load_operators(path)
    assert load_operators(tmp_path / "none.toml") == {}
