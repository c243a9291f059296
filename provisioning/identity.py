"""The identity of one appliance: its certificate, its private key, and the authority that its peers must be signed by.

An authority is that of one hospital network. A device's name is the DNS name in its certificate
(subjectAltName, RFC 5280 section 4.2.1.6), for example `sender.lab.cathlink`.
"""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hw.errors import USAGE_EXIT_CODE, CathlinkError


class IdentityError(CathlinkError):
    """An identity that cannot be used. Names the file, what is wrong with it, and the remedy."""

    exit_code = USAGE_EXIT_CODE


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate (ECDSA P-256), its key, and the certificates of the authority (at least one)."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey
    authorities: tuple[x509.Certificate, ...]

    @property
    def name(self) -> str:
        """The device's name: the first DNS name of its certificate."""
        return dns_names(self.certificate)[0]

    @classmethod
    def load(cls, certificate_path: Path, key_path: Path, authority_path: Path) -> Self:
        """Read three PEM files and check that they belong together and are valid now.

        Raises IdentityError: missing, unreadable, not PEM, key open to others, key of another certificate,
        expired, not yet valid, without a name, not signed by the authority.
        """
        authorities = _load_authorities(authority_path)
        certificate = _load_certificates(certificate_path)[0]
        private_key = _load_private_key(key_path)
        if private_key.public_key() != certificate.public_key():
            raise IdentityError(
                f"{key_path}: this key does not belong to {certificate_path}",
                "give the key that was issued with this certificate",
            )
        if not dns_names(certificate):
            raise IdentityError(f"{certificate_path}: the certificate carries no DNS name", "have a new one issued")
        if not any(_is_issued_by(certificate, authority) for authority in authorities):
            raise IdentityError(
                f"{certificate_path}: not signed by the authority in {authority_path}",
                "give the authority of the network that this device belongs to",
            )
        _check_validity(certificate, certificate_path)
        return cls(certificate, private_key, authorities)


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of a certificate, in its order; empty when it has none or they cannot be read."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def _read(path: Path, *, is_secret: bool = False) -> bytes:
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if is_secret and mode & 0o077:
                raise IdentityError(f"{path}: other users may read this key (mode {mode:04o})", f"chmod 600 {path}")
            return file.read()
    except FileNotFoundError:
        raise IdentityError(
            f"{path}: no such file", "correct the path, or make a lab with 'cathlink-provision lab DIR'"
        ) from None
    except OSError as error:
        raise IdentityError(f"{path}: cannot be read ({error.strerror})", "check its owner and permissions") from error


def _load_certificates(path: Path) -> list[x509.Certificate]:
    """At least one certificate."""
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise IdentityError(
            f"{path}: not a certificate in PEM form", "give a file with BEGIN CERTIFICATE in it"
        ) from error


def _load_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(_read(path, is_secret=True), password=None)
    except TypeError as error:
        raise IdentityError(f"{path}: the key is protected by a password", "store it without one, mode 0600") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise IdentityError(
            f"{path}: not a private key in PEM form", "give a file with BEGIN PRIVATE KEY in it"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IdentityError(f"{path}: not an ECDSA P-256 key", "have a new key and certificate issued")
    return key


def _load_authorities(path: Path) -> tuple[x509.Certificate, ...]:
    authorities = tuple(_load_certificates(path))
    for authority in authorities:
        if not _may_issue(authority):
            raise IdentityError(
                f"{path}: not the certificate of an authority", "give the authority's file, not a device's"
            )
        _check_validity(authority, path)
    return authorities


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):  # ValueError: the names do not chain
        return False
    return True


def _check_validity(certificate: x509.Certificate, path: Path) -> None:
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        raise IdentityError(f"{path}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}", "have a new one issued")
    if now < certificate.not_valid_before_utc:
        raise IdentityError(
            f"{path}: not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            f"check this machine's clock, which says {now:%Y-%m-%d %H:%M} UTC",
        )
