"""The certificate authority of one hospital network: it is made here, and issues certificates to devices (RFC 5280)."""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hw.errors import CathlinkError
from provisioning.identity import Identity

# A device whose clock is behind must not find a fresh certificate "not yet valid".
CLOCK_ALLOWANCE = timedelta(days=1)
AUTHORITY_VALIDITY = timedelta(days=3650)
DEVICE_VALIDITY = timedelta(days=365)


class ProvisioningError(CathlinkError):
    """Files of an identity that could not be made."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A self-signed ECDSA P-256 authority that signs devices only, never another authority."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str, *, not_before: datetime | None = None, not_after: datetime | None = None) -> Self:
        """A new authority called `name`; valid from now for AUTHORITY_VALIDITY unless said otherwise."""
        private_key = ec.generate_private_key(ec.SECP256R1())
        public_key = private_key.public_key()
        subject = _subject(name)
        certificate = (
            _builder(subject, public_key, not_before, not_after, AUTHORITY_VALIDITY)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(private_key, hashes.SHA256())
        )
        return cls(certificate, private_key)

    def issue(
        self, device_name: str, *, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> Identity:
        """A new key and certificate for `device_name` (a DNS name); valid for DEVICE_VALIDITY unless said otherwise."""
        private_key = ec.generate_private_key(ec.SECP256R1())
        issuer_key_identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _builder(_subject(device_name), private_key.public_key(), not_before, not_after, DEVICE_VALIDITY)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                # The sender is the client of the link and the receiver its server; a device may become either.
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(device_name)]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key_identifier), critical=False
            )
            .sign(self.private_key, hashes.SHA256())
        )
        return Identity(certificate, private_key, (self.certificate,))


def write_identity(identity: Identity, certificate_path: Path, key_path: Path) -> None:
    """Write the certificate (mode 0644) and the key (0600) in PEM form. Raises ProvisioningError."""
    key = identity.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_file(key_path, key, mode=0o600)
    write_file(certificate_path, identity.certificate.public_bytes(Encoding.PEM))


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write or replace `path` in one step: a reader, or a power cut, finds the old or the new content, never a part.

    Raises ProvisioningError.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise ProvisioningError(
            f"{path}: cannot be written ({error.strerror})", "check the directory's owner, permissions and free space"
        ) from error


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    not_before: datetime | None,
    not_after: datetime | None,
    validity: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - CLOCK_ALLOWANCE)
        .not_valid_after(not_after or now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
