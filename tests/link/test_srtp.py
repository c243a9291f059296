"""SRTP: what one end seals the other opens once, and nothing else opens."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import LinkError
from daemon.link.srtp import MAX_PACKET_BYTES, REPLAY_WINDOW_PACKETS, SrtpKeys, SrtpSession

KEYS = SrtpKeys(b"k" * 16, b"s" * 12, b"K" * 16, b"S" * 12)
MIRRORED = SrtpKeys(KEYS.remote_key, KEYS.remote_salt, KEYS.local_key, KEYS.local_salt)
SSRC = 0x11223344


def rtp(sequence: int, payload: bytes = b"picture", ssrc: int = SSRC) -> bytes:
    return b"\x80\x60" + sequence.to_bytes(2) + bytes(4) + ssrc.to_bytes(4) + payload


RTCP = b"\x81\xcd\x00\x03" + SSRC.to_bytes(4) + bytes(8)  # transport feedback


@pytest.fixture
def ends() -> tuple[SrtpSession, SrtpSession]:
    return SrtpSession(KEYS), SrtpSession(MIRRORED)


def test_both_directions_carry_rtp_and_rtcp(ends):
    for sealing, opening in (ends, ends[::-1]):
        sealed = sealing.protect_rtp(rtp(1))
        assert len(sealed) == len(rtp(1)) + 16
        assert opening.unprotect_rtp(sealed) == rtp(1)
        sealed = sealing.protect_rtcp(RTCP)
        assert len(sealed) == len(RTCP) + 20
        assert opening.unprotect_rtcp(sealed) == RTCP
        assert (opening.not_authentic, opening.replayed) == (0, 0)


def test_any_number_of_streams(ends):
    local, remote = ends
    for ssrc in range(1, 20):
        assert remote.unprotect_rtp(local.protect_rtp(rtp(7, ssrc=ssrc))) == rtp(7, ssrc=ssrc)


def test_the_wire_is_that_of_rfc_7714(ends):
    """Opened with nothing but AES: key derivation of RFC 3711 section 4.3, nonce of RFC 7714 section 8.1."""

    def derive(label: int, size: int) -> bytes:
        counter = bytearray(KEYS.local_salt + bytes(4))
        counter[7] ^= label
        encryptor = Cipher(algorithms.AES(KEYS.local_key), modes.CTR(bytes(counter))).encryptor()
        return encryptor.update(bytes(size))

    packet = rtp(0xABCD, b"an access unit's part")
    sealed = ends[0].protect_rtp(packet)
    roll_over_counter = bytes(4)
    plain_nonce = bytes(2) + SSRC.to_bytes(4) + roll_over_counter + packet[2:4]
    nonce = bytes(a ^ b for a, b in zip(plain_nonce, derive(2, 12), strict=True))
    assert AESGCM(derive(0, 16)).decrypt(nonce, sealed[12:], sealed[:12]) == packet[12:]


def test_a_replay_is_refused_and_counted(ends):
    local, remote = ends
    sealed, sealed_rtcp = local.protect_rtp(rtp(1)), local.protect_rtcp(RTCP)
    assert remote.unprotect_rtp(sealed) is not None
    assert remote.unprotect_rtcp(sealed_rtcp) is not None
    assert remote.unprotect_rtp(sealed) is None
    assert remote.unprotect_rtcp(sealed_rtcp) is None
    assert (remote.replayed, remote.not_authentic) == (2, 0)


def test_late_packets_are_good_within_the_window_and_replays_beyond(ends):
    local, remote = ends
    sealed = [local.protect_rtp(rtp(sequence)) for sequence in range(REPLAY_WINDOW_PACKETS + 1)]
    assert remote.unprotect_rtp(sealed[-1]) is not None
    assert remote.unprotect_rtp(sealed[1]) == rtp(1)
    assert remote.unprotect_rtp(sealed[0]) is None
    assert (remote.replayed, remote.not_authentic) == (1, 0)


def test_the_sequence_number_may_wrap(ends):
    local, remote = ends
    for sequence in (0xFFFE, 0xFFFF, 0, 1):
        assert remote.unprotect_rtp(local.protect_rtp(rtp(sequence))) == rtp(sequence)


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255), is_rtcp=st.booleans())
def test_no_changed_packet_opens(position, flip, is_rtcp):
    local, remote = SrtpSession(KEYS), SrtpSession(MIRRORED)
    sealed = local.protect_rtcp(RTCP) if is_rtcp else local.protect_rtp(rtp(1))
    changed = bytearray(sealed)
    changed[position % len(changed)] ^= flip
    opening = remote.unprotect_rtcp if is_rtcp else remote.unprotect_rtp
    assert opening(bytes(changed)) is None
    assert remote.not_authentic == 1
    assert opening(sealed) is not None  # and the forgery has not spoilt the true one


@given(datagram=st.binary(max_size=200) | st.binary(min_size=1300, max_size=2000))
def test_garbage_is_refused_and_never_raises(datagram):
    remote = SrtpSession(MIRRORED)
    assert remote.unprotect_rtp(datagram) is None
    assert remote.unprotect_rtcp(datagram) is None
    assert (remote.not_authentic, remote.replayed) == (2, 0)


def test_other_keys_open_nothing(ends):
    stranger = SrtpSession(SrtpKeys(b"k" * 16, b"s" * 12, b"x" * 16, b"s" * 12))
    assert ends[1].unprotect_rtp(stranger.protect_rtp(rtp(1))) == rtp(1)  # its outbound key is ours
    assert stranger.unprotect_rtp(ends[0].protect_rtp(rtp(2))) is None
    assert stranger.not_authentic == 1


def test_a_sequence_number_is_sealed_once_only(ends):
    ends[0].protect_rtp(rtp(1, b"first"))
    with pytest.raises(LinkError, match="cannot seal"):
        ends[0].protect_rtp(rtp(1, b"other"))


@pytest.mark.parametrize("packet", [b"", b"\x80", b"\x80\x60\0\1", rtp(1, bytes(MAX_PACKET_BYTES))])
def test_what_cannot_be_sealed_is_an_error_of_ours(ends, packet):
    for protect in (ends[0].protect_rtp, ends[0].protect_rtcp):
        with pytest.raises(LinkError, match="cannot seal"):
            protect(packet)


def test_the_longest_packet_is_sealed_and_opened(ends):
    packets = (rtp(1, bytes(MAX_PACKET_BYTES - 12)), RTCP + bytes(MAX_PACKET_BYTES - len(RTCP)))
    assert ends[1].unprotect_rtp(ends[0].protect_rtp(packets[0])) == packets[0]
    assert ends[1].unprotect_rtcp(ends[0].protect_rtcp(packets[1])) == packets[1]


@pytest.mark.parametrize("lengths", [(15, 12, 16, 12), (16, 14, 16, 12), (16, 12, 32, 12), (16, 12, 16, 0)])
def test_keys_of_another_length_are_refused(lengths):
    with pytest.raises(LinkError, match="not 16 and 12"):
        SrtpSession(SrtpKeys(*(bytes(length) for length in lengths)))
