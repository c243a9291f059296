"""Who gets the slot, who keeps it, and where packets go: strangers, floods, replays, false addresses."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.transport import AMPLIFICATION_LIMIT, FOREVER_NS, HANDSHAKES_AT_ONCE, Address, SecureTransport
from provisioning.authority import Authority
from provisioning.identity import Identity
from tests.link.link_pair import AUTHORITY, RECEIVER, RECEIVER_ADDRESS, SENDER_ADDRESS, LinkPair
from tests.link.path_model import MS, S

STRANGER_ADDRESS = ("203.0.113.5", 5555)
RTT_20 = {"delay_ns": 10 * MS}
PAST = datetime(2024, 3, 1, tzinfo=UTC)

STRANGERS = {
    "of another authority": Authority.make("authority of the simulation").issue("sender.test.cathlink"),
    "expired": AUTHORITY.issue("sender.test.cathlink", not_before=PAST, not_after=PAST + timedelta(days=1)),
    "of another name": AUTHORITY.issue("somebody.test.cathlink"),
}


class Stranger:
    """A client of its own, whose datagrams reach the receiver of a pair at once."""

    def __init__(self, pair: LinkPair, identity: Identity, address: Address = STRANGER_ADDRESS) -> None:
        self._pair, self._address = pair, address
        self.transport = SecureTransport(
            identity, RECEIVER, peer_address=RECEIVER_ADDRESS, rekey_after_ns=FOREVER_NS, now_ns=pair.now_ns
        )

    def exchange(self, rounds: int = 6) -> None:
        """Let both speak, as often as a handshake needs it."""
        pair = self._pair
        self.transport.poll(pair.now_ns)
        for _ in range(rounds):
            sent, self.transport.outbox = self.transport.outbox, []
            for datagram, _ in sent:
                pair.receiver.receive_datagram(datagram, self._address, pair.receiver_ns)
            pair.poll_receiver()
            for datagram, address in pair.strays:
                if address == self._address:
                    self.transport.receive(datagram, RECEIVER_ADDRESS, pair.now_ns)
            pair.strays.clear()


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_is_refused_and_leaves_the_slot_free(kind: str) -> None:
    pair = LinkPair(forward=RTT_20)
    pair.carries = lambda end, datagram: end == "receiver"  # the right sender is not there yet
    stranger = Stranger(pair, STRANGERS[kind])
    stranger.exchange()
    assert not stranger.transport.is_established
    assert not pair.receiver.transport.is_established
    assert pair.receiver.transport.cause
    pair.carries = lambda end, datagram: True
    pair.restart_sender()
    pair.run_until(lambda: len(pair.arrivals) > 0, limit_ns=300 * MS)
    assert pair.receiver.transport.cause == ""


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_does_not_disturb_a_running_session(kind: str) -> None:
    pair = LinkPair(forward=RTT_20)
    pair.run(1 * S)
    for number in range(10):
        stranger = Stranger(pair, STRANGERS[kind], (STRANGER_ADDRESS[0], 5000 + number))
        stranger.exchange()
        assert not stranger.transport.is_established
        pair.run(200 * MS)
    pair.check(slack_ns=10 * MS)
    assert pair.receiver.transport.sessions == 1
    assert pair.receiver.transport.peer_address == SENDER_ADDRESS
    assert pair.receiver.transport.cause == ""
    assert pair.receiver.video.units_lost == 0
    assert pair.latencies_ms()[-1] < 15


def half_open(pair: LinkPair, address: Address) -> None:
    """A client that takes the challenge and says its second hello, then nothing."""
    Stranger(pair, STRANGERS["of another name"], address).exchange(rounds=2)


@pytest.mark.parametrize("hosts", [1, 5])
def test_a_flood_of_half_open_handshakes_keeps_nobody_out(hosts: int) -> None:
    """Each millisecond another one begins; no host has all the places, and the peer gets in as if it were alone."""
    pair = LinkPair(forward=RTT_20)
    pair.encoder.is_running = False
    for number in range(200):
        half_open(pair, (f"203.0.113.{number % hosts}", 2000 + number))
        pair.run(1 * MS)
        assert len(pair.receiver.transport._handshakes) <= HANDSHAKES_AT_ONCE
        if pair.sender.transport.is_established:
            break
    assert pair.receiver.transport.is_established
    assert pair.now_ns < pair.encoder.next_ns + 150 * MS


def test_a_host_that_floods_makes_no_work() -> None:
    """Its handshakes are begun at most every so often: each costs a signature and a key exchange."""
    pair = LinkPair(forward=RTT_20)
    pair.carries = lambda end, datagram: end == "receiver"
    begun = set()
    for number in range(300):
        half_open(pair, (STRANGER_ADDRESS[0], 2000 + number))
        begun |= set(pair.receiver.transport._handshakes)
        pair.run(1 * MS)
    assert len(begun) <= 3


def test_a_host_that_failed_before_may_try_again() -> None:
    pair = LinkPair(forward=RTT_20)
    for number in range(3):
        half_open(pair, (SENDER_ADDRESS[0], 2000 + number))
    pair.run(1 * S)
    assert pair.receiver.transport.is_established


def test_a_repeated_hello_is_answered_by_the_handshake_that_it_began() -> None:
    """Another one would answer with other keys: parts of two answers, put together, fail at the client."""
    pair = LinkPair(forward=RTT_20)
    pair.encoder.is_running = False
    begun: list[object] = []

    def carries(end: str, datagram: bytes) -> bool:
        begun.extend(handshake.association for handshake in pair.receiver.transport._handshakes.values())
        return end == "sender" or len(datagram) < 300  # the challenge passes, the server's flight does not

    pair.carries = carries
    pair.run(1 * S)
    assert len(begun) > 3
    assert len(set(map(id, begun))) == 1
    pair.carries = lambda end, datagram: True
    pair.run(1 * S)
    assert pair.sender.transport.is_established


@settings(max_examples=30)
@given(st.integers(0, 1 << 30))
def test_a_flood_of_garbage_changes_nothing(seed: int) -> None:
    pair, draw = LinkPair(forward=RTT_20), random.Random(seed)
    taken: list[bytes] = []

    def carries(end: str, datagram: bytes) -> bool:
        if end == "sender" and len(taken) < 50:
            taken.append(datagram)
        return True

    pair.carries = carries
    pair.run(200 * MS)
    for _ in range(100):
        for _ in range(5):
            if draw.random() < 0.5:
                garbage = bytearray(draw.choice(taken))
                garbage[draw.randrange(len(garbage))] ^= draw.randrange(1, 256)
            else:
                garbage = bytearray(draw.randbytes(draw.randrange(1, 1400)))
            pair.receiver.receive_datagram(
                bytes(garbage), draw.choice([STRANGER_ADDRESS, SENDER_ADDRESS]), pair.receiver_ns
            )
            pair.sender.receive_datagram(bytes(garbage), draw.choice([STRANGER_ADDRESS, RECEIVER_ADDRESS]), pair.now_ns)
        pair.run(5 * MS)
    pair.check(slack_ns=10 * MS)
    assert pair.receiver.transport.peer_address == SENDER_ADDRESS
    assert pair.receiver.transport.address_changes == 0
    assert pair.receiver.video.units_lost == 0
    assert pair.receiver.transport.sessions == pair.sender.transport.sessions == 1
    assert len(pair.arrivals) >= 17
    assert pair.latencies_ms()[-1] < 15


def recorded(pair: LinkPair) -> list[bytes]:
    """From now on, what the sender sends."""
    datagrams: list[bytes] = []

    def carries(end: str, datagram: bytes) -> bool:
        if end == "sender":
            datagrams.append(datagram)
        return True

    pair.carries = carries
    return datagrams


def test_replayed_packets_move_no_address() -> None:
    pair = LinkPair(forward=RTT_20)
    pair.run(500 * MS)
    datagrams = recorded(pair)
    pair.run(500 * MS)
    for datagram in datagrams[:-100]:  # the last ones are still under way
        pair.receiver.receive_datagram(datagram, STRANGER_ADDRESS, pair.receiver_ns)
    pair.poll_receiver()
    assert pair.receiver.transport.peer_address == SENDER_ADDRESS
    assert pair.receiver.transport.address_changes == 0
    assert pair.strays == []


def test_a_packet_that_was_overtaken_moves_no_address_back() -> None:
    """Sent before the change of address, and on its way for longer."""
    pair = LinkPair(forward=RTT_20)
    pair.run(500 * MS)
    held: list[bytes] = []

    def carries(end: str, datagram: bytes) -> bool:
        if end == "sender" and len(held) < 8:
            held.append(datagram)
            return False
        return True

    pair.carries = carries
    pair.run(50 * MS)
    pair.sender_address = moved = (SENDER_ADDRESS[0], 50_000)
    pair.run(200 * MS)
    for datagram in held:
        pair.receiver.receive_datagram(datagram, SENDER_ADDRESS, pair.receiver_ns)
        assert pair.receiver.transport.peer_address == moved
    assert pair.receiver.transport.address_changes == 1
    assert pair.receiver.transport.not_authentic == 0  # they are good packets, only late


def test_an_unconfirmed_address_gets_three_times_what_it_sent_at_most() -> None:
    """Somebody on the path sends packets on from a victim's address, and cuts the sender off."""
    pair = LinkPair(forward=RTT_20)
    pair.run(500 * MS)
    captured: list[bytes] = []

    def steals(end: str, datagram: bytes) -> bool:
        if end == "sender" and len(captured) < 3 and is_rtcp(datagram):
            captured.append(datagram)
        return end == "receiver"

    pair.carries = steals
    pair.run(200 * MS)
    pair.strays.clear()
    injected = 0
    for datagram in captured:
        injected += len(datagram)
        pair.receiver.receive_datagram(datagram, STRANGER_ADDRESS, pair.receiver_ns)
    pair.run(1 * S)
    assert pair.receiver.transport.peer_address == STRANGER_ADDRESS
    assert not pair.receiver.transport.is_confirmed
    sent_bytes = sum(len(datagram) for datagram, address in pair.strays if address == STRANGER_ADDRESS)
    assert 0 < sent_bytes <= AMPLIFICATION_LIMIT * injected
    assert pair.receiver.transport.withheld > 0
    pair.carries = lambda end, datagram: True
    pair.run(500 * MS)
    assert pair.receiver.transport.peer_address == SENDER_ADDRESS
    assert pair.receiver.transport.is_confirmed


def is_rtcp(datagram: bytes) -> bool:
    return 128 <= datagram[0] <= 191 and 192 <= datagram[1] <= 223
