"""Whatever arrives: nothing raises, nothing gets in, and an established association stands."""

import pytest
from dtls_pair import ADDRESS, ON_TIME, RECEIVER, SENDER, DtlsPair
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.dtls import DtlsAssociation, DtlsListener, DtlsState
from daemon.link.dtls_record import MAX_DATAGRAM_BYTES, pack_datagrams, split_records
from provisioning.authority import Authority

AUTHORITY = Authority.make("authority of the tests")
SENDER_IDENTITY = AUTHORITY.issue(SENDER)
RECEIVER_IDENTITY = AUTHORITY.issue(RECEIVER)

FATAL_ALERT = bytes.fromhex("15fefd000000000000006300020230")  # epoch 0: fatal, unknown_ca
CLOSE_NOTIFY = bytes.fromhex("15fefd000000000000006400020100")
PLAIN_DATA = bytes.fromhex("17fefd0000000000000065000568656c6c6f")


def record(content_type: int, version: bytes, epoch: int, sequence: int, body: bytes) -> bytes:
    return bytes([content_type]) + version + epoch.to_bytes(2) + sequence.to_bytes(6) + len(body).to_bytes(2) + body


RECORDS = st.builds(
    record,
    st.integers(20, 23),
    st.sampled_from([b"\xfe\xff", b"\xfe\xfd"]),
    st.integers(0, 2),
    st.integers(0, 2**48 - 1) | st.integers(0, 8),
    st.binary(max_size=80),
)
GARBAGE = st.binary(max_size=100) | st.lists(RECORDS, min_size=1, max_size=3).map(b"".join)


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, int, int, int]]:
    """Which datagrams of a handshake are changed: sender, number, position, the bits that flip."""
    one = st.tuples(
        st.sampled_from(["client", "server"]),
        st.integers(0, 3),
        st.integers(0, MAX_DATAGRAM_BYTES),
        st.integers(1, 255),
    )
    return draw(st.lists(one, min_size=1, max_size=4))


@settings(max_examples=150, deadline=None)
@given(mutations=mutations(), also_original=st.booleans())
def test_a_changed_handshake_ends_in_the_right_keys_or_in_none(mutations, also_original):
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY)

    def fate(sender: str, n: int, datagram: bytes) -> tuple[int, ...]:
        changed = bytearray(datagram)
        for who, number, position, flip in mutations:
            if (who, number) == (sender, n):
                changed[position % len(changed)] ^= flip
        if changed != datagram:
            pair.deliver(sender, bytes(changed))
            return ON_TIME if also_original else ()
        return ON_TIME

    pair.fate = fate
    pair.handshake()

    assert max(len(datagram) for datagrams in pair.sent.values() for datagram in datagrams) <= MAX_DATAGRAM_BYTES
    for end in filter(None, (pair.client, pair.server)):
        assert end.state is not DtlsState.HANDSHAKING
        assert (end.srtp_keys is not None) == (end.state is DtlsState.ESTABLISHED)
        assert (end.refusal != "") == (end.state is not DtlsState.ESTABLISHED)
        assert "\n" not in end.refusal
    if pair.server and pair.client.srtp_keys and pair.server.srtp_keys:
        assert pair.client.srtp_keys.local_key == pair.server.srtp_keys.remote_key
        assert pair.client.srtp_keys.remote_salt == pair.server.srtp_keys.local_salt


@settings(max_examples=150, deadline=None)
@given(garbage=st.lists(GARBAGE, max_size=4), flights=st.integers(0, 2))
def test_garbage_in_a_handshake_never_raises_and_never_gets_keys(garbage, flights):
    """After `flights` good flights from the client, the rest is noise to both ends."""
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY, lambda sender, n, datagram: ON_TIME if n < flights else ())
    pair.client.start(0)
    for step in range(2 * flights):
        sender = "server" if step % 2 else "client"
        end = pair.client if sender == "client" else pair.server or pair.listener
        for datagram in end.datagrams_to_send():
            pair.deliver(sender, datagram)
    for datagram in garbage:
        pair.deliver("client", datagram)
        pair.deliver("server", datagram)
    for end in filter(None, (pair.client, pair.server)):
        assert end.state in (DtlsState.HANDSHAKING, DtlsState.REFUSED)
        assert end.srtp_keys is None


@settings(max_examples=300, deadline=None)
@given(datagram=GARBAGE)
def test_an_established_association_stands_whatever_strangers_send(datagram):
    for end in (STANDING.client, STANDING.server):
        assert end is not None
        assert end.receive(datagram, STANDING.now_ns) == []
        assert (end.state, end.refusal) == (DtlsState.ESTABLISHED, "")
        assert end.datagrams_to_send() == []


def standing_pair() -> DtlsPair:
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY)
    pair.handshake()
    assert pair.server is not None
    return pair


STANDING = standing_pair()


def test_an_established_association_stands_against_alerts_and_its_own_handshake_again():
    pair = standing_pair()
    assert pair.server is not None
    for datagram in [FATAL_ALERT, CLOSE_NOTIFY, PLAIN_DATA, *pair.sent["client"], *pair.sent["server"]]:
        pair.deliver("client", datagram)
        pair.deliver("server", datagram)
    pair.client.send(b"still here")
    pair.run()
    assert pair.messages == {"server": [b"still here"], "client": []}
    assert (pair.client.state, pair.server.state) == (DtlsState.ESTABLISHED, DtlsState.ESTABLISHED)


def test_the_answer_to_a_repeated_flight_is_not_given_faster_than_the_gap():
    pair = standing_pair()
    last_flight = pair.sent["client"][-1]
    pair.deliver("client", last_flight)
    pair.deliver("client", last_flight)
    assert pair.server is not None
    assert pair.server.datagrams_to_send() == []
    pair.now_ns += 50_000_000
    pair.deliver("client", last_flight)
    pair.deliver("client", last_flight)
    assert len(pair.server.datagrams_to_send()) == 1


def test_an_alert_in_the_handshake_is_a_refusal_with_a_reason():
    client = DtlsAssociation(SENDER_IDENTITY, peer_name=RECEIVER)
    client.start(0)
    client.datagrams_to_send()
    assert client.receive(FATAL_ALERT, 0) == []
    assert client.state is DtlsState.REFUSED
    assert client.refusal.startswith(f"the peer refused us ({SENDER}): our certificate is signed by another authority")
    assert client.receive(FATAL_ALERT, 10**9) == []
    assert client.datagrams_to_send() == []  # nothing to answer to one who refuses


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x16",
        FATAL_ALERT[:-1],
        FATAL_ALERT + b"\x15",
        b"\x80" + bytes(40),  # RTP
        record(22, b"\x03\x03", 0, 0, b"x"),  # TLS
        record(23, b"\xfe\xfd", 1, 7, bytes(23)),
        record(23, b"\xfe\xfd", 1, 7, bytes(MAX_DATAGRAM_BYTES)),
    ],
    ids=["empty", "one byte", "truncated", "trailing byte", "RTP", "TLS", "no room for a seal", "oversize"],
)
def test_what_is_not_dtls_is_ignored_and_counted(datagram):
    pair = standing_pair()
    client = DtlsAssociation(SENDER_IDENTITY, peer_name=RECEIVER)
    client.start(0)
    listener = DtlsListener(RECEIVER_IDENTITY, peer_name=SENDER)
    assert listener.receive(datagram, ADDRESS, 0) is None
    assert listener.ignored_datagrams == 1
    for end, state in ((client, DtlsState.HANDSHAKING), (pair.server, DtlsState.ESTABLISHED)):
        assert end is not None
        assert end.receive(datagram, 0) == []
        assert (end.ignored_datagrams, end.state) == (1, state)


@given(datagram=GARBAGE)
def test_records_are_split_and_packed_without_loss(datagram):
    records = split_records(datagram)
    assert b"".join(records) in (b"", datagram)
    packed = pack_datagrams(records * 10)
    assert b"".join(packed) == b"".join(records) * 10
    assert all(len(one) <= MAX_DATAGRAM_BYTES for one in packed)
