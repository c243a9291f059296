"""Whose commands this device takes: `operators.toml`, which comes with its identity and never over the network.

```toml
[[operator]]
name = "engineer on call"
role = "engineer"                # operator, engineer or administrator
key = "<base64 of the 32 bytes of an Ed25519 public key>"
```
"""

import base64
import binascii
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from daemon.errors import ManageError
from daemon.manage.schema import Name, OperatorKey, Role, Signed

OPERATORS_LIMIT = 200


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    role: Role
    key: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: list[_Entry] = []


@dataclass(frozen=True, slots=True)
class Operator:
    name: str
    role: Role
    key: Ed25519PublicKey
    key_id: str

    @property
    def listed(self) -> OperatorKey:
        return OperatorKey(key_id=self.key_id, name=self.name, role=self.role)


Operators = dict[str, Operator]


def key_id_of(raw_public_key: bytes) -> str:
    """The first 8 bytes, in hex, of the SHA-256 of the 32 raw bytes."""
    return hashlib.sha256(raw_public_key).hexdigest()[:16]


def load_operators(path: Path) -> Operators:
    """By key id. No file: nobody's. Raises ManageError that names the file and the entry."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = msgspec.convert(table, _File).operator
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ManageError(f"{path}: {error}", "correct it, or put the file of the identity back") from error
    if len(entries) > OPERATORS_LIMIT:
        raise ManageError(f"{path}: more than {OPERATORS_LIMIT} operators", "remove those that have left")
    operators = {}
    for entry in entries:
        operator = _operator(entry, path)
        if operator.key_id in operators:
            raise ManageError(f"{path}: {entry.name!r}: key: it stands there twice", "remove one")
        operators[operator.key_id] = operator
    return operators


def _operator(entry: _Entry, path: Path) -> Operator:
    try:
        raw = base64.b64decode(entry.key, validate=True)
        return Operator(entry.name, entry.role, Ed25519PublicKey.from_public_bytes(raw), key_id_of(raw))
    except (binascii.Error, ValueError) as error:
        raise ManageError(
            f"{path}: {entry.name!r}: key: not an Ed25519 public key", "give the base64 of its 32 bytes"
        ) from error


def signer_of(signed: Signed, operators: Operators) -> Operator:
    """Who signed it. Raises ManageError unless there is exactly one signature, it is good, and its key is listed."""
    if len(signed.signatures) != 1:
        raise ManageError(f"{len(signed.signatures)} signatures where one is wanted")
    signature = signed.signatures[0]
    operator = operators.get(signature.key_id)
    if operator is None:
        raise ManageError(f"key {signature.key_id} is not listed")
    try:
        operator.key.verify(from_base64url(signature.signature), signed.signed.encode())
    except (InvalidSignature, ValueError) as error:
        raise ManageError(f"the signature is not good for key {signature.key_id}") from error
    return operator


def from_base64url(text: str) -> bytes:
    """Without padding. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
