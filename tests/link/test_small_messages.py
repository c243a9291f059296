"""Small messages over the whole link, sealed: new keys, new addresses, ends that begin anew."""

from daemon.link.message_kinds import MessageKind
from tests.link.link_pair import LinkPair
from tests.link.path_model import MS, S

LOSSY = {"delay_ns": 10 * MS, "loss": 0.05, "jitter_ns": 3 * MS, "reorder": True}
NEW_ADDRESS = ("192.0.2.99", 50_000)


def exchange(pair: LinkPair, count: int, every_ns: int = 10 * MS, first: int = 0) -> None:
    """Messages both ways while pictures go on."""
    for number in range(first, first + count):
        assert pair.sender.send_small(MessageKind.BOARD, b"from the sender %d" % number, pair.now_ns)
        assert pair.receiver.send_small(MessageKind.BOARD, b"from the receiver %d" % number, pair.receiver_ns)
        pair.run(every_ns)


def check(pair: LinkPair, count: int) -> None:
    """All have come, each once."""
    for end, author in ((pair.receiver, b"sender"), (pair.sender, b"receiver")):
        payloads = [delivery.payload for delivery in end.small_deliveries]
        assert sorted(payloads) == sorted(b"from the %s %d" % (author, number) for number in range(count))


def test_messages_arrive_over_a_lossy_path() -> None:
    pair = LinkPair(forward=LOSSY)
    pair.run(S)
    exchange(pair, 200)
    pair.run(S)
    check(pair, 200)
    assert pair.sender.small.repeated > 0


def test_new_keys_lose_no_message() -> None:
    pair = LinkPair(forward=LOSSY, rekey_after_ns=S // 2)
    pair.run(S)
    exchange(pair, 300)
    pair.run(S)
    check(pair, 300)
    assert pair.sender.transport.sessions >= 5


def test_new_keys_on_a_good_path_cost_no_repetition() -> None:
    pair = LinkPair(forward={"delay_ns": 10 * MS}, rekey_after_ns=S // 2)
    pair.run(S)
    exchange(pair, 300, every_ns=5 * MS)
    pair.run(S)
    check(pair, 300)
    assert pair.sender.transport.sessions >= 3
    assert (pair.sender.small.repeated, pair.receiver.small.repeated) == (0, 0)


def test_a_new_address_loses_no_message() -> None:
    pair = LinkPair(forward=LOSSY)
    pair.run(S)
    exchange(pair, 50)
    pair.sender_address = NEW_ADDRESS
    exchange(pair, 50, first=50)
    pair.run(S)
    check(pair, 100)
    assert pair.receiver.transport.peer_address == NEW_ADDRESS


def test_an_end_that_begins_anew_is_heard_and_hears() -> None:
    pair = LinkPair(forward=LOSSY)
    pair.run(S)
    exchange(pair, 5)
    pair.restart_receiver()
    pair.run(3 * S)
    pair.sender.small_deliveries.clear()
    exchange(pair, 5)
    pair.restart_sender()
    pair.run(3 * S)
    pair.receiver.small_deliveries.clear()
    exchange(pair, 50)
    pair.run(S)
    check(pair, 50)


def test_a_message_is_not_queued_behind_the_video() -> None:
    pair = LinkPair(forward={"delay_ns": 10 * MS}, bitrate_bps=20_000_000)
    pair.run(S)
    assert pair.sender.send_small(MessageKind.POINTER, b"here", pair.now_ns)
    pair.sender.send_unit(pair.encoder.encode(pair.now_ns), pair.now_ns)
    pair.poll_sender()
    sent_ns = pair.now_ns
    pair.run_until(lambda: bool(pair.receiver.small_deliveries), S)
    assert pair.now_ns - sent_ns <= 11 * MS


def test_records_of_strangers_are_counted_and_change_nothing() -> None:
    pair = LinkPair(forward={"delay_ns": 10 * MS})
    pair.run(S)
    before = pair.receiver.transport.not_authentic
    record = b"\x17\xfe\xfd" + (1).to_bytes(2) + (7).to_bytes(6) + (60).to_bytes(2) + bytes(60)
    pair.receiver.receive_datagram(record, NEW_ADDRESS, pair.receiver_ns)
    assert pair.receiver.transport.not_authentic == before + 1
    exchange(pair, 5)
    pair.run(S)
    check(pair, 5)
