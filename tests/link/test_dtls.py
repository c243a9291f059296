"""DTLS associations: who gets in, who does not and why, and that no loss keeps them apart."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from dtls_pair import ADDRESS, LOST, ON_TIME, RECEIVER, SENDER, DtlsPair, Fate
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from daemon.errors import LinkError
from daemon.link import dtls
from daemon.link.dtls import (
    HANDSHAKE_LIMIT_NS,
    HELLO_REPEAT_NS,
    MAX_MESSAGE_BYTES,
    DtlsAssociation,
    DtlsListener,
    DtlsState,
)
from daemon.link.dtls_record import MAX_DATAGRAM_BYTES
from provisioning.authority import Authority
from provisioning.identity import Identity

PAST = datetime(2024, 3, 1, tzinfo=UTC)
FUTURE = datetime(2090, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND_NS = 1_000_000_000

AUTHORITY = Authority.make("authority of the tests")
STRANGE_AUTHORITY = Authority.make("authority of the tests")  # of the same name: the name alone must not do
SENDER_IDENTITY = AUTHORITY.issue(SENDER)
RECEIVER_IDENTITY = AUTHORITY.issue(RECEIVER)


def altered(identity: Identity, name: str, **changes: object) -> Identity:
    """The same key under a certificate with another extended key usage or with more names."""
    extended_usage = changes.get("extended_usage", [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    more_names = [f"alias-{n}.of.a.device.with.many.names.cathlink" for n in range(int(changes.get("more_names", 0)))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(identity.certificate.subject)
        .issuer_name(AUTHORITY.certificate.subject)
        .public_key(identity.private_key.public_key())
        .serial_number(1)
        .not_valid_before(identity.certificate.not_valid_before_utc)
        .not_valid_after(identity.certificate.not_valid_after_utc)
        .add_extension(x509.ExtendedKeyUsage(extended_usage), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in [name, *more_names]]), critical=False)
        .sign(AUTHORITY.private_key, hashes.SHA256())
    )
    return Identity(certificate, identity.private_key, identity.authorities)


def established(fate: Fate = lambda sender, n, datagram: ON_TIME) -> DtlsPair:
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY, fate)
    pair.handshake()
    assert_established(pair)
    return pair


def assert_established(pair: DtlsPair) -> None:
    assert pair.server is not None
    assert (pair.client.state, pair.client.refusal) == (DtlsState.ESTABLISHED, "")
    assert (pair.server.state, pair.server.refusal) == (DtlsState.ESTABLISHED, "")
    ours, theirs = pair.client.srtp_keys, pair.server.srtp_keys
    assert ours is not None
    assert theirs is not None
    assert (ours.local_key, ours.local_salt) == (theirs.remote_key, theirs.remote_salt)
    assert (ours.remote_key, ours.remote_salt) == (theirs.local_key, theirs.local_salt)
    assert [len(part) for part in (ours.local_key, ours.remote_key)] == [16, 16]
    assert [len(part) for part in (ours.local_salt, ours.remote_salt)] == [12, 12]
    assert ours.local_key != ours.remote_key
    assert pair.client.next_timer_ns is None
    assert pair.server.next_timer_ns is None


def test_two_identities_of_one_authority_agree_on_keys_crosswise():
    pair = established()
    # Hello, hello with cookie, certificate; cookie, certificate, finished: nothing was said twice.
    assert [len(pair.sent[sender]) for sender in ("client", "server")] == [3, 3]


def test_two_associations_never_share_keys_and_keys_are_not_printed():
    first, second = established().client.srtp_keys, established().client.srtp_keys
    assert first != second
    assert first is not None
    assert repr(first) == "SrtpKeys()"


def test_a_stranger_is_answered_with_less_than_it_sent():
    pair = established()
    assert len(pair.sent["server"][0]) < len(pair.sent["client"][0]) / 2


@pytest.mark.parametrize("sender", ["client", "server"])
@pytest.mark.parametrize("lost", range(3))
def test_any_lost_flight_is_repeated(sender, lost):
    pair = established(lambda who, n, datagram: LOST if (who, n) == (sender, lost) else ON_TIME)
    assert pair.now_ns < SECOND_NS


def test_a_hello_without_answer_is_repeated_steadily():
    """The peer that comes up while nobody answers is found within a tenth of a second, not after a back-off."""
    up_ns = 1_230_000_000
    pair = DtlsPair(
        SENDER_IDENTITY,
        RECEIVER_IDENTITY,
        lambda sender, n, datagram: LOST if sender == "client" and n * HELLO_REPEAT_NS < up_ns else ON_TIME,
    )
    pair.handshake()
    assert_established(pair)
    assert up_ns < pair.now_ns < up_ns + HELLO_REPEAT_NS + 50_000_000


FATES = st.sampled_from([LOST, ON_TIME, ON_TIME * 2, (300_000_000,), (700_000_000,), (10_000_000, 500_000_000)])


@settings(max_examples=80, deadline=None)
@given(
    fates=st.lists(FATES, max_size=24).filter(lambda fates: fates.count(LOST) <= 5), more_names=st.sampled_from([0, 30])
)
def test_loss_delay_duplication_and_reordering_end_in_the_same_keys(fates, more_names):
    script = iter(fates)
    pair = DtlsPair(
        altered(SENDER_IDENTITY, SENDER, more_names=more_names),
        altered(RECEIVER_IDENTITY, RECEIVER, more_names=more_names),
        lambda sender, n, datagram: next(script, ON_TIME),
    )
    pair.handshake()
    assert_established(pair)


@pytest.mark.parametrize("lost", range(4))
@pytest.mark.parametrize("sender", ["client", "server"])
def test_flights_of_several_datagrams_survive_the_loss_of_any(sender, lost):
    pair = DtlsPair(
        altered(SENDER_IDENTITY, SENDER, more_names=30),
        altered(RECEIVER_IDENTITY, RECEIVER, more_names=30),
        lambda who, n, datagram: LOST if (who, n) == (sender, lost) else ON_TIME,
    )
    pair.handshake()
    assert_established(pair)
    assert len(pair.sent[sender]) >= 4
    assert max(len(datagram) for datagrams in pair.sent.values() for datagram in datagrams) <= MAX_DATAGRAM_BYTES


def test_a_silent_peer_is_given_up_with_a_reason():
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY, lambda sender, n, datagram: LOST)
    pair.handshake()
    assert pair.client.state is DtlsState.CLOSED
    assert pair.client.refusal == "no answer from the peer within 10 s"
    assert pair.now_ns == HANDSHAKE_LIMIT_NS
    hellos = pair.sent["client"]
    assert [int.from_bytes(hello[5:11]) for hello in hellos] == list(range(len(hellos)))  # a new number each time
    assert len({hello[11:] for hello in hellos}) == 1
    assert len(hellos) == HANDSHAKE_LIMIT_NS // HELLO_REPEAT_NS


def test_a_timer_that_is_called_early_does_nothing():
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY)
    pair.client.start(0)
    pair.client.datagrams_to_send()
    due_ns = pair.client.next_timer_ns
    assert due_ns is not None
    pair.client.handle_timeout(due_ns - 1)
    assert pair.client.datagrams_to_send() == []
    pair.client.handle_timeout(due_ns)
    assert len(pair.client.datagrams_to_send()) == 1


BAD_IDENTITIES = {
    "other authority": (
        lambda name: STRANGE_AUTHORITY.issue(name),
        "the peer's certificate is signed by another authority",
        "signed by another authority",
    ),
    "self-signed": (
        lambda name: self_signed(name),
        "the peer's certificate is signed by another authority",
        "signed by another authority",
    ),
    "expired": (
        lambda name: AUTHORITY.issue(name, not_before=PAST, not_after=PAST + DAY),
        "the peer's certificate expired on 2024-03-02",
        "is expired by the peer's clock",
    ),
    "not yet valid": (
        lambda name: AUTHORITY.issue(name, not_before=FUTURE, not_after=FUTURE + DAY),
        "the peer's certificate is not valid before 2090-03-01",
        "not yet valid by the peer's clock",
    ),
    "other name": (
        lambda name: AUTHORITY.issue("intruder.test.cathlink"),
        "the peer is named intruder.test.cathlink, not {name}",
        "(intruder.test.cathlink): it expects another name",
    ),
    "other purpose": (
        lambda name: altered(AUTHORITY.issue(name), name, extended_usage=[ExtendedKeyUsageOID.CODE_SIGNING]),
        "the peer's certificate is not meant for the link (extended key usage)",
        "not meant for the link",
    ),
}


def self_signed(name: str) -> Identity:
    authority = Authority.make(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(authority.certificate.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(authority.private_key.public_key())
        .serial_number(1)
        .not_valid_before(PAST)
        .not_valid_after(FUTURE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(authority.private_key, hashes.SHA256())
    )
    return Identity(certificate, authority.private_key, (AUTHORITY.certificate,))


@pytest.mark.parametrize("alert_is_lost", [False, True])
@pytest.mark.parametrize("bad_end", ["client", "server"])
@pytest.mark.parametrize("case", BAD_IDENTITIES)
def test_a_bad_identity_is_refused_and_both_ends_know_why(case, bad_end, alert_is_lost):
    make, objection, told = BAD_IDENTITIES[case]
    name = SENDER if bad_end == "client" else RECEIVER
    made = make(name)
    bad = Identity(made.certificate, made.private_key, (AUTHORITY.certificate,))
    good_end = "server" if bad_end == "client" else "client"
    alert_is_next = alert_is_lost

    def fate(sender: str, n: int, datagram: bytes) -> tuple[int, ...]:
        nonlocal alert_is_next
        is_alert = sender == good_end and datagram[0] == 21
        if is_alert and alert_is_next:
            alert_is_next = False
            return LOST
        return ON_TIME

    pair = DtlsPair(
        bad if bad_end == "client" else SENDER_IDENTITY, RECEIVER_IDENTITY if bad_end == "client" else bad, fate
    )
    pair.handshake()

    refusing, refused = (pair.server, pair.client) if bad_end == "client" else (pair.client, pair.server)
    assert refusing is not None
    assert refused is not None
    assert (refusing.state, refusing.refusal) == (DtlsState.REFUSED, objection.format(name=name))
    assert refused.state is DtlsState.REFUSED
    assert refused.refusal.startswith("the peer refused us (")
    assert told in refused.refusal
    assert refusing.srtp_keys is None
    assert refused.srtp_keys is None
    assert not alert_is_next
    assert pair.now_ns < SECOND_NS


def test_an_expired_authority_is_named_as_such():
    old = Authority.make("old authority", not_before=PAST, not_after=PAST + DAY)
    pair = DtlsPair(old.issue(SENDER), old.issue(RECEIVER))
    pair.handshake()
    assert pair.client.refusal == "the certificate of the peer's authority expired on 2024-03-02"


def test_a_certificate_that_cannot_be_read_is_a_refusal(monkeypatch):
    def trip(certificate: x509.Certificate) -> tuple[str, ...]:
        raise x509.InvalidVersion("nine", 9)

    monkeypatch.setattr(dtls, "dns_names", trip)
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY)
    pair.handshake()
    assert pair.client.state is DtlsState.REFUSED
    assert pair.client.refusal == "the peer's certificate cannot be read (InvalidVersion)"


def test_a_client_without_certificate_is_refused():
    context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    listener = DtlsListener(RECEIVER_IDENTITY, peer_name=SENDER)
    server: DtlsAssociation | None = None
    for _ in range(4):
        with pytest.raises(SSL.Error):  # WantRead, and in the end the server's alert
            connection.do_handshake()
        try:
            datagrams = dtls.pack_datagrams(dtls.split_records(connection.bio_read(1 << 16)))
        except SSL.WantReadError:
            break
        for datagram in datagrams:
            if server is None:
                server = listener.receive(datagram, ADDRESS, 0)
            else:
                server.receive(datagram, 0)
        for datagram in listener.datagrams_to_send() + (server.datagrams_to_send() if server else []):
            connection.bio_write(datagram)
    assert server is not None
    assert server.state is DtlsState.REFUSED
    assert "did not return a certificate" in server.refusal


def test_a_peer_without_our_srtp_profile_is_refused(monkeypatch):
    monkeypatch.setattr(dtls, "_SRTP_PROFILE", b"SRTP_AES128_CM_SHA1_80")
    client = DtlsAssociation(SENDER_IDENTITY, peer_name=RECEIVER)
    monkeypatch.undo()
    pair = DtlsPair(SENDER_IDENTITY, RECEIVER_IDENTITY)
    pair.client = client
    pair.handshake()
    assert pair.server is not None
    for end in (pair.client, pair.server):
        assert end.state is DtlsState.REFUSED
        assert end.refusal == "the peer does not offer the SRTP profile SRTP_AEAD_AES_128_GCM"
        assert end.srtp_keys is None


def test_messages_go_both_ways_up_to_their_limit():
    pair = established()
    assert pair.server is not None
    largest = bytes(range(256)) * 5
    pair.client.send(b"first")
    pair.client.send(b"second")
    pair.client.send(largest[:MAX_MESSAGE_BYTES])
    pair.server.send(b"back")
    pair.run()
    assert pair.messages == {"server": [b"first", b"second", largest[:MAX_MESSAGE_BYTES]], "client": [b"back"]}
    assert max(map(len, pair.sent["client"])) == MAX_DATAGRAM_BYTES
    for unfit in (b"", largest[: MAX_MESSAGE_BYTES + 1]):
        with pytest.raises(LinkError):
            pair.client.send(unfit)


def test_a_message_is_delivered_once_however_often_it_arrives():
    pair = established(lambda sender, n, datagram: ON_TIME * 3)
    pair.client.send(b"once")
    pair.run()
    assert pair.messages["server"] == [b"once"]


def test_close_tells_the_peer():
    pair = established()
    assert pair.server is not None
    pair.client.close()
    pair.run()
    assert (pair.client.state, pair.client.refusal) == (DtlsState.CLOSED, "")
    assert (pair.client.srtp_keys, pair.server.srtp_keys) == (None, None)
    assert (pair.server.state, pair.server.refusal) == (DtlsState.CLOSED, "the peer closed the association")
    with pytest.raises(LinkError):
        pair.server.send(b"too late")


def test_close_in_the_handshake_is_silent_and_final():
    client = DtlsAssociation(SENDER_IDENTITY, peer_name=RECEIVER)
    client.start(0)
    client.datagrams_to_send()
    client.close()
    assert (client.state, client.next_timer_ns, client.datagrams_to_send()) == (DtlsState.CLOSED, None, [])
