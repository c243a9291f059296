"""Operators' keys and what is signed with them; devices' certificates and what they answer. No network, no clock.

An operator signs with Ed25519 (RFC 8032) over exactly the text that is sent; a device answers with ECDSA P-256 by the
key of its certificate. How it goes: docs/mqtt.md.
"""

import base64
import hashlib
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from console.errors import ConsoleError, SignatureError, UsageError
from console.messages import Acknowledgement, Command, Signature, Signed, SignedByDevice, decode

NONCE_BYTES = 16
COMMAND_LIFE = timedelta(minutes=2)
COORDINATE_BYTES = 32


def utc(moment: datetime) -> str:
    """As the schema writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def compose(
    device: str,
    command: str,
    arguments: dict[str, str | int | float | bool],
    *,
    role: str,
    challenge: str,
    now: datetime,
) -> Command:
    """A command that can be signed, with a nonce that was never used."""
    return Command(
        device=device,
        command=command,
        arguments=arguments,
        role=role,
        challenge=challenge,
        nonce=_base64url(secrets.token_bytes(NONCE_BYTES)),
        issued=utc(now),
        expires=utc(now + COMMAND_LIFE),
    )


class OperatorKeyFile:
    """A private key in a file of its own (PKCS 8), which never leaves its operator."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def load(cls, path: Path, password: bytes | None = None) -> "OperatorKeyFile":
        """Raises UsageError."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
        except TypeError as error:  # a password is given to a key that has none, or missing for one that has
            raise UsageError(f"{path}: a password is missing, or not needed") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UsageError(f"{path}: not a key, or the password is wrong") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError(f"{path}: not an Ed25519 key", "make one with 'cathlink-console keys new FILE'")
        return cls(key)

    @classmethod
    def make(cls, path: Path, password: bytes | None = None) -> "OperatorKeyFile":
        """Raises ConsoleError when there is such a file, or it cannot be written."""
        key = Ed25519PrivateKey.generate()
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password)
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text)
        except OSError as error:
            raise ConsoleError(f"{path}: cannot be written ({error.strerror})", "choose another file") from error
        return cls(key)

    @property
    def key_id(self) -> str:
        return hashlib.sha256(self.public).hexdigest()[:16]

    def sign(self, command: Command) -> Signed:
        text = msgspec.json.encode(command)
        signature = Signature(self.key_id, _base64url(self._key.sign(text)))
        return Signed(text.decode(), [signature])

    def operators_line(self, name: str, role: str) -> str:
        """What to add to a device's operators.toml, so that it takes this key's commands."""
        public = base64.b64encode(self.public).decode()
        return f'[[operator]]\nname = "{name}"\nrole = "{role}"\nkey = "{public}"\n'


def joined(messages: list[Signed]) -> Signed:
    """The same text signed by several. Raises SignatureError when they differ."""
    if len({message.signed for message in messages}) != 1:
        raise SignatureError("the signers have signed different texts")
    return Signed(messages[0].signed, [signature for message in messages for signature in message.signatures])


class Devices:
    """Checks what devices say by the authority of their network."""

    def __init__(self, authority_pem: bytes) -> None:
        """Raises UsageError."""
        try:
            self._store = Store(x509.load_pem_x509_certificates(authority_pem))
        except ValueError as error:
            raise UsageError(f"broker.authority: no certificate in it ({error})") from error

    def acknowledgement(self, payload: bytes, device: str, certificate_pem: str, now: datetime) -> Acknowledgement:
        """What `device` has answered. Raises SignatureError when it was not `device`, MessageError when it is none."""
        message = decode(payload, SignedByDevice)
        public = self._public_key(certificate_pem, device, now)
        signature = _from_base64url(message.signature)
        if len(signature) != 2 * COORDINATE_BYTES:
            raise SignatureError("the signature has another length")
        r, s = (int.from_bytes(part) for part in (signature[:COORDINATE_BYTES], signature[COORDINATE_BYTES:]))
        try:
            public.verify(encode_dss_signature(r, s), message.signed.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise SignatureError(f"not signed by {device}") from None
        answer = decode(message.signed, Acknowledgement)
        if answer.device != device:
            raise SignatureError(f"signed by {device} in the name of {answer.device}")
        return answer

    def _public_key(self, pem: str, device: str, now: datetime) -> ec.EllipticCurvePublicKey:
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            verifier = PolicyBuilder().store(self._store).time(now).build_server_verifier(x509.DNSName(device))
            verifier.verify(certificate, [])
        except (ValueError, VerificationError) as error:
            raise SignatureError(f"the certificate of {device} is not the authority's ({error})"[:300]) from error
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise SignatureError(f"the certificate of {device} has another kind of key")
        return key


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise SignatureError("the signature is not base64url") from error
