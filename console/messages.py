"""What the console reads of the fleet's messages, and what it writes. The schema: docs/asyncapi.yaml.

A reader of its own: a console must understand devices that are older or newer than itself, so it asks only for what it
uses, and passes over what it does not know.
"""

from typing import Any, TypeVar

import msgspec

from console.errors import MessageError

LONGEST_MESSAGE_BYTES = 32 * 1024


class State(msgspec.Struct, frozen=True):
    boot_id: str
    session: int
    seq: int
    utc: str
    status: str
    cause: str
    role: str
    host: str
    version: str
    challenge: str | None = None


class Picture(msgspec.Struct, frozen=True):
    state: str
    cause: str
    age_ms: int | None = None
    latency_ms: int | None = None
    latency_bound_ms: int | None = None


class Case(msgspec.Struct, frozen=True):
    active: bool
    for_s: int | None = None


class Health(msgspec.Struct, frozen=True):
    boot_id: str
    session: int
    seq: int
    utc: str
    clock_state: str
    uptime_s: int
    picture: Picture
    case: Case
    call: str | None
    path: dict[str, float]
    video: dict[str, float]
    voice: dict[str, float]
    machine: dict[str, float]
    restarts: dict[str, int]
    spooled: int
    spool_dropped: int


class Moment(msgspec.Struct, frozen=True):
    utc: str
    clock_state: str


class Event(msgspec.Struct, frozen=True):
    log: str
    id: int
    what: str
    cause: str
    at: Moment


class OperatorKey(msgspec.Struct, frozen=True):
    key_id: str
    name: str
    role: str


class Reported(msgspec.Struct, frozen=True):
    version: str
    role: str
    peer: str
    certificate: str
    certificate_expires: str
    commands: list[str]
    operators: list[OperatorKey]
    settings: dict[str, str | float | bool]
    settings_revision: int
    settings_problem: str


class SignedByDevice(msgspec.Struct, frozen=True):
    signed: str
    signature: str


class Acknowledgement(msgspec.Struct, frozen=True):
    device: str
    command: str
    nonce: str
    outcome: str
    reason: str
    utc: str
    result: dict[str, Any] = {}


class Command(msgspec.Struct, frozen=True, tag_field="type", tag="command"):
    """The text that an operator signs."""

    device: str
    command: str
    arguments: dict[str, str | int | float | bool]
    role: str
    challenge: str
    nonce: str
    issued: str
    expires: str


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key_id: str
    signature: str


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signed: str
    signatures: list[Signature]


M = TypeVar("M")


def decode(payload: bytes | str, kind: type[M]) -> M:
    """Raises MessageError, whatever `payload` is."""
    if len(payload) > LONGEST_MESSAGE_BYTES:
        raise MessageError(f"longer than {LONGEST_MESSAGE_BYTES} bytes")
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MessageError(f"not a {kind.__name__} message ({error})"[:300]) from error
