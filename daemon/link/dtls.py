"""DTLS 1.2 associations between two appliances: who the peer is, and the keys of SRTP (RFC 6347, RFC 5764).

No socket, no thread, no clock: datagrams and `now_ns` go in, datagrams come out. OpenSSL's own retransmission timer
runs on the wall clock, starts at a second and cannot be driven; it is never asked. Each association keeps its last
flight and repeats it on its own schedule. Plaintext records get a new sequence number each time, as RFC 6347 section
4.1 has it (the peer may have dropped one that came out of order, and would take the same number for a replay);
encrypted ones are repeated byte for byte. Certificates are judged at the wall clock, by OpenSSL.
"""

import contextlib
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from cryptography import x509
from OpenSSL import SSL, crypto

from daemon.errors import LinkError
from daemon.link.dtls_cookie import Address, CookieGate
from daemon.link.dtls_record import (
    MAX_DATAGRAM_BYTES,
    RECORD_HEADER_BYTES,
    SEAL_BYTES,
    ContentType,
    is_plaintext,
    pack_datagrams,
    split_records,
    with_sequence,
)
from daemon.link.srtp import KEY_BYTES, SALT_BYTES, SrtpKeys
from provisioning.identity import Identity, dns_names

HELLO_REPEAT_NS: Final = 100_000_000  # of a hello that nobody answers: the peer may be coming up at this moment
FIRST_REPEAT_NS: Final = 120_000_000
LONGEST_REPEAT_NS: Final = 500_000_000
# Repeats that a peer asks for are at least this far apart.
REPEAT_GAP_NS: Final = 50_000_000
HANDSHAKE_LIMIT_NS: Final = 10_000_000_000
MAX_MESSAGE_BYTES: Final = MAX_DATAGRAM_BYTES - RECORD_HEADER_BYTES - SEAL_BYTES

_DTLS_1_2: Final = 0xFEFD
_CIPHERS: Final = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
_SRTP_PROFILE: Final = b"SRTP_AEAD_AES_128_GCM"
_EXPORTER_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_LARGEST_RECORD_BYTES: Final = 16384
_MODE_NO_AUTO_CHAIN: Final = 0x8  # SSL_MODE_NO_AUTO_CHAIN: do not send the authority's certificate, the peer has it

# What the peer's alert (RFC 5246 section 7.2.2) says of us, in words for the person who has to mend it.
_ALERTS: Final = {
    "unknown ca": "our certificate is signed by another authority than the peer's",
    "certificate expired": "our certificate, or that of our authority, is expired by the peer's clock",
    "bad certificate": "our certificate is damaged, or not yet valid by the peer's clock",
    "unsupported certificate": "our certificate is not meant for the link",
    "internal error": "it expects another name than ours, or failed inside",  # what OpenSSL makes of a callback's no
    "handshake failure": "it has no cipher or SRTP profile in common with us",
    "protocol version": "it speaks another version of DTLS",
}
_OTHER_AUTHORITY: Final = frozenset(
    {
        SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT,
        SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        SSL.X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
        SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE,
        SSL.X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        SSL.X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN,
        SSL.X509VerificationCodes.ERR_CERT_CHAIN_TOO_LONG,
    }
)


class DtlsState(Enum):
    HANDSHAKING = auto()
    ESTABLISHED = auto()
    REFUSED = auto()  # one end does not accept the other
    CLOSED = auto()  # closed by either end, or the peer fell silent in the handshake


class DtlsAssociation:
    """One association, from the first hello to its end. Used by one thread at a time.

    After each call that takes `now_ns`, and after `send` and `close`, send what `datagrams_to_send` gives, and call
    `handle_timeout` when `next_timer_ns` has come. Keep a REFUSED association for a second or two: it repeats its alert
    to a peer that has not heard it.
    """

    def __init__(self, identity: Identity, *, peer_name: str, cookie: bytes | None = None) -> None:
        """The client's. DtlsListener makes the server's, from a hello that carries our `cookie`.

        Raises LinkError when OpenSSL does not take the identity.
        """
        self.state = DtlsState.HANDSHAKING
        self.refusal = ""  # one line: why the association is REFUSED or CLOSED; empty when we closed it
        self.srtp_keys: SrtpKeys | None = None  # while ESTABLISHED
        self.ignored_datagrams = 0  # not DTLS, too long, or after the end
        self._name = identity.name
        self._is_client = cookie is None
        self._peer_name = peer_name
        self._objection = ""
        self._connection = _connection(identity, self._judge_certificate, cookie)
        self._outgoing: list[bytes] = []
        self._sequence = 0  # of the next plaintext record
        self._flight: list[bytes] = []  # the records that we said last in the handshake
        self._flight_ns = 0
        self._answered: list[bytes] = []  # the records that the flight answers, unnumbered
        self._repeat_after_ns = FIRST_REPEAT_NS
        self._repeat_ns = 0
        self._deadline_ns = 0

    def start(self, now_ns: int) -> None:
        """Begin as the client: say hello."""
        self._deadline_ns = self._repeat_ns = now_ns + HANDSHAKE_LIMIT_NS
        self._advance(now_ns, [])

    def accept(self, hello: bytes, now_ns: int) -> bool:
        """Begin as the server: answer a hello that carries our cookie. False when it is malformed beyond the cookie."""
        self._deadline_ns = self._repeat_ns = now_ns + HANDSHAKE_LIMIT_NS
        self._sequence = int.from_bytes(hello[5:11])  # RFC 6347 section 4.2.1: the server goes on from the client's
        self._connection.bio_write(hello)
        try:
            self._connection.DTLSv1_listen()
        except SSL.Error as error:
            self._end(DtlsState.REFUSED, f"malformed hello: {_reason(error)}")
            # A hello that OpenSSL ignores stays in its error queue, which is one for all associations of a thread:
            # before OpenSSL 4 the next `recv` of another one would fail with it. A handshake empties the queue first.
            with contextlib.suppress(SSL.Error):
                self._connection.do_handshake()
            return False
        self._advance(now_ns, split_records(hello))
        return True

    @property
    def is_answered(self) -> bool:
        """The peer has said something in the handshake."""
        return bool(self._answered)

    @property
    def next_timer_ns(self) -> int | None:
        """When `handle_timeout` is due; None: not at all."""
        if self.state is not DtlsState.HANDSHAKING:
            return None
        return min(self._repeat_ns, self._deadline_ns)

    def handle_timeout(self, now_ns: int) -> None:
        """Repeat the last flight, or give up, when the time for it has come."""
        if self.state is not DtlsState.HANDSHAKING:
            return
        if now_ns >= self._deadline_ns:
            self._end(DtlsState.CLOSED, f"no answer from the peer within {HANDSHAKE_LIMIT_NS // 1_000_000_000} s")
        elif now_ns >= self._repeat_ns:
            self._repeat_after_ns = self._longer(self._repeat_after_ns)
            self._repeat_ns = now_ns + self._repeat_after_ns
            self._repeat_flight(now_ns)

    def receive(self, datagram: bytes, now_ns: int) -> list[bytes]:
        """Take one datagram, anything from the network; returns the messages that the peer sent in it."""
        records = split_records(datagram) if len(datagram) <= MAX_DATAGRAM_BYTES else []
        if self._is_repetition(records):
            if now_ns - self._flight_ns >= REPEAT_GAP_NS:
                self._repeat_flight(now_ns)
            return []
        if not records or self.state in (DtlsState.REFUSED, DtlsState.CLOSED):
            self.ignored_datagrams += 1
            return []
        self._connection.bio_write(datagram)
        return self._advance(now_ns, records)

    def send(self, message: bytes) -> None:
        """Send 1 to MAX_MESSAGE_BYTES bytes as one record; it may be lost. Raises LinkError."""
        if self.state is not DtlsState.ESTABLISHED:
            raise LinkError(f"DTLS: a message for an association that is {self.state.name}")
        if not 0 < len(message) <= MAX_MESSAGE_BYTES:
            raise LinkError(f"DTLS: a message of {len(message)} bytes, not 1 to {MAX_MESSAGE_BYTES}")
        try:
            self._connection.send(message)
        except SSL.Error as error:
            raise LinkError(f"DTLS: cannot send: {_reason(error)}") from error
        self._emit(self._output())

    def close(self) -> None:
        """End the association and tell the peer of an ESTABLISHED one (close_notify)."""
        if self.state is DtlsState.ESTABLISHED:
            self._say_goodbye()
            self._emit(self._output())
        if self.state is not DtlsState.REFUSED:
            self._end(DtlsState.CLOSED, self.refusal)

    def datagrams_to_send(self) -> list[bytes]:
        """What is to be sent now, each at most MAX_DATAGRAM_BYTES."""
        datagrams, self._outgoing = self._outgoing, []
        return datagrams

    def _advance(self, now_ns: int, input_records: list[bytes]) -> list[bytes]:
        """Let OpenSSL work on its input until it wants more."""
        messages: list[bytes] = []
        was_handshaking = self.state is DtlsState.HANDSHAKING
        try:
            if was_handshaking:
                self._connection.do_handshake()
                self._agree_on_srtp()
            while self.state is DtlsState.ESTABLISHED:
                messages.append(self._connection.recv(_LARGEST_RECORD_BYTES))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._end(DtlsState.CLOSED, "the peer closed the association")
        except SSL.Error as error:
            self._fail(error)
        output = self._output()
        self._emit(output)
        if was_handshaking and (output or self.state is not DtlsState.HANDSHAKING):
            self._flight, self._flight_ns, self._answered = output, now_ns, _unnumbered(input_records)
            self._repeat_after_ns = FIRST_REPEAT_NS if self._answered else HELLO_REPEAT_NS
            self._repeat_ns = now_ns + self._repeat_after_ns
        return messages

    def _longer(self, wait_ns: int) -> int:
        """A flight backs off (RFC 6347 section 4.2.4.1); a hello without any answer goes on as it began."""
        return min(2 * wait_ns, LONGEST_REPEAT_NS) if self._answered else wait_ns

    def _is_repetition(self, records: list[bytes]) -> bool:
        """After the handshake, with our timer off: the peer repeats what we answered last, so the answer was lost."""
        return (
            self.state in (DtlsState.ESTABLISHED, DtlsState.REFUSED)
            and bool(records)
            and records[0][0] != ContentType.APPLICATION_DATA
            and _unnumbered(records) == self._answered
        )

    def _repeat_flight(self, now_ns: int) -> None:
        self._emit(self._flight)
        self._flight_ns = now_ns

    def _emit(self, records: list[bytes]) -> None:
        numbered = []
        for record in records:
            if is_plaintext(record):
                numbered.append(with_sequence(record, self._sequence))
                self._sequence += 1
            else:
                numbered.append(record)
        self._outgoing += pack_datagrams(numbered)

    def _output(self) -> list[bytes]:
        """The records that OpenSSL has written."""
        try:
            return split_records(self._connection.bio_read(1 << 16))
        except SSL.WantReadError:
            return []

    def _agree_on_srtp(self) -> None:
        """The handshake is done: take the keys (RFC 5764 section 4.2)."""
        if self._connection.get_selected_srtp_profile() != _SRTP_PROFILE:
            self._say_goodbye()
            self._end(DtlsState.REFUSED, f"the peer does not offer the SRTP profile {_SRTP_PROFILE.decode()}")
            return
        material = self._connection.export_keying_material(_EXPORTER_LABEL, 2 * (KEY_BYTES + SALT_BYTES))
        keys, salts = material[: 2 * KEY_BYTES], material[2 * KEY_BYTES :]
        client = keys[:KEY_BYTES], salts[:SALT_BYTES]
        server = keys[KEY_BYTES:], salts[SALT_BYTES:]
        self.srtp_keys = SrtpKeys(*client, *server) if self._is_client else SrtpKeys(*server, *client)
        self.state = DtlsState.ESTABLISHED

    def _judge_certificate(
        self, _connection: SSL.Connection, presented: crypto.X509, error: int, depth: int, is_good: int
    ) -> bool:
        """OpenSSL asks for each certificate of the peer's chain, with its own judgement; False sends an alert."""
        try:
            certificate = presented.to_cryptography()
            if not is_good:
                self._objection = _objection(certificate, error, depth)
            elif depth == 0 and self._peer_name not in (names := dns_names(certificate)):
                self._objection = f"the peer is named {', '.join(names) or 'nothing'}, not {self._peer_name}"
        except Exception as parser_error:  # a stranger made it: whatever the parser trips over is a refusal
            self._objection = f"the peer's certificate cannot be read ({type(parser_error).__name__})"
        return not self._objection

    def _fail(self, error: SSL.Error) -> None:
        reason = _reason(error)
        _, is_alert, alert = reason.partition("alert ")
        if self.state is DtlsState.ESTABLISHED:
            self._end(DtlsState.CLOSED, f"the association broke: {reason}")
        elif self._objection:
            self._end(DtlsState.REFUSED, self._objection)
        elif is_alert:
            self._end(DtlsState.REFUSED, f"the peer refused us ({self._name}): {_ALERTS.get(alert, alert)}")
        else:
            self._end(DtlsState.REFUSED, f"the handshake failed: {reason}")

    def _say_goodbye(self) -> None:
        try:
            self._connection.shutdown()
        except SSL.Error:
            return  # nothing more to be said to this peer

    def _end(self, state: DtlsState, refusal: str) -> None:
        self.state = state
        self.refusal = refusal
        self.srtp_keys = None


class DtlsListener:
    """The server's ear: turns a ClientHello from an address that proved to be the client's into an association."""

    def __init__(self, identity: Identity, *, peer_name: str) -> None:
        self.ignored_datagrams = 0  # neither a hello nor an answer to our challenge
        self._identity = identity
        self._peer_name = peer_name
        self._gate = CookieGate()
        self._outgoing: list[bytes] = []

    def receive(self, datagram: bytes, address: Address, now_ns: int) -> DtlsAssociation | None:
        """Take a datagram, anything, from an `address` without association (or a hello from one that has).

        Returns the started association when the client has shown that it receives at `address`. What
        `datagrams_to_send` gives afterwards goes to `address`.
        """
        self._outgoing = []
        cookie = self._gate.cookie_of(datagram, address, now_ns)
        if cookie is not None:
            association = DtlsAssociation(self._identity, peer_name=self._peer_name, cookie=cookie)
            if association.accept(datagram, now_ns):
                return association
        elif challenge := self._gate.challenge(datagram, address, now_ns):
            self._outgoing = [challenge]
            return None
        self.ignored_datagrams += 1
        return None

    def datagrams_to_send(self) -> list[bytes]:
        """The challenge to the address of the last `receive`, if it earned one."""
        datagrams, self._outgoing = self._outgoing, []
        return datagrams


def _connection(
    identity: Identity, judge: Callable[[SSL.Connection, crypto.X509, int, int, int], bool], cookie: bytes | None
) -> SSL.Connection:
    context = SSL.Context(SSL.DTLS_CLIENT_METHOD if cookie is None else SSL.DTLS_SERVER_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_max_proto_version(_DTLS_1_2)
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(_MODE_NO_AUTO_CHAIN)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, judge)
    context.set_verify_depth(0)  # no authority between the device and ours
    try:
        context.set_tlsext_use_srtp(_SRTP_PROFILE)
        context.use_certificate(identity.certificate)
        context.use_privatekey(identity.private_key)
        store = context.get_cert_store()
        assert store is not None  # a new context has one
        for authority in identity.authorities:
            store.add_cert(crypto.X509.from_cryptography(authority))
        if cookie is not None:
            context.set_cookie_verify_callback(lambda _connection, presented: presented == cookie)
        context.set_cipher_list(_CIPHERS)  # the last: pyOpenSSL 25 takes the context for used after it
    except (SSL.Error, crypto.Error) as error:
        raise LinkError(f"DTLS: OpenSSL does not take the identity {identity.name}: {_reason(error)}") from error
    connection = SSL.Connection(context, None)
    connection.set_ciphertext_mtu(MAX_DATAGRAM_BYTES)
    if cookie is None:
        connection.set_connect_state()
    else:
        connection.set_accept_state()
    return connection


def _unnumbered(records: list[bytes]) -> list[bytes]:
    return [with_sequence(record, 0) if is_plaintext(record) else record for record in records]


def _objection(certificate: x509.Certificate, error: int, depth: int) -> str:
    """OpenSSL's judgement in one line. `depth` 0: the peer's own certificate; else the authority's."""
    whose = "the peer's certificate" if depth == 0 else "the certificate of the peer's authority"
    codes = SSL.X509VerificationCodes
    if error in _OTHER_AUTHORITY:
        return "the peer's certificate is signed by another authority"
    if error == codes.ERR_CERT_HAS_EXPIRED:
        return f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if error == codes.ERR_CERT_NOT_YET_VALID:
        return f"{whose} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if error == codes.ERR_INVALID_PURPOSE:
        return f"{whose} is not meant for the link (extended key usage)"
    return f"{whose} is not valid (OpenSSL verification error {error})"


def _reason(error: SSL.Error | crypto.Error) -> str:
    """The innermost reason in OpenSSL's own words."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(entries[0][2]) if entries else str(error) or type(error).__name__
