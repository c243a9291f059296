"""The stateless cookie of DTLS (RFC 6347 section 4.2.1): no state for who has not shown to receive at its address.

Written out here, so that a stranger's datagram costs one hash, is answered with less than it asked, and never reaches
OpenSSL.
"""

import hmac
import os
from hashlib import sha256
from typing import Final

from daemon.link.dtls_record import RECORD_HEADER_BYTES, ContentType

Address = tuple[str, int]

COOKIE_LIFETIME_NS: Final = 30_000_000_000
_COOKIE_BYTES: Final = 20
_CLIENT_HELLO: Final = 1
_HELLO_VERIFY_REQUEST: Final = 3
_HANDSHAKE_HEADER_BYTES: Final = 12
_BODY: Final = RECORD_HEADER_BYTES + _HANDSHAKE_HEADER_BYTES
HELLO_RANDOM: Final = slice(_BODY + 2, _BODY + 34)
# The version in a HelloVerifyRequest means nothing and is that of DTLS 1.0 (RFC 6347 section 4.2.1).
_VERSION: Final = b"\xfe\xff"


class CookieGate:
    """Judges first datagrams. Keeps nothing of a stranger."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or os.urandom(32)

    def cookie_of(self, datagram: bytes, address: Address, now_ns: int) -> bytes | None:
        """The cookie in the ClientHello `datagram` when it is one that we gave to `address` for this very hello.

        Cookies of the current and the previous COOKIE_LIFETIME_NS are good.
        """
        cookie = _hello_cookie(datagram)
        if not cookie:
            return None
        period = now_ns // COOKIE_LIFETIME_NS
        random = datagram[HELLO_RANDOM]
        for candidate in (period, period - 1):
            if hmac.compare_digest(cookie, self._cookie(address, random, candidate)):
                return cookie
        return None

    def challenge(self, datagram: bytes, address: Address, now_ns: int) -> bytes | None:
        """The HelloVerifyRequest that answers a ClientHello, or None when `datagram` is no ClientHello."""
        if _hello_cookie(datagram) is None:
            return None
        cookie = self._cookie(address, datagram[HELLO_RANDOM], now_ns // COOKIE_LIFETIME_NS)
        body = _VERSION + bytes([len(cookie)]) + cookie
        length = len(body).to_bytes(3)
        message_sequence, fragment_offset = bytes(2), bytes(3)
        message = bytes([_HELLO_VERIFY_REQUEST]) + length + message_sequence + fragment_offset + length + body
        epoch_and_sequence = datagram[3:11]  # the client's own: the server has none yet
        header = bytes([ContentType.HANDSHAKE]) + _VERSION + epoch_and_sequence + len(message).to_bytes(2)
        return header + message

    def _cookie(self, address: Address, client_random: bytes, period: int) -> bytes:
        text = f"{period} {address[1]} {address[0]} ".encode()
        return hmac.digest(self._secret, text + client_random, sha256)[:_COOKIE_BYTES]


def _hello_cookie(datagram: bytes) -> bytes | None:
    """The cookie (may be empty) in a datagram that is one whole ClientHello; None when it is not.

    RFC 6347 section 4.2.2: type, length (3), sequence (2), fragment offset (3), fragment length (3), version (2),
    random (32), session (1 + n), cookie (1 + n), then suites and extensions, which OpenSSL will judge.
    """
    # Epoch 0, and a record number that an honest client may have: ours go on from it and must not run over 48 bits.
    if len(datagram) < _BODY + 36 or datagram[0] != ContentType.HANDSHAKE or datagram[3:7] != bytes(4):
        return None
    message_bytes = int.from_bytes(datagram[11:13])
    length = datagram[14:17]
    if (
        message_bytes != len(datagram) - RECORD_HEADER_BYTES
        or datagram[13] != _CLIENT_HELLO
        or int.from_bytes(length) != message_bytes - _HANDSHAKE_HEADER_BYTES
        or datagram[19:22] != b"\0\0\0"
        or datagram[22:25] != length
    ):
        return None
    session_end = HELLO_RANDOM.stop + 1 + datagram[HELLO_RANDOM.stop]
    if session_end >= len(datagram):
        return None
    cookie_end = session_end + 1 + datagram[session_end]
    return datagram[session_end + 1 : cookie_end] if cookie_end <= len(datagram) else None
