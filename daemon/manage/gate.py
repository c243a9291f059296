"""The gate that every command passes, or does not. Pure: no broker, no clock, nothing is executed here.

In this order: size and form, signature, device, name, role, challenge, our clock, expiry, nonce, case. A refusal tells
the first reason. Only a command whose signature is good gets an answer; whoever else knocks is only noted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from daemon.errors import ManageError
from daemon.manage.now import Now, read_utc
from daemon.manage.operators import Operator, Operators, signer_of
from daemon.manage.schema import ClockState, Command, Desired, MessageError, Role, Signed, decode

LONGEST_LIFE = timedelta(minutes=10)
CLOCK_ALLOWANCE = timedelta(minutes=2)
NONCES_LIMIT = 4_096


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may give a command. `disruptive`: not during a case."""

    role: Role
    disruptive: bool = False


@dataclass(frozen=True, slots=True)
class Knock:
    """A message on `cmd/{name}` as it came; nothing of it is to be believed."""

    name: str
    payload: bytes
    is_retained: bool
    may_answer: bool


@dataclass(frozen=True, slots=True)
class Admitted:
    command: Command
    operator: Operator


@dataclass(frozen=True, slots=True)
class Refused:
    """`command` and `operator` are there only when the signature was good."""

    reason: str
    command: Command | None = None
    operator: Operator | None = None


class CommandGate:
    """One for each session: a new challenge, and no nonce seen yet."""

    def __init__(self, device: str, operators: Operators, rules: Mapping[str, Rule], challenge: str) -> None:
        self._device = device
        self._operators = operators
        self._rules = rules
        self._challenge = challenge
        self._nonces: set[str] = set()

    def judge(self, knock: Knock, now: Now, *, in_case: bool) -> Admitted | Refused:
        try:
            signed = decode(knock.payload, Signed)
            operator = signer_of(signed, self._operators)
            command = decode(signed.signed, Command)
        except (MessageError, ManageError) as error:
            return Refused(str(error))
        reason = self._objection(knock, command, operator, now, in_case=in_case)
        if reason:
            return Refused(reason, command, operator)
        self._nonces.add(command.nonce)
        return Admitted(command, operator)

    def _objection(self, knock: Knock, command: Command, operator: Operator, now: Now, *, in_case: bool) -> str:
        rule = self._rules.get(command.command)
        if knock.is_retained:
            return "it was retained by the broker: a command is for now, or not at all"
        if not knock.may_answer:
            return "it names no response topic below this device's reply/"
        if command.device != self._device:
            return f"it is for {command.device}"
        if command.command != knock.name:
            return f"it is for cmd/{command.command} and came on cmd/{knock.name}"
        if rule is None:
            return "this device does not know it"
        if command.role is not operator.role:
            return f"the key's role is {operator.role}, not {command.role}"
        if not operator.role.covers(rule.role):
            return f"it needs the role {rule.role}"
        if command.challenge != self._challenge:
            return "its challenge is not that of this session"
        if reason := time_objection(command, now):
            return reason
        if command.nonce in self._nonces:
            return "its nonce was used before"
        if len(self._nonces) >= NONCES_LIMIT:
            return "too many commands in one session"
        if rule.disruptive and in_case:
            return "a case is under way"
        return ""


def time_objection(signed: Command | Desired, now: Now, longest_life: timedelta | None = LONGEST_LIFE) -> str:
    """Why it is not valid now; empty when it is. An unset clock knows nothing of validity."""
    if now.clock_state is ClockState.UNSET:
        return f"this device's clock is not set, it says {now.utc_text}"
    try:
        issued, expires = read_utc(signed.issued), read_utc(signed.expires)
    except ValueError:
        return "its times cannot be read"
    if expires <= now.utc:
        return f"it expired at {signed.expires}, this device's clock says {now.utc_text}"
    if issued > now.utc + CLOCK_ALLOWANCE:
        return f"it was issued at {signed.issued}, this device's clock says {now.utc_text}"
    if longest_life is not None and expires - issued > longest_life:
        return "it is valid for more than 10 minutes"
    return ""
