"""Reliable small messages: each comes once or its end is known; nothing waits behind what was lost."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.message_kinds import MAX_PAYLOAD_BYTES, RULES, MessageKind
from daemon.link.reliable import (
    IN_FLIGHT_BYTES,
    MAX_RECORD_BYTES,
    QUEUE_LIMIT,
    WINDOW,
    ReliableMessages,
    SmallDelivery,
)
from daemon.link.rtp import PacketError
from tests.link.path_model import MS, Channel, Path, S

RTT_NS = 20 * MS
BAD_PATH: Mapping[str, Any] = {
    "delay_ns": 10 * MS,
    "jitter_ns": 8 * MS,
    "reorder": True,
    "loss": 0.2,
    "duplicate": 0.2,
}


class Pair:
    """Two ends over two scripted paths, in simulated time."""

    def __init__(self, conditions: Mapping[str, Any], seed: int = 1, first_sequence: int = 0) -> None:
        self.now_ns = 0
        self.ends = {
            "a": ReliableMessages(epoch=11, first_sequence=first_sequence),
            "b": ReliableMessages(epoch=22, first_sequence=first_sequence),
        }
        self.channels: dict[str, Channel[bytes]] = {
            "a": Channel(Path(seed, **conditions)),
            "b": Channel(Path(seed + 1, **conditions)),
        }
        self.got: dict[str, list[SmallDelivery]] = {"a": [], "b": []}
        self.got_at_ns: dict[str, list[int]] = {"a": [], "b": []}

    def run(self, duration_ns: int) -> None:
        end_ns = self.now_ns + duration_ns
        while True:
            self._exchange()
            due = [channel.next_ns() for channel in self.channels.values()]
            due += [end.next_timer_ns() for end in self.ends.values()]
            next_ns = min(time_ns for time_ns in due if time_ns is not None)
            if next_ns > end_ns:
                self.now_ns = end_ns
                return
            self.now_ns = max(self.now_ns, next_ns)

    def _exchange(self) -> None:
        for name, other in (("a", "b"), ("b", "a")):
            for _, record in self.channels[other].receive(self.now_ns):
                deliveries = self.ends[name].receive(record)
                self.got[name] += deliveries
                self.got_at_ns[name] += [self.now_ns] * len(deliveries)
        for name, end in self.ends.items():
            for record in end.records_to_send(self.now_ns, RTT_NS):
                assert len(record) <= MAX_RECORD_BYTES
                self.channels[name].send(record, len(record), self.now_ns)
            assert len(end._under_way) <= WINDOW
            assert end._under_way_bytes <= IN_FLIGHT_BYTES
            assert end._under_way_bytes == sum(message.item_bytes for message in end._under_way.values())
            assert len(end._received) < WINDOW


def counted(number: int) -> bytes:
    return number.to_bytes(4)


def test_a_message_arrives_after_the_path_and_is_sent_once() -> None:
    pair = Pair({"delay_ns": 10 * MS})
    assert pair.ends["a"].send(MessageKind.BOARD, b"stroke", 0)
    pair.run(S)
    assert pair.got["b"] == [SmallDelivery(MessageKind.BOARD, b"stroke")]
    assert pair.got_at_ns["b"] == [10 * MS]
    assert (pair.ends["a"].sent, pair.ends["a"].repeated) == (1, 0)


def test_a_hundred_thousand_messages_leave_both_ends_equal() -> None:
    pair = Pair(BAD_PATH, seed=5, first_sequence=0xFFFF_FFFF - 1000)
    draw = random.Random(3)
    sent: dict[str, list[bytes]] = {"a": [], "b": []}
    while len(sent["a"]) + len(sent["b"]) < 100_000:
        for name, end in pair.ends.items():
            for _ in range(draw.randrange(20)):
                payload = counted(len(sent[name])) + draw.randbytes(draw.randrange(60))
                if end.send(MessageKind.BOARD, payload, pair.now_ns):
                    sent[name].append(payload)
        pair.run(draw.randrange(40) * MS)
    pair.run(5 * S)
    for name, other in (("a", "b"), ("b", "a")):
        assert sorted(delivery.payload for delivery in pair.got[other]) == sorted(sent[name])
        assert pair.ends[name].expired == 0


def test_a_lost_message_holds_up_none_of_the_others() -> None:
    pair = Pair({"delay_ns": 10 * MS, "script": [(0, {"loss": 1.0}), (1 * MS, {"loss": 0.0})]})
    pair.ends["a"].send(MessageKind.BOARD, b"lost at first", 0)
    pair.run(2 * MS)
    pair.ends["a"].send(MessageKind.BOARD, b"second", pair.now_ns)
    pair.run(S)
    assert [delivery.payload for delivery in pair.got["b"]] == [b"second", b"lost at first"]
    assert pair.got_at_ns["b"] == [12 * MS, 40 * MS]  # a round trip and 10 ms later, and the way


def test_a_message_is_not_sent_after_its_lifetime_and_what_follows_it_is() -> None:
    lifetime_ns = RULES[MessageKind.BOARD].lifetime_ns
    pair = Pair({"delay_ns": 10 * MS, "script": [(0, {"outage": True}), (lifetime_ns + S, {"outage": False})]})
    for number in range(WINDOW + 5):
        pair.ends["a"].send(MessageKind.BOARD, counted(number), 0)
    pair.run(lifetime_ns + S)
    assert pair.ends["a"].expired == WINDOW + 5
    pair.ends["a"].send(MessageKind.BOARD, b"after", pair.now_ns)
    pair.run(S)
    assert [delivery.payload for delivery in pair.got["b"]] == [b"after"]
    assert not pair.ends["a"]._under_way


def test_of_a_pointer_only_the_newest_is_under_way_and_an_older_one_is_dropped() -> None:
    pair = Pair({"script": [(0, {"delay_ns": 200 * MS}), (1 * MS, {"delay_ns": 10 * MS})], "reorder": True})
    pair.ends["a"].send(MessageKind.POINTER, counted(1), 0)
    pair.run(5 * MS)
    pair.ends["a"].send(MessageKind.POINTER, counted(2), pair.now_ns)
    assert len(pair.ends["a"]._under_way) == 0
    pair.run(S)
    assert [delivery.payload for delivery in pair.got["b"]] == [counted(2)]
    late = pair.ends["b"]
    assert late.duplicates + late.overtaken >= 1


def test_an_old_pointer_is_dropped_also_while_an_older_message_is_still_missing() -> None:
    sender, receiver = ReliableMessages(epoch=1), ReliableMessages(epoch=2)
    sender.send(MessageKind.BOARD, b"lost", 0)
    sender.records_to_send(0, RTT_NS)
    records = []
    for number in range(2):
        sender.send(MessageKind.POINTER, counted(number), MS)
        records += sender.records_to_send(MS, RTT_NS)
    assert [delivery.payload for delivery in receiver.receive(records[1])] == [counted(1)]
    assert receiver.receive(records[0]) == []
    assert receiver.overtaken == 1


def test_an_outage_floods_nobody() -> None:
    pair = Pair({"script": [(0, {"outage": True})]})
    for number in range(200):
        pair.ends["a"].send(MessageKind.BOARD, counted(number), 0)
    pair.run(4 * S)
    assert pair.ends["a"].repeated <= WINDOW * 14


def test_a_full_queue_refuses() -> None:
    end = ReliableMessages(epoch=1)
    assert all(end.send(MessageKind.BOARD, b"x", 0) for _ in range(QUEUE_LIMIT))
    assert not end.send(MessageKind.BOARD, b"x", 0)
    assert end.refused == 1
    end.drop_expired(RULES[MessageKind.BOARD].lifetime_ns)
    assert end.send(MessageKind.BOARD, b"x", RULES[MessageKind.BOARD].lifetime_ns)


def test_a_payload_that_is_too_long_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="1025 bytes"):
        ReliableMessages(epoch=1).send(MessageKind.BOARD, bytes(MAX_PAYLOAD_BYTES + 1), 0)


def test_an_end_that_begins_anew_is_understood_and_its_old_records_are_not() -> None:
    pair = Pair({"delay_ns": 10 * MS})
    pair.ends["a"].send(MessageKind.BOARD, b"before", 0)
    (old,) = pair.ends["a"].records_to_send(0, RTT_NS)
    pair.ends["b"].receive(old)
    pair.ends["a"] = ReliableMessages(epoch=33)
    pair.ends["a"].send(MessageKind.BOARD, b"anew", 0)
    pair.ends["b"].send(MessageKind.BOARD, b"answer", 0)
    pair.run(S)
    assert [delivery.payload for delivery in pair.got["b"]] == [b"anew"]
    assert [delivery.payload for delivery in pair.got["a"]] == [b"answer"]
    assert pair.ends["b"].receive(old) == []
    pair.ends["a"].send(MessageKind.BOARD, b"still heard", pair.now_ns)
    pair.run(S)
    assert pair.got["b"][-1].payload == b"still heard"


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(sorted(MessageKind)), st.integers(0, 900)), max_size=60),
    st.floats(0, 0.6),
    st.floats(0, 0.5),
    st.integers(0, 1 << 16),
)
def test_over_any_path_each_message_comes_once_or_was_given_up(
    script: list[tuple[int, MessageKind, int]], loss: float, duplicate: float, seed: int
) -> None:
    path = {"delay_ns": 10 * MS, "jitter_ns": 9 * MS, "reorder": True, "loss": loss, "duplicate": duplicate}
    pair = Pair(path, seed=seed)
    end = pair.ends["a"]
    sent = []
    for number, (wait_ms, kind, size) in enumerate(script):
        pair.run(wait_ms * MS)
        payload = counted(number) + bytes(size)
        assert end.send(kind, payload, pair.now_ns)
        sent.append((kind, payload))
    pair.run(20 * S)
    got = [(delivery.kind, delivery.payload) for delivery in pair.got["b"]]
    assert len(set(got)) == len(got)
    assert set(got) <= set(sent)
    counted_kinds = [item for item in sent if not RULES[item[0]].only_newest]
    assert len([item for item in counted_kinds if item not in got]) <= end.expired
    pointers = [payload for kind, payload in got if kind == MessageKind.POINTER]
    assert pointers == sorted(pointers)


@given(st.binary(max_size=80))
def test_any_record_is_taken_or_is_malformed(record: bytes) -> None:
    end = ReliableMessages(epoch=1)
    try:
        end.receive(record)
    except PacketError:
        assert end.delivered == 0


@given(st.data())
def test_a_damaged_record_is_taken_or_is_malformed(data: st.DataObject) -> None:
    sender, receiver = ReliableMessages(epoch=1), ReliableMessages(epoch=2)
    sender.send(MessageKind.BOARD, b"stroke", 0)
    sender.send(MessageKind.SOURCE, b"ring", 0)
    (record,) = sender.records_to_send(0, RTT_NS)
    damaged = bytearray(record[: data.draw(st.integers(0, len(record)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert len(receiver.receive(bytes(damaged))) <= 3
    except PacketError:
        assert receiver.delivered == 0
