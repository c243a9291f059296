"""The gate: every attack is refused with its own reason, and nothing but a good command passes. No broker, no clock."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.manage.gate import NONCES_LIMIT, Admitted, CommandGate, Knock, Refused
from daemon.manage.now import Now, utc_text
from daemon.manage.operators import Operator
from daemon.manage.orders import RULES
from daemon.manage.schema import LONGEST_MESSAGE_BYTES, ClockState, Role
from tests.manage.asyncapi import check
from tests.manage.operator import DEVICE, OperatorHand

CHALLENGE, OLD_CHALLENGE = "C" * 22, "O" * 22
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW = Now(1, AT + timedelta(seconds=1), ClockState.SYNCHRONISED)
HAND, ENGINEER, NURSE = OperatorHand(), OperatorHand(role="engineer"), OperatorHand(role="operator")
STRANGER = OperatorHand()


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


def listed(*hands: OperatorHand) -> dict[str, Operator]:
    return {hand.key_id: Operator("x", Role(hand.role), hand.key.public_key(), hand.key_id) for hand in hands}


OPERATORS = listed(HAND, ENGINEER, NURSE)


def new_gate() -> CommandGate:
    return CommandGate(DEVICE, OPERATORS, RULES, CHALLENGE)


def knock(payload: bytes, name: str = "restart", **changes: Any) -> Knock:
    return Knock(**({"name": name, "payload": payload, "is_retained": False, "may_answer": True} | changes))


def verdict(payload: bytes, name: str = "restart", now: Now = NOW, *, in_case: bool = False, **changes: Any) -> Any:
    return new_gate().judge(knock(payload, name, **changes), now, in_case=in_case)


def command(hand: OperatorHand = HAND, name: str = "restart", challenge: str = CHALLENGE, **changes: Any) -> bytes:
    return hand.command(name, challenge, AT, **changes)


@pytest.mark.parametrize("name", RULES)
def test_a_good_command_passes(name: str) -> None:
    payload = command(name=name)
    check(payload, "Signed")
    check(json.loads(payload)["signed"], "Command")
    assert isinstance(verdict(payload, name), Admitted)


def test_a_replayed_command_is_refused() -> None:
    gate, payload = new_gate(), command()
    assert isinstance(gate.judge(knock(payload), NOW, in_case=False), Admitted)
    again = gate.judge(knock(payload), NOW, in_case=False)
    assert again.reason == "its nonce was used before"


def test_a_command_of_an_earlier_session_is_refused() -> None:
    assert verdict(command(challenge=OLD_CHALLENGE)).reason == "its challenge is not that of this session"


REFUSALS = {
    "expired": (command(), {"now": Now(1, AT + timedelta(minutes=2), ClockState.SYNCHRONISED)}, "it expired at"),
    "issued later": (command(), {"now": Now(1, AT - timedelta(minutes=9), ClockState.SYNCHRONISED)}, "it was issued"),
    "valid for ever": (command(expires=utc_text(AT + timedelta(hours=1))), {}, "more than 10 minutes"),
    "no such time": (command(issued="2026-13-45T99:00:00.000Z"), {}, "times cannot be read"),
    "wrong device": (command(device="receiver.lab.cathlink"), {}, "it is for receiver"),
    "wrong topic": (command(name="status"), {}, "it is for cmd/status and came on cmd/restart"),
    "unknown": (command(name="format-disk"), {"name": "format-disk"}, "does not know it"),
    "role too low": (command(NURSE), {}, "it needs the role engineer"),
    "role too high for the key": (command(NURSE, role="administrator"), {}, "the key's role is operator"),
    "stranger's key": (command(STRANGER), {}, "is not listed"),
    "retained": (command(), {"is_retained": True}, "it was retained"),
    "nowhere to answer": (command(), {"may_answer": False}, "no response topic"),
    "in a case": (command(), {"in_case": True}, "a case is under way"),
    "clock at 1970": (command(), {"now": Now(1, datetime(1970, 1, 1, tzinfo=UTC), ClockState.UNSET)}, "is not set"),
    "unsigned": (b'{"signed":"{}","signatures":[]}', {}, "0 signatures"),
    "plain": (json.dumps(HAND.body("restart", CHALLENGE, AT)).encode(), {}, "not a Signed message"),
    "oversize": (command() + b" " * LONGEST_MESSAGE_BYTES, {}, "longer than"),
    "unknown member": (HAND.sign(json.dumps(HAND.body("restart", CHALLENGE, AT) | {"x": 1})), {}, "not a Command"),
    "a desired": (HAND.desired(1, {}), {}, "not a Command"),
}  # fmt: skip


@pytest.mark.parametrize("attack", REFUSALS)
def test_attacks_are_refused_each_with_its_reason(attack: str) -> None:
    payload, circumstances, reason = REFUSALS[attack]
    refused = verdict(payload, **circumstances)
    assert isinstance(refused, Refused)
    assert reason in refused.reason
    is_authentic = attack not in ("stranger's key", "unsigned", "plain", "oversize", "unknown member", "a desired")
    assert (refused.command is not None) == is_authentic


def test_two_signatures_where_one_is_wanted_are_refused() -> None:
    text = json.dumps(HAND.body("restart", CHALLENGE, AT))
    both = json.loads(HAND.sign(text))
    both["signatures"] += json.loads(STRANGER.sign(text))["signatures"]
    assert "2 signatures" in verdict(json.dumps(both).encode()).reason


def test_no_bit_of_a_command_can_be_changed() -> None:
    """Every bit of the signed text and of the signature. Flips that leave the JSON the same bytes do not exist."""
    payload = command()
    outer = json.loads(payload)
    for member in ("signed", "signature"):
        text = outer[member] if member == "signed" else outer["signatures"][0]["signature"]
        for place in range(len(text)):
            for bit in range(7):
                changed = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
                forged = json.loads(payload)
                if member == "signed":
                    forged["signed"] = changed
                else:
                    forged["signatures"][0]["signature"] = changed
                assert isinstance(verdict(json.dumps(forged).encode()), Refused) or _same_bytes(text, changed, member)


def _same_bytes(text: str, changed: str, member: str) -> bool:
    """The last character of 64 bytes in base64 carries four bits that mean nothing."""
    return member == "signature" and text[:-1] == changed[:-1]


def test_what_is_not_disruptive_goes_on_in_a_case() -> None:
    for name, rule in RULES.items():
        assert isinstance(verdict(command(name=name), name, in_case=True), Refused if rule.disruptive else Admitted)


def test_each_command_wants_at_least_its_role() -> None:
    for name, rule in RULES.items():
        for hand in (HAND, ENGINEER, NURSE):
            passes = isinstance(verdict(command(hand, name), name), Admitted)
            assert passes == Role(hand.role).covers(rule.role)


def test_nonces_are_bounded() -> None:
    gate = new_gate()
    gate._nonces = {str(n) for n in range(NONCES_LIMIT)}
    assert gate.judge(knock(command()), NOW, in_case=False).reason == "too many commands in one session"


@pytest.mark.parametrize("kind", ["bytes", "structure", "mutated"])
def test_fuzzed_payloads_crash_nothing_and_pass_nothing(kind: str) -> None:
    """Some 10^5 in all: the cheap kinds by the ten thousand, in one test each."""
    import random

    chance, good = random.Random(kind), command()
    gate = new_gate()
    words = ["signed", "signatures", "key_id", "signature", "{}", "[]", "null", "0", '"', ":", ",", "\\u0000", "1e999"]
    for _ in range(34_000):
        if kind == "bytes":
            payload = chance.randbytes(chance.randrange(64))
        elif kind == "structure":
            payload = "".join(chance.choice(["{", "}", "[", "]", '"', *words]) for _ in range(12)).encode()
        else:
            changed = bytearray(good)
            for _ in range(chance.randrange(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            payload = bytes(changed)
        judged = gate.judge(knock(payload), NOW, in_case=False)
        assert isinstance(judged, Refused) or payload == good or _differs_only_in_padding(payload, good)


def _differs_only_in_padding(payload: bytes, good: bytes) -> bool:
    return json.loads(payload)["signed"] == json.loads(good)["signed"]


@settings(max_examples=50)
@given(st.recursive(LEAVES, lambda x: st.lists(x) | st.dictionaries(st.text(max_size=8), x), max_leaves=8))
def test_any_json_that_an_operator_signs_is_judged_not_raised(value: object) -> None:
    assert isinstance(verdict(HAND.sign(json.dumps(value))), Refused)
