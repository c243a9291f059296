"""Every MQTT message of an appliance, as `docs/asyncapi.yaml` describes it: frozen structs and their codec.

Two kinds. What a device says of itself carries a `Stamp` (who, which boot, which session, when). What is signed travels
as text beside its signatures, so that the bytes that were signed are the bytes that are checked.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from hw.errors import CathlinkError

SCHEMA_VERSION = 1
LONGEST_MESSAGE_BYTES = 32 * 1024
LONGEST_CORRELATION_BYTES = 64
SIGNERS_LIMIT = 4
HEALTH_EXPIRY_S = 15
WILL_DELAY_S = 7

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
Word = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z_-]{0,31}$")]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Token = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{22}$")]  # 128 random bits, base64url without padding
KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
Utc = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Setting = str | int | float | bool


class MessageError(CathlinkError):
    """A message that is none: too long, not JSON, or not as the schema says."""


class ClockState(StrEnum):
    """What the device's wall clock is worth. UNSET: it is before the program was made."""

    SYNCHRONISED = "synchronised"
    UNSYNCHRONISED = "unsynchronised"
    UNKNOWN = "unknown"
    UNSET = "unset"


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """On every message of a device. `seq` counts the messages of a session from 1; a will, made before it, has 0.

    `boot_id` is new at each start of the program, `session` grows with each connection, also over starts; `mono_ns`
    can be compared within a boot only.
    """

    boot_id: Name
    session: Count
    seq: Count
    mono_ns: Count
    utc: Utc
    clock_state: ClockState


class State(Stamp, frozen=True, kw_only=True):
    """Topic `state`, retained: the birth, the farewell, and the will that the broker keeps.

    `challenge` is what commands of this session must quote; none when offline.
    """

    status: Literal["online", "offline"]
    cause: Text
    role: Literal["sender", "receiver"]
    host: Name
    version: Name
    challenge: Token | None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The picture's truth at this end, as `cathlink status` shows it."""

    state: str
    cause: Text
    age_ms: int | None
    latency_ms: int | None
    latency_bound_ms: int | None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a procedure is taken to be under way, and for how long, or how long ago the last one ended."""

    active: bool
    for_s: Count | None


class Health(Stamp, frozen=True, kw_only=True):
    """Topic `health`, every 5 s: figures by name, the unit in the name. A figure that does not apply is left out."""

    uptime_s: Count
    picture: Picture
    case: Case
    call: str | None
    path: dict[str, float]
    video: dict[str, float]
    voice: dict[str, float]
    machine: dict[str, float]
    restarts: dict[str, int]
    spooled: Count
    spool_dropped: Count


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """When something happened, which may be long before it was told."""

    boot_id: Name
    mono_ns: Count
    utc: Utc
    clock_state: ClockState


class Event(Stamp, frozen=True, kw_only=True):
    """Topic `event/KIND`. (`log`, `id`) names an event for good: what comes twice is one event. Ids grow by one."""

    log: Token
    id: Count
    what: Text
    cause: Text
    at: Moment


class OperatorKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key whose commands this device takes."""

    key_id: KeyId
    name: Name
    role: str


class Reported(Stamp, frozen=True, kw_only=True):
    """Topic `reported`, retained: what this device is and has. `certificate` (PEM) checks its acknowledgements."""

    schema: int
    version: Name
    role: Literal["sender", "receiver"]
    peer: Name
    certificate: str
    certificate_expires: Utc
    commands: list[str]
    operators: list[OperatorKey]
    settings: dict[str, Setting]
    settings_revision: Count
    settings_problem: Text


class Role(StrEnum):
    """What an operator's key may do; each may do what those before it may."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"

    def covers(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="command"):
    """The signed text of a message on `cmd/COMMAND`."""

    device: Name
    command: Word
    arguments: dict[str, Setting]
    role: Role
    challenge: Token
    nonce: Token
    issued: Utc
    expires: Utc


class Desired(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="desired"):
    """The signed text of the retained message on `desired`: all settings that differ from the device's own file."""

    device: Name
    revision: Count
    settings: dict[str, Setting]
    role: Role
    issued: Utc
    expires: Utc


class Outcome(StrEnum):
    """ACCEPTED: it takes a while, another acknowledgement follows. REFUSED: nothing was done."""

    ACCEPTED = "accepted"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


class AuditHead(msgspec.Struct, frozen=True, kw_only=True):
    """The last line of the device's audit log when this was said: its number, and its SHA-256 in hex."""

    n: Count
    hash: str


class Acknowledgement(Stamp, frozen=True, kw_only=True, tag_field="type", tag="acknowledgement"):
    """The signed text of a message on `reply/NAME`."""

    device: Name
    command: Word
    nonce: Token
    outcome: Outcome
    reason: Text
    result: dict[str, Any]
    audit: AuditHead


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ed25519 (RFC 8032) over the UTF-8 bytes of `signed`; base64url without padding. `key_id`: see `operators`."""

    key_id: KeyId
    signature: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{86}$")]


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What comes on `cmd/+` and `desired`: a text and who signed it."""

    signed: str
    signatures: Annotated[list[Signature], msgspec.Meta(max_length=SIGNERS_LIMIT)]


class SignedByDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out on `reply/NAME`: ECDSA P-256 with SHA-256 by the device's key, r and s (64 bytes), base64url."""

    signed: str
    signature: str


M = TypeVar("M")
_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """JSON, UTF-8."""
    return _encoder.encode(message)


def decode(payload: bytes | str, kind: type[M]) -> M:
    """Raises MessageError, whatever `payload` is."""
    if len(payload) > LONGEST_MESSAGE_BYTES:
        raise MessageError(f"longer than {LONGEST_MESSAGE_BYTES} bytes")
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:  # ValidationError is a DecodeError
        raise MessageError(f"not a {kind.__name__} message ({error})"[:300]) from error
