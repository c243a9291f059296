"""What operators sign, and what devices answer, against the daemon's own authority."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.errors import ConsoleError, MessageError, SignatureError, UsageError
from console.keys import Devices, OperatorKeyFile, _base64url, _from_base64url, compose, joined
from console.messages import Acknowledgement, SignedByDevice
from daemon.manage.schema import Command, Signed, decode
from provisioning.authority import Authority
from tests.console.said import CHALLENGE

NOW = datetime.now(UTC)
DEVICE = "a.example"


def test_the_daemon_reads_what_an_operator_signs(tmp_path: Path) -> None:
    key = OperatorKeyFile.make(tmp_path / "key")
    message = key.sign(compose(DEVICE, "identify", {"for_s": 5}, role="operator", challenge=CHALLENGE, now=NOW))
    signed = decode(msgspec.json.encode(message), Signed)
    command = decode(signed.signed, Command)
    assert (command.device, command.command, command.arguments) == (DEVICE, "identify", {"for_s": 5})
    assert signed.signatures[0].key_id == key.key_id
    signature = _from_base64url(signed.signatures[0].signature)
    Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed.signed.encode())


def test_a_key_file_is_readable_by_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = OperatorKeyFile.make(path, b"a password")
    assert path.stat().st_mode & 0o777 == 0o600
    assert OperatorKeyFile.load(path, b"a password").public == made.public
    with pytest.raises(UsageError, match="password"):
        OperatorKeyFile.load(path)
    with pytest.raises(UsageError, match="wrong"):
        OperatorKeyFile.load(path, b"another")
    with pytest.raises(ConsoleError, match="cannot be written"):
        OperatorKeyFile.make(path)


def test_two_signers_sign_one_text(tmp_path: Path) -> None:
    keys = [OperatorKeyFile.make(tmp_path / name) for name in ("one", "two")]
    command = compose(DEVICE, "wipe", {}, role="administrator", challenge=CHALLENGE, now=NOW)
    message = joined([key.sign(command) for key in keys])
    assert [signature.key_id for signature in message.signatures] == [key.key_id for key in keys]
    other = compose(DEVICE, "wipe", {}, role="administrator", challenge=CHALLENGE, now=NOW)
    with pytest.raises(SignatureError):
        joined([keys[0].sign(command), keys[1].sign(other)])


class _Network:
    def __init__(self) -> None:
        self.authority = Authority.make("network")
        self.devices = Devices(self.authority.certificate.public_bytes(Encoding.PEM))
        self.identity = self.authority.issue(DEVICE)

    def answer(self, device: str = DEVICE, authority: Authority | None = None) -> tuple[bytes, str]:
        identity = self.identity if authority is None else authority.issue(DEVICE)
        text = msgspec.json.encode(
            Acknowledgement(device, "identify", "N" * 22, "done", "", "2026-11-24T12:00:00.000Z")
        )
        assert isinstance(identity.private_key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(identity.private_key.sign(text, ec.ECDSA(hashes.SHA256())))
        message = SignedByDevice(text.decode(), _base64url(r.to_bytes(32) + s.to_bytes(32)))
        return msgspec.json.encode(message), identity.certificate.public_bytes(Encoding.PEM).decode()


@pytest.fixture(scope="module")
def network() -> _Network:
    return _Network()


def test_a_devices_answer_is_believed(network: _Network) -> None:
    reply, certificate = network.answer()
    assert network.devices.acknowledgement(reply, DEVICE, certificate, NOW).outcome == "done"


def test_answers_of_others_are_not(network: _Network) -> None:
    reply, certificate = network.answer()
    for payload, device, pem in (
        (reply, "b.example", certificate),
        (network.answer("b.example")[0], DEVICE, certificate),
        (*network.answer(authority=Authority.make("another network"))[:1], DEVICE, certificate),
        (reply, DEVICE, network.answer(authority=Authority.make("another network"))[1]),
        (reply, DEVICE, "no certificate"),
        (reply.replace(b"done", b"fail"), DEVICE, certificate),
    ):
        with pytest.raises(SignatureError):
            network.devices.acknowledgement(payload, device, pem, NOW)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(min_value=0), mask=st.integers(min_value=1, max_value=255))
def test_no_byte_of_an_answer_can_be_changed(network: _Network, at: int, mask: int) -> None:
    reply, certificate = network.answer()
    changed = bytearray(reply)
    changed[at % len(changed)] ^= mask
    try:
        answer = network.devices.acknowledgement(bytes(changed), DEVICE, certificate, NOW)
    except (SignatureError, MessageError):
        return
    assert answer == network.devices.acknowledgement(reply, DEVICE, certificate, NOW)  # white space, a name's case
