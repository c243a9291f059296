"""The cookie: a stranger costs nothing, and a cookie is good for one hello, one address and a minute."""

import pytest
from dtls_pair import ADDRESS, RECEIVER, SENDER
from hypothesis import given
from hypothesis import strategies as st

from daemon.link.dtls import DtlsAssociation, DtlsListener, DtlsState
from daemon.link.dtls_cookie import COOKIE_LIFETIME_NS, CookieGate
from provisioning.authority import Authority

AUTHORITY = Authority.make("authority of the tests")
SENDER_IDENTITY = AUTHORITY.issue(SENDER)
RECEIVER_IDENTITY = AUTHORITY.issue(RECEIVER)


def client_hello() -> tuple[DtlsAssociation, bytes]:
    client = DtlsAssociation(SENDER_IDENTITY, peer_name=RECEIVER)
    client.start(0)
    (hello,) = client.datagrams_to_send()
    return client, hello


def hello_with_cookie(gate: CookieGate, now_ns: int = 0) -> bytes:
    client, hello = client_hello()
    challenge = gate.challenge(hello, ADDRESS, now_ns)
    assert challenge is not None
    client.receive(challenge, 0)
    (second_hello,) = client.datagrams_to_send()
    return second_hello


HELLO = client_hello()[1]


def test_a_cookie_is_good_where_it_was_given():
    gate = CookieGate()
    assert gate.cookie_of(hello_with_cookie(gate), ADDRESS, 0) is not None


def test_a_first_hello_has_no_cookie():
    assert CookieGate().cookie_of(HELLO, ADDRESS, 0) is None


@pytest.mark.parametrize("address", [("192.0.2.8", ADDRESS[1]), (ADDRESS[0], ADDRESS[1] + 1)])
def test_a_cookie_is_not_good_for_another_address(address):
    gate = CookieGate()
    assert gate.cookie_of(hello_with_cookie(gate), address, 0) is None


def test_a_cookie_is_not_good_for_another_hello():
    gate = CookieGate()
    hello = bytearray(hello_with_cookie(gate))
    hello[30] ^= 1  # in the client's random
    assert gate.cookie_of(bytes(hello), ADDRESS, 0) is None


def test_a_cookie_is_not_good_for_another_listener():
    assert CookieGate().cookie_of(hello_with_cookie(CookieGate()), ADDRESS, 0) is None


def test_a_cookie_grows_old():
    gate = CookieGate()
    hello = hello_with_cookie(gate, COOKIE_LIFETIME_NS - 1)
    assert gate.cookie_of(hello, ADDRESS, 2 * COOKIE_LIFETIME_NS - 1) is not None
    assert gate.cookie_of(hello, ADDRESS, 2 * COOKIE_LIFETIME_NS) is None


def test_what_is_not_one_whole_hello_is_not_answered():
    gate = CookieGate()
    assert gate.challenge(HELLO, ADDRESS, 0) is not None
    assert all(gate.challenge(HELLO[:size], ADDRESS, 0) is None for size in range(len(HELLO)))
    assert gate.challenge(HELLO + b"\0", ADDRESS, 0) is None
    for position in (0, 3, 4, 13, 19, 20, 21):  # type, epoch, message type, fragment offset
        other = bytearray(HELLO)
        other[position] ^= 1
        assert gate.challenge(bytes(other), ADDRESS, 0) is None


@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    size=st.integers(0, len(HELLO) + 20),
)
def test_no_hello_is_answered_with_more_than_it_has(changes, size):
    datagram = bytearray(HELLO[:size].ljust(size, b"\0"))
    for position, value in changes:
        if datagram:
            datagram[position % len(datagram)] = value
    gate = CookieGate()
    challenge = gate.challenge(bytes(datagram), ADDRESS, 0)
    assert challenge is None or len(challenge) <= len(datagram)
    assert gate.cookie_of(bytes(datagram), ADDRESS, 0) is None


def test_the_listener_keeps_nothing_of_who_does_not_come_back():
    listener = DtlsListener(RECEIVER_IDENTITY, peer_name=SENDER)
    for _ in range(3):
        assert listener.receive(HELLO, ADDRESS, 0) is None
    assert len(listener.datagrams_to_send()) == 1  # the last one: the answers to the others went with their receive
    assert listener.ignored_datagrams == 0
    assert listener.receive(b"", ADDRESS, 0) is None
    assert listener.receive(bytes.fromhex("15fefd00000000000000000002022a"), ADDRESS, 0) is None  # an alert
    assert listener.ignored_datagrams == 2
    assert listener.datagrams_to_send() == []


CHANGES = {
    "message sequence": {17: 0, 18: 9},
    "highest record sequence": dict.fromkeys(range(5, 11), 0xFF),
    "high record sequence": dict.fromkeys(range(7, 11), 0xFF),
    "a": {80: 0xFF},
    "b": {100: 0xFF, 101: 0xFF},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_malformed_hello_with_a_good_cookie_harms_nobody_else(change):
    listener = DtlsListener(RECEIVER_IDENTITY, peer_name=SENDER)
    client, hello = client_hello()
    listener.receive(hello, ADDRESS, 0)
    client.receive(listener.datagrams_to_send()[0], 0)
    (second_hello,) = client.datagrams_to_send()
    server = listener.receive(second_hello, ADDRESS, 0)
    assert server is not None
    for datagram in server.datagrams_to_send():
        client.receive(datagram, 0)
    for datagram in client.datagrams_to_send():
        server.receive(datagram, 0)
    assert server.state is DtlsState.ESTABLISHED

    malformed = bytearray(second_hello)
    for position, value in change.items():
        malformed[position] = value
    stranger = listener.receive(bytes(malformed), ADDRESS, 0)
    assert stranger is None or stranger.srtp_keys is None

    # An OpenSSL that still had the stranger's error in its queue would now end the good association.
    assert server.receive(bytes.fromhex("17fefd000100000000000a0020") + bytes(32), 0) == []
    assert server.state is DtlsState.ESTABLISHED
