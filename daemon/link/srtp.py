"""Sealing and opening RTP and RTCP packets: SRTP with AEAD_AES_128_GCM (RFC 3711, RFC 7714), through libsrtp.

This runs for every packet, so there is no layer between it and pylibsrtp's session.
"""

from dataclasses import dataclass, field
from typing import Final

from pylibsrtp import Error, Policy, Session

from daemon.errors import LinkError

KEY_BYTES: Final = 16
SALT_BYTES: Final = 12
SEAL_BYTES: Final = 16  # a packet is longer by this when it is sealed
RTCP_SEAL_BYTES: Final = 20
# Older packets than this are refused as replays: at 2000 packets/s half a second, more than any deadline in the link.
REPLAY_WINDOW_PACKETS: Final = 1024
# pylibsrtp works in a buffer of 1500 bytes and keeps 148 of them for its longest trailer; ours is 16, or 20 for RTCP.
MAX_PACKET_BYTES: Final = 1352


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master keys (KEY_BYTES) and salts (SALT_BYTES) of both directions. Never printed: they are not in the repr."""

    local_key: bytes = field(repr=False)
    local_salt: bytes = field(repr=False)
    remote_key: bytes = field(repr=False)
    remote_salt: bytes = field(repr=False)


class SrtpSession:
    """Both directions of one association's media, any number of SSRCs.

    One thread may seal while another one opens, but each direction belongs to one thread.
    `not_authentic` and `replayed` count the packets that were refused: forged, damaged or malformed, and seen before
    or older than the replay window.
    """

    def __init__(self, keys: SrtpKeys) -> None:
        """Raises LinkError when the keys are not of the right length."""
        self.not_authentic = 0
        self.replayed = 0
        self._outbound = _session(keys.local_key, keys.local_salt, Policy.SSRC_ANY_OUTBOUND)
        self._inbound = _session(keys.remote_key, keys.remote_salt, Policy.SSRC_ANY_INBOUND)

    def protect_rtp(self, packet: bytes) -> bytes:
        """The SRTP packet, SEAL_BYTES longer. Raises LinkError: no RTP, longer than MAX_PACKET_BYTES, key used up.

        A sequence number is sealed once only (a second time would reuse the nonce, and raises): retransmissions go
        under an SSRC of their own (RFC 4588).
        """
        try:
            return self._outbound.protect(packet)  # type: ignore[no-any-return]
        except (Error, ValueError) as error:
            raise LinkError(f"SRTP: cannot seal this RTP packet of {len(packet)} bytes: {error}") from error

    def protect_rtcp(self, packet: bytes) -> bytes:
        """The SRTCP packet, RTCP_SEAL_BYTES longer. Raises LinkError as `protect_rtp` does."""
        try:
            return self._outbound.protect_rtcp(packet)  # type: ignore[no-any-return]
        except (Error, ValueError) as error:
            raise LinkError(f"SRTP: cannot seal this RTCP packet of {len(packet)} bytes: {error}") from error

    def unprotect_rtp(self, packet: bytes) -> bytes | None:
        """The RTP packet, or None when `packet` (anything from the network) is not authentic or was replayed."""
        try:
            return self._inbound.unprotect(packet)  # type: ignore[no-any-return]
        except (Error, ValueError) as error:
            self._count(error)
            return None

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """The RTCP packet, or None when `packet` (anything from the network) is not authentic or was replayed."""
        try:
            return self._inbound.unprotect_rtcp(packet)  # type: ignore[no-any-return]
        except (Error, ValueError) as error:
            self._count(error)
            return None

    def _count(self, error: Exception) -> None:
        # pylibsrtp tells the causes apart by text alone.
        if str(error).startswith("replay check failed"):
            self.replayed += 1
        else:
            self.not_authentic += 1


def _session(key: bytes, salt: bytes, ssrc_type: int) -> Session:
    if len(key) != KEY_BYTES or len(salt) != SALT_BYTES:
        raise LinkError(f"SRTP: a key of {len(key)} and a salt of {len(salt)} bytes, not {KEY_BYTES} and {SALT_BYTES}")
    try:
        policy = Policy(key=key + salt, ssrc_type=ssrc_type, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
        policy.window_size = REPLAY_WINDOW_PACKETS
        return Session(policy)
    except Error as error:
        raise LinkError(f"SRTP: libsrtp takes no keys: {error}", "install a pylibsrtp that has AES-GCM") from error
