"""What the authority makes: certificates as RFC 5280 wants them, files that are whole and closed to others."""

import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from provisioning import authority as authority_module
from provisioning.authority import Authority, ProvisioningError, write_file, write_identity

AUTHORITY = Authority.make("authority of the tests")


def extension(certificate: x509.Certificate, kind: type) -> object:
    return certificate.extensions.get_extension_for_class(kind).value


def test_the_authority_may_sign_devices_and_nothing_else():
    certificate = AUTHORITY.certificate
    certificate.verify_directly_issued_by(certificate)
    assert isinstance(AUTHORITY.private_key.curve, ec.SECP256R1)
    assert extension(certificate, x509.BasicConstraints) == x509.BasicConstraints(ca=True, path_length=0)
    usage = extension(certificate, x509.KeyUsage)
    assert usage.key_cert_sign
    assert not usage.digital_signature


def test_a_device_may_be_client_and_server_and_sign_no_certificate():
    identity = AUTHORITY.issue("sender.test.cathlink")
    certificate = identity.certificate
    certificate.verify_directly_issued_by(AUTHORITY.certificate)
    assert identity.name == "sender.test.cathlink"
    assert extension(certificate, x509.BasicConstraints) == x509.BasicConstraints(ca=False, path_length=None)
    assert set(extension(certificate, x509.ExtendedKeyUsage)) == {
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    }
    assert not extension(certificate, x509.KeyUsage).key_cert_sign
    assert certificate.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=1)


def test_a_stricter_verifier_than_openssl_accepts_the_chain():
    identity = AUTHORITY.issue("sender.test.cathlink")
    builder = PolicyBuilder().store(Store([AUTHORITY.certificate]))
    server = builder.build_server_verifier(x509.DNSName("sender.test.cathlink"))
    assert server.verify(identity.certificate, []) == [identity.certificate, AUTHORITY.certificate]
    assert builder.build_client_verifier().verify(identity.certificate, []).chain[0] == identity.certificate
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("other.test.cathlink")).verify(identity.certificate, [])


def test_every_certificate_and_key_is_new():
    first, second = AUTHORITY.issue("a.test"), AUTHORITY.issue("a.test")
    assert first.certificate.serial_number != second.certificate.serial_number
    assert first.private_key.public_key() != second.private_key.public_key()


def test_the_key_is_for_its_owner_alone_whatever_was_there_before(tmp_path):
    certificate_path, key_path = tmp_path / "a.crt", tmp_path / "a.key"
    key_path.write_bytes(b"old")
    key_path.chmod(0o666)
    write_identity(AUTHORITY.issue("a.test"), certificate_path, key_path)
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(certificate_path.stat().st_mode) == 0o644


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.crt"
    write_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(authority_module.os, "fsync", full)
    with pytest.raises(ProvisioningError, match=r"a.crt: cannot be written \(No space left on device\)"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProvisioningError, match="cannot be written"):
        write_file(tmp_path / "nowhere" / "a.crt", b"new")
