"""The structs and the AsyncAPI document say the same."""

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.manage import schema
from daemon.manage.schema import MessageError, decode, encode
from daemon.manage.topics import Topics
from tests.manage.asyncapi import check, document

TOKEN = "A" * 22
UTC = "2026-11-24T16:00:00.000Z"
STAMP: dict[str, Any] = {
    "boot_id": "b", "session": 3, "seq": 1, "mono_ns": 5, "utc": UTC, "clock_state": schema.ClockState.SYNCHRONISED
}  # fmt: skip
MOMENT = schema.Moment(boot_id="b", mono_ns=5, utc=UTC, clock_state=schema.ClockState.UNKNOWN)

EXAMPLES: dict[str, msgspec.Struct] = {
    "State": schema.State(
        **STAMP, status="online", cause="", role="sender", host="box", version="0.1.0", challenge=TOKEN
    ),
    "Health": schema.Health(
        **STAMP,
        uptime_s=7,
        picture=schema.Picture(state="LIVE", cause="", age_ms=12, latency_ms=None, latency_bound_ms=None),
        case=schema.Case(active=True, for_s=3),
        call=None,
        path={"rtt_ms": 20.5},
        video={},
        voice={},
        machine={"disk_free_percent": 80},
        restarts={"link": 0},
        spooled=0,
        spool_dropped=0,
    ),
    "Event": schema.Event(**STAMP, log=TOKEN, id=1, what="picture is LIVE", cause="", at=MOMENT),
    "Reported": schema.Reported(
        **STAMP,
        schema=1,
        version="0.1.0",
        role="receiver",
        peer="sender.lab.cathlink",
        certificate="-----BEGIN CERTIFICATE-----",
        certificate_expires=UTC,
        commands=["status"],
        operators=[schema.OperatorKey(key_id="0" * 16, name="engineer on call", role="engineer")],
        settings={"encoder.bitrate_bps": 6_000_000, "encoder.lossless": False},
        settings_revision=0,
        settings_problem="",
    ),
    "Command": schema.Command(
        device="d", command="identify", arguments={"seconds": 5}, role=schema.Role.OPERATOR,
        challenge=TOKEN, nonce=TOKEN, issued=UTC, expires=UTC,
    ),
    "Desired": schema.Desired(
        device="d", revision=4, settings={"encoder.preset": "superfast"}, role=schema.Role.ENGINEER,
        issued=UTC, expires=UTC,
    ),
    "Acknowledgement": schema.Acknowledgement(
        **STAMP, device="d", command="status", nonce=TOKEN, outcome=schema.Outcome.DONE, reason="",
        result={"picture": {"state": "LIVE"}}, audit=schema.AuditHead(n=3, hash="0" * 64),
    ),
    "Signed": schema.Signed(
        signed="{}", signatures=[schema.Signature(key_id="0" * 16, signature="A" * 86)]
    ),
    "SignedByDevice": schema.SignedByDevice(signed="{}", signature="A" * 86),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_message_is_as_the_document_says_and_comes_back_equal(name: str) -> None:
    payload = encode(EXAMPLES[name])
    check(payload, name)
    assert decode(payload, type(EXAMPLES[name])) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_document_lists_every_member(name: str) -> None:
    described = document()["components"]["schemas"][name]
    members = set(json.loads(encode(EXAMPLES[name])))
    assert set(described["properties"]) == set(described["required"]) == members


@pytest.mark.parametrize("name", ["Command", "Desired", "Signed"])
def test_what_is_signed_takes_no_unknown_member(name: str) -> None:
    payload = json.loads(encode(EXAMPLES[name])) | {"more": 1}
    with pytest.raises(jsonschema.ValidationError):
        check(json.dumps(payload), name)
    with pytest.raises(MessageError):
        decode(json.dumps(payload), type(EXAMPLES[name]))


@pytest.mark.parametrize("name", ["State", "Event", "Acknowledgement"])
def test_a_reader_passes_over_members_of_later_versions(name: str) -> None:
    payload = json.loads(encode(EXAMPLES[name])) | {"more": 1}
    assert decode(json.dumps(payload), type(EXAMPLES[name])) == EXAMPLES[name]


def test_enumerations_are_those_of_the_document() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["ClockState"]["enum"] == list(schema.ClockState)
    assert schemas["CommandRole"]["enum"] == list(schema.Role)
    assert schemas["Acknowledgement"]["properties"]["outcome"]["enum"] == list(schema.Outcome)


def test_topics_are_those_of_the_document() -> None:
    topics = Topics("lyon", "sender.lab.cathlink")
    ours = {
        "state": topics.state,
        "health": topics.health,
        "event": topics.event("{kind}"),
        "reported": topics.reported,
        "desired": topics.desired,
        "command": topics.commands.replace("+", "{command}"),
    }
    for name, topic in ours.items():
        address = document()["channels"][name]["address"]
        assert address.replace("{site}", "lyon").replace("{device}", "sender.lab.cathlink") == topic


def test_a_device_knows_its_own_topics_and_no_other() -> None:
    topics = Topics("lyon", "a")
    assert topics.command_of("v1/lyon/a/cmd/status") == "status"
    assert topics.is_reply("v1/lyon/a/reply/console-1")
    for other in ("v1/lyon/b/cmd/status", "v1/lyon/a/cmd/status/x", "v1/lyon/a/state"):
        assert topics.command_of(other) is None
    for other in ("v1/lyon/b/reply/x", "v1/lyon/a/reply/", "v1/lyon/a/reply/x/y", "v1/lyon/a/reply/#", "$SYS/x", ""):
        assert not topics.is_reply(other)


@given(st.one_of(st.binary(max_size=400), st.text(max_size=200)))
def test_garbage_is_a_message_error(payload: bytes | str) -> None:
    for kind in (schema.State, schema.Signed, schema.Command, schema.Desired):
        with pytest.raises(MessageError):
            decode(payload, kind)


def test_too_long_or_too_deep_is_a_message_error() -> None:
    for payload in (b" " * (schema.LONGEST_MESSAGE_BYTES + 1), b"[" * 30_000, b'{"signed":"\\ud800","signatures":[]}'):
        with pytest.raises(MessageError):
            decode(payload, schema.Signed)


def test_a_role_covers_those_before_it() -> None:
    assert schema.Role.ADMINISTRATOR.covers(schema.Role.OPERATOR)
    assert schema.Role.ENGINEER.covers(schema.Role.ENGINEER)
    assert not schema.Role.OPERATOR.covers(schema.Role.ENGINEER)
