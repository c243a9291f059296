"""An operator's side of the signature, written from docs/mqtt.md alone."""

import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

DEVICE = "sender.lab.cathlink"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


class OperatorHand:
    """Signs. `role` is what its commands claim."""

    def __init__(self, key: ed25519.Ed25519PrivateKey | None = None, role: str = "administrator") -> None:
        self.key = key or ed25519.Ed25519PrivateKey.generate()
        self.role = role

    @classmethod
    def of_lab(cls, folder: Path) -> "OperatorHand":
        key = load_pem_private_key((folder / "operator.key").read_bytes(), None)
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        return cls(key)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return hashlib.sha256(self.public).hexdigest()[:16]

    def entry(self, name: str = "somebody") -> str:
        key = base64.b64encode(self.public).decode()
        return f'[[operator]]\nname = "{name}"\nrole = "{self.role}"\nkey = "{key}"\n'

    def sign(self, text: str) -> bytes:
        signature = {"key_id": self.key_id, "signature": base64url(self.key.sign(text.encode()))}
        return json.dumps({"signed": text, "signatures": [signature]}).encode()

    def command(self, name: str, challenge: str, at: datetime | None = None, **changes: Any) -> bytes:
        return self.sign(json.dumps(self.body(name, challenge, at, **changes)))

    def body(self, name: str, challenge: str, at: datetime | None = None, **changes: Any) -> dict[str, Any]:
        at = at or datetime.now(UTC)
        return {
            "type": "command",
            "device": DEVICE,
            "command": name,
            "arguments": {},
            "role": self.role,
            "challenge": challenge,
            "nonce": base64url(secrets.token_bytes(16)),
            "issued": utc(at),
            "expires": utc(at + timedelta(minutes=1)),
        } | changes

    def desired(self, revision: int, settings: dict[str, Any], **changes: Any) -> bytes:
        at = datetime.now(UTC)
        body = {
            "type": "desired",
            "device": DEVICE,
            "revision": revision,
            "settings": settings,
            "role": self.role,
            "issued": utc(at),
            "expires": utc(at + timedelta(days=30)),
        }
        return self.sign(json.dumps(body | changes))


def open_acknowledgement(payload: bytes, certificate_pem: bytes) -> dict[str, Any]:
    """What the device says. Raises InvalidSignature when it is not the device that says it."""
    outer = json.loads(payload)
    raw = base64.urlsafe_b64decode(outer["signature"] + "==")
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, outer["signed"].encode(), ec.ECDSA(hashes.SHA256()))
    opened: dict[str, Any] = json.loads(outer["signed"])
    return opened
