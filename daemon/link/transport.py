"""The secured path to the peer: which DTLS association is THE session, where its packets go, and sealing.

Rules.
- Only an authenticated peer gets the slot. Strangers' handshakes live in a small table beside it and never disturb it;
  a host has few places there, so that one that floods us keeps nobody out and costs little.
- The client (the sender appliance) starts handshakes: at first, when the peer falls silent, and to renew the keys.
- Keys change without a gap: the server goes on sealing with the old ones until the client uses the new ones, and what
  was sealed with old ones is still opened for a while.
- The peer's address is where its newest authentic packet came from (RFC 9146, section 6, for the dangers). Until a
  round trip has confirmed it, no more than three times what came from there is sent there.

Pure: no socket, no clock.
"""

import ipaddress
import logging
from dataclasses import dataclass, field

from daemon.link.dtls import DtlsAssociation, DtlsListener, DtlsState
from daemon.link.dtls_cookie import HELLO_RANDOM
from daemon.link.dtls_record import RECORD_HEADER_BYTES, is_application_data
from daemon.link.dtls_record import SEAL_BYTES as RECORD_SEAL_BYTES
from daemon.link.rtp import DatagramKind, datagram_kind, sequence_delta
from daemon.link.srtp import RTCP_SEAL_BYTES, SEAL_BYTES, SrtpSession
from provisioning.identity import Identity

logger = logging.getLogger(__name__)

Address = tuple[str, int]

HANDSHAKES_AT_ONCE = 8
HANDSHAKES_PER_HOST = 3
HANDSHAKE_UNDISTURBED_NS = 500_000_000  # before another one of its host may take its place: ten round trips of 50 ms
HANDSHAKE_LIMIT_NS = 10_000_000_000
HELLO_AGAIN_NS = 1_500_000_000  # a client's handshake without answer is begun anew after this, ...
ANSWERED_AGAIN_NS = 4_000_000_000  # ... one that had an answer after this: what answers the old would break the new
REFUSED_KEPT_NS = 1_500_000_000  # long enough to repeat the alert
RETRY_AFTER_REFUSAL_NS = 1_000_000_000
SILENCE_BEFORE_HANDSHAKE_NS = 400_000_000
OLD_KEYS_KEPT_NS = 3_000_000_000
AMPLIFICATION_LIMIT = 3
SRTCP_INDEX_MASK = 0x7FFF_FFFF
FOREVER_NS = 1 << 62


@dataclass(slots=True)
class _Handshake:
    association: DtlsAssociation
    started_ns: int
    hello_random: bytes = b""  # at the server: of the hello that began it
    refused_ns: int | None = None


@dataclass(slots=True)
class _Session:
    association: DtlsAssociation
    srtp: SrtpSession
    since_ns: int
    newest: dict[int, int] = field(default_factory=dict)  # by SSRC; SRTCP under -1


class SecureTransport:
    """One peer. `peer_address` is given at the client; the server learns it."""

    def __init__(
        self, identity: Identity, peer_name: str, *, peer_address: Address | None, rekey_after_ns: int, now_ns: int
    ) -> None:
        self._identity = identity
        self._peer_name = peer_name
        self._is_client = peer_address is not None
        self._listener = DtlsListener(identity, peer_name=peer_name)
        self._rekey_after_ns = rekey_after_ns
        self._handshakes: dict[Address, _Handshake] = {}
        self._next_handshake_ns = now_ns
        self._configured_address = peer_address
        self._current: _Session | None = None
        self._upcoming: _Session | None = None
        self._previous: _Session | None = None
        self._promoted_ns = 0
        self.peer_address = peer_address
        self._confirmed = True
        self._allowance_bytes = 0
        self.outbox: list[tuple[bytes, Address]] = []
        self.messages: list[bytes] = []  # small messages that came, for the owner to take
        self.last_authenticated_ns: int | None = None
        self.cause = ""
        self.sessions = 0
        self.address_changes = 0
        self.not_authentic = 0
        self.withheld = 0  # datagrams not sent to an address that has not confirmed itself
        self._logged_refusals: set[tuple[Address, str]] = set()

    @property
    def is_established(self) -> bool:
        return self._current is not None

    @property
    def is_confirmed(self) -> bool:
        return self._confirmed

    def confirm_address(self) -> None:
        """A round trip to the present address has succeeded."""
        self._confirmed = True

    # --- datagrams in ---

    def receive(self, datagram: bytes, address: Address, now_ns: int) -> tuple[DatagramKind, bytes] | None:
        """The opened RTP or RTCP packet, or None when the datagram was something else.

        Small messages are left in `messages`.
        """
        kind = datagram_kind(datagram)
        if kind is DatagramKind.DTLS:
            if is_application_data(datagram):
                self._receive_messages(datagram, address, now_ns)
            else:
                self._receive_dtls(datagram, address, now_ns)
            return None
        if kind is DatagramKind.UNKNOWN:
            return None
        is_rtcp = kind is DatagramKind.RTCP
        for session in (self._current, self._upcoming, self._previous):
            if session is None:
                continue
            plain = session.srtp.unprotect_rtcp(datagram) if is_rtcp else session.srtp.unprotect_rtp(datagram)
            if plain is not None:
                self._note_authentic(session, datagram, is_rtcp, address, now_ns)
                return kind, plain
        self.not_authentic += 1
        return None

    def _note_authentic(self, session: _Session, datagram: bytes, is_rtcp: bool, address: Address, now_ns: int) -> None:
        self.last_authenticated_ns = now_ns
        self.cause = ""
        if session is self._upcoming:
            self._promote(session, now_ns)
            self.peer_address, self._confirmed = address, True
        if address == self.peer_address:
            if not self._confirmed:
                self._allowance_bytes += AMPLIFICATION_LIMIT * len(datagram)
        elif session is self._current and self._is_newest(session, datagram, is_rtcp):
            logger.info("the peer is now at %s:%d", *address)
            self.peer_address, self._confirmed = address, False
            self._allowance_bytes = AMPLIFICATION_LIMIT * len(datagram)
            self.address_changes += 1
            return
        self._is_newest(session, datagram, is_rtcp)

    @staticmethod
    def _is_newest(session: _Session, datagram: bytes, is_rtcp: bool) -> bool:
        """Whether no authentic packet of its stream came with a newer index; remembers it."""
        if is_rtcp:
            index = int.from_bytes(datagram[-4:], "big") & SRTCP_INDEX_MASK
            newest = session.newest.get(-1)
            if newest is not None and index <= newest:
                return False
            session.newest[-1] = index
            return True
        ssrc = int.from_bytes(datagram[8:12], "big")
        sequence = int.from_bytes(datagram[2:4], "big")
        newest = session.newest.get(ssrc)
        if newest is not None and sequence_delta(sequence, newest) <= 0:
            return False
        session.newest[ssrc] = sequence
        return True

    def _receive_messages(self, datagram: bytes, address: Address, now_ns: int) -> None:
        """They come from any address, as media does, but only media moves the peer's address.

        DTLS 1.2 does not say whose a record is: the one that can open it gives its content (RFC 6347, section 4.1.2.7).
        """
        for session in (self._current, self._upcoming, self._previous):
            if session is None:
                continue
            opened = session.association.receive(datagram, now_ns)
            if opened:
                self.messages += opened
                self.last_authenticated_ns = now_ns
                if session is self._upcoming:
                    self._promote(session, now_ns)
                return
        self.not_authentic += 1

    # --- handshakes ---

    def _receive_dtls(self, datagram: bytes, address: Address, now_ns: int) -> None:
        handshake = self._handshakes.get(address)
        is_hello = _is_client_hello(datagram)
        begins = is_hello and not self._is_client and (handshake is None or handshake.hello_random != _random(datagram))
        if handshake is not None and not begins:
            handshake.association.receive(datagram, now_ns)
            self._drain(handshake.association, address)
            self._judge(address, handshake, now_ns)
            return
        if begins:
            if not self._make_room(address, now_ns):
                return
            association = self._listener.receive(datagram, address, now_ns)
            self.outbox += [(reply, address) for reply in self._listener.datagrams_to_send()]
            if association is not None:
                handshake = self._handshakes[address] = _Handshake(association, now_ns, _random(datagram))
                self._drain(association, address)
                self._judge(address, handshake, now_ns)
            return
        for session in (self._upcoming, self._current):
            if session is not None and address == self.peer_address:
                session.association.receive(datagram, now_ns)
                self._drain(session.association, address)
                if session is self._current and session.association.state is DtlsState.CLOSED:
                    self._current = None
                    self.cause = "the peer has closed the link"
                    self._next_handshake_ns = now_ns

    def _make_room(self, newcomer: Address, now_ns: int) -> bool:
        """Whether there is a place for a handshake with `newcomer`, where need be that of the host with most places."""
        if newcomer in self._handshakes:
            return True
        by_host: dict[str, list[Address]] = {}
        for address in self._handshakes:  # the oldest first
            by_host.setdefault(_host(address), []).append(address)
        own = by_host.get(_host(newcomer), [])
        if len(own) >= HANDSHAKES_PER_HOST:
            if now_ns - self._handshakes[own[0]].started_ns < HANDSHAKE_UNDISTURBED_NS:
                return False
            del self._handshakes[own[0]]
        elif len(self._handshakes) >= HANDSHAKES_AT_ONCE:
            del self._handshakes[max(by_host.values(), key=len)[0]]
        return True

    def _judge(self, address: Address, handshake: _Handshake, now_ns: int) -> None:
        association = handshake.association
        if association.state is DtlsState.ESTABLISHED:
            del self._handshakes[address]
            assert association.srtp_keys is not None
            session = _Session(association, SrtpSession(association.srtp_keys), now_ns)
            self.sessions += 1
            if self._is_client or self._current is None:
                self._promote(session, now_ns)
                self.peer_address, self._confirmed = address, True
            else:
                self._upcoming = session
        elif association.state is DtlsState.REFUSED and handshake.refused_ns is None:
            handshake.refused_ns = now_ns
            self._next_handshake_ns = now_ns + RETRY_AFTER_REFUSAL_NS
            if self._current is None:
                self.cause = association.refusal
            self._log_refusal(address, association.refusal)

    def _log_refusal(self, address: Address, refusal: str) -> None:
        """Once for each host and reason: a stranger that tries all night fills no log."""
        key = ((address[0], 0), refusal)
        if key not in self._logged_refusals:
            if len(self._logged_refusals) > 64:
                self._logged_refusals.clear()
            self._logged_refusals.add(key)
            logger.warning("link refused with %s: %s", address[0], refusal)

    def _promote(self, session: _Session, now_ns: int) -> None:
        self._previous, self._current, self._upcoming = self._current, session, None
        self._promoted_ns = now_ns
        self.cause = ""
        logger.info("link up with %s", self._peer_name)

    def _drain(self, association: DtlsAssociation, address: Address) -> None:
        self.outbox += [(datagram, address) for datagram in association.datagrams_to_send()]

    # --- timers ---

    def poll(self, now_ns: int) -> None:
        """Run what is due: repeats, new handshakes, forgetting."""
        for address, handshake in list(self._handshakes.items()):
            handshake.association.handle_timeout(now_ns)
            self._drain(handshake.association, address)
            self._judge_age(address, handshake, now_ns)
        if self._previous is not None and now_ns - self._promoted_ns > OLD_KEYS_KEPT_NS:
            self._previous = None
        if self._is_client and now_ns >= self._next_handshake_ns and self._wants_handshake(now_ns):
            self._start_handshake(now_ns)

    def _judge_age(self, address: Address, handshake: _Handshake, now_ns: int) -> None:
        limit_ns = HANDSHAKE_LIMIT_NS
        if self._is_client:
            limit_ns = ANSWERED_AGAIN_NS if handshake.association.is_answered else HELLO_AGAIN_NS
        since_ns = handshake.started_ns
        if handshake.refused_ns is not None:
            limit_ns, since_ns = REFUSED_KEPT_NS, handshake.refused_ns
        if now_ns - since_ns > limit_ns:
            del self._handshakes[address]
            if self._is_client and self._current is None and handshake.refused_ns is None:
                self.cause = "the peer does not answer"

    def _wants_handshake(self, now_ns: int) -> bool:
        if self._current is None:
            return not any(handshake.refused_ns is None for handshake in self._handshakes.values())
        if self._handshakes:
            return False
        heard_ns = max(self.last_authenticated_ns or 0, self._current.since_ns)
        return now_ns - heard_ns > SILENCE_BEFORE_HANDSHAKE_NS or now_ns - self._current.since_ns > self._rekey_after_ns

    def _start_handshake(self, now_ns: int) -> None:
        assert self._configured_address is not None
        association = DtlsAssociation(self._identity, peer_name=self._peer_name)
        association.start(now_ns)
        self._handshakes[self._configured_address] = _Handshake(association, now_ns)
        self._drain(association, self._configured_address)

    def next_timer_ns(self, now_ns: int) -> int:
        timers = [h.association.next_timer_ns or FOREVER_NS for h in self._handshakes.values()]
        if self._is_client:
            timers.append(max(self._next_handshake_ns, now_ns + 100_000_000))
        return min(timers, default=FOREVER_NS)

    # --- datagrams out ---

    def send_rtp(self, packet: bytes) -> bool:
        """Seal and put in the outbox. False: there is no session, or the address is not confirmed."""
        session = self._current
        if session is None or self.peer_address is None or not self._may_send(len(packet) + SEAL_BYTES):
            return False
        self.outbox.append((session.srtp.protect_rtp(packet), self.peer_address))
        return True

    def send_rtcp(self, packet: bytes) -> bool:
        """As `send_rtp`."""
        session = self._current
        if session is None or self.peer_address is None or not self._may_send(len(packet) + RTCP_SEAL_BYTES):
            return False
        self.outbox.append((session.srtp.protect_rtcp(packet), self.peer_address))
        return True

    def send_message(self, message: bytes) -> bool:
        """As `send_rtp`, for 1 to dtls.MAX_MESSAGE_BYTES bytes in a DTLS record of the session."""
        session = self._current
        if session is None or session.association.state is not DtlsState.ESTABLISHED or self.peer_address is None:
            return False
        if not self._may_send(len(message) + RECORD_HEADER_BYTES + RECORD_SEAL_BYTES):
            return False
        session.association.send(message)
        self._drain(session.association, self.peer_address)
        return True

    def _may_send(self, sealed_bytes: int) -> bool:
        if self._confirmed:
            return True
        if sealed_bytes > self._allowance_bytes:
            self.withheld += 1
            return False
        self._allowance_bytes -= sealed_bytes
        return True

    def close(self) -> None:
        """Tell the peer that we leave; it need not wait for a time-out."""
        if self._current is not None and self.peer_address is not None:
            self._current.association.close()
            self._drain(self._current.association, self.peer_address)


def _host(address: Address) -> str:
    """Who can have many addresses like this one: an IPv4 address, or the /64 network of an IPv6 address."""
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    return str(ip) if ip.version == 4 else str(int(ip) >> 64)


def _is_client_hello(datagram: bytes) -> bool:
    """A plaintext handshake record that begins with a ClientHello (RFC 6347, section 4)."""
    return len(datagram) > 13 and datagram[0] == 22 and datagram[3:5] == b"\0\0" and datagram[13] == 1


def _random(hello: bytes) -> bytes:
    """A hello that is repeated has the same; two flights of answers to one hello would not fit together."""
    return hello[HELLO_RANDOM]
