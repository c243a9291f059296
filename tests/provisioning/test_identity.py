"""Every way in which an identity can be wrong is one line that names the file and the remedy."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from provisioning.authority import Authority, write_file, write_identity
from provisioning.identity import Identity, IdentityError, dns_names

NAME = "sender.test.cathlink"
PAST = datetime(2024, 3, 1, tzinfo=UTC)
FUTURE = datetime(2090, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AUTHORITY = Authority.make("authority of the tests")


class Files:
    """The three files of an identity, good until a test spoils one."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "device.crt"
        self.key = directory / "device.key"
        self.authority = directory / "authority.crt"
        self.write(AUTHORITY.issue(NAME))

    def write(self, identity: Identity) -> None:
        write_identity(identity, self.certificate, self.key)
        self.write_authorities(*identity.authorities)

    def write_authorities(self, *authorities: x509.Certificate) -> None:
        write_file(self.authority, b"".join(one.public_bytes(Encoding.PEM) for one in authorities))

    def load(self) -> Identity:
        return Identity.load(self.certificate, self.key, self.authority)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, secret: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)


def test_a_good_identity_is_loaded_with_its_name(files):
    identity = files.load()
    assert identity.name == NAME
    assert identity.private_key.public_key() == identity.certificate.public_key()
    assert identity.authorities == (AUTHORITY.certificate,)
    with pytest.raises(AttributeError):
        identity.certificate = None


def test_any_of_several_authorities_will_do(files):
    """As while one authority follows another."""
    next_authority = Authority.make("next authority")
    files.write_authorities(next_authority.certificate, AUTHORITY.certificate)
    assert len(files.load().authorities) == 2


def set_key_mode(mode: int) -> Callable[[Files], None]:
    return lambda files: files.key.chmod(mode)


def write_without_name(files: Files) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(AUTHORITY.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(PAST)
        .not_valid_after(FUTURE)
        .sign(AUTHORITY.private_key, hashes.SHA256())
    )
    files.write(Identity(certificate, key, (AUTHORITY.certificate,)))


SPOILT: dict[str, tuple[Callable[[Files], object], str, str, str]] = {
    "no certificate": (lambda files: files.certificate.unlink(), "device.crt", "no such file", "correct the path"),
    "no key": (lambda files: files.key.unlink(), "device.key", "no such file", "correct the path"),
    "no authority": (lambda files: files.authority.unlink(), "authority.crt", "no such file", "correct the path"),
    "a directory": (
        lambda files: (files.certificate.unlink(), files.certificate.mkdir()),
        "device.crt",
        "cannot be read (Is a directory)",
        "check its owner and permissions",
    ),
    "key open to the group": (
        set_key_mode(0o640),
        "device.key",
        "other users may read this key (mode 0640)",
        "chmod 600",
    ),
    "key open to all": (set_key_mode(0o604), "device.key", "other users may read this key (mode 0604)", "chmod 600"),
    "certificate is not PEM": (
        lambda files: files.certificate.write_bytes(b"\x30\x82"),
        "device.crt",
        "not a certificate in PEM form",
        "BEGIN CERTIFICATE",
    ),
    "certificate is damaged": (
        lambda files: files.certificate.write_bytes(files.certificate.read_bytes().replace(b"MII", b"MIJ")),
        "device.crt",
        "not a certificate in PEM form",
        "BEGIN CERTIFICATE",
    ),
    "authority is empty": (
        lambda files: files.authority.write_bytes(b""),
        "authority.crt",
        "not a certificate in PEM form",
        "BEGIN CERTIFICATE",
    ),
    "key is not PEM": (
        lambda files: files.key.write_bytes(b"secret"),
        "device.key",
        "not a private key in PEM form",
        "BEGIN PRIVATE KEY",
    ),
    "key has a password": (
        lambda files: files.key.write_bytes(
            key_pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"word"))
        ),
        "device.key",
        "protected by a password",
        "store it without one",
    ),
    "key of another kind": (
        lambda files: files.key.write_bytes(key_pem(ed25519.Ed25519PrivateKey.generate(), NoEncryption())),
        "device.key",
        "not an ECDSA P-256 key",
        "have a new key",
    ),
    "key of another curve": (
        lambda files: files.key.write_bytes(key_pem(ec.generate_private_key(ec.SECP384R1()), NoEncryption())),
        "device.key",
        "not an ECDSA P-256 key",
        "have a new key",
    ),
    "key of another certificate": (
        lambda files: files.key.write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1()), NoEncryption())),
        "device.key",
        "does not belong to",
        "give the key that was issued",
    ),
    "no name": (write_without_name, "device.crt", "carries no DNS name", "have a new one issued"),
    "expired": (
        lambda files: files.write(AUTHORITY.issue(NAME, not_before=PAST, not_after=PAST + DAY)),
        "device.crt",
        "expired on 2024-03-02",
        "have a new one issued",
    ),
    "not yet valid": (
        lambda files: files.write(AUTHORITY.issue(NAME, not_before=FUTURE, not_after=FUTURE + DAY)),
        "device.crt",
        "not valid before 2090-03-01",
        "check this machine's clock",
    ),
    "another authority of the same name": (
        lambda files: files.write_authorities(Authority.make("authority of the tests").certificate),
        "device.crt",
        "not signed by the authority",
        "give the authority of the network",
    ),
    "authority of another name": (
        lambda files: files.write_authorities(Authority.make("another").certificate),
        "device.crt",
        "not signed by the authority",
        "give the authority of the network",
    ),
    "a device as authority": (
        lambda files: files.write_authorities(AUTHORITY.issue(NAME).certificate),
        "authority.crt",
        "not the certificate of an authority",
        "give the authority's file",
    ),
    "expired authority": (
        lambda files: files.write(Authority.make("old", not_before=PAST, not_after=PAST + DAY).issue(NAME)),
        "authority.crt",
        "expired on 2024-03-02",
        "have a new one issued",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_identity_is_one_line_with_file_problem_and_remedy(files, case):
    spoil, file_name, problem, remedy = SPOILT[case]
    spoil(files)
    with pytest.raises(IdentityError) as caught:
        files.load()
    line = str(caught.value)
    assert line.startswith(str(files.certificate.parent / file_name) + ": ")
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert "\n" not in line
    assert caught.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_another_user_is_named(files):
    files.certificate.chmod(0)
    with pytest.raises(IdentityError, match=r"cannot be read \(Permission denied\)"):
        files.load()


def test_names_are_those_of_the_extension_in_its_order():
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(AUTHORITY.certificate.subject)
        .public_key(AUTHORITY.private_key.public_key())
        .serial_number(1)
        .not_valid_before(PAST)
        .not_valid_after(FUTURE)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("b"), x509.RFC822Name("who@a"), x509.DNSName("a")]),
            critical=False,
        )
        .sign(AUTHORITY.private_key, hashes.SHA256())
    )
    assert dns_names(certificate) == ("b", "a")
    assert dns_names(AUTHORITY.certificate) == ()
