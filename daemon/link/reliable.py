"""Reliable small messages: strokes and wishes. They ride in DTLS records beside the media.

Rules.
- Each message is delivered at once when it comes, at most once, in whatever order the network has it: a lost message
  never holds up those after it. Who needs an order puts a number of its own into the payload.
- A message is repeated until the peer has acknowledged it, its lifetime is over, or (kinds of which only the newest
  counts) a newer one has replaced it. Then it is given up; the peer is told how far back nothing comes any more.
- At most WINDOW sequence numbers and IN_FLIGHT_BYTES are under way, at most QUEUE_LIMIT messages wait; what does not
  fit is refused and counted.
- Sequence numbers belong to a run of the link process, named by a random epoch, not to a DTLS session: new keys and
  new addresses change nothing. A peer with another epoch has begun anew.

Pure: no socket, no clock. The frame is in docs/wire-format.md.
"""

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from daemon.link.message_kinds import MAX_PAYLOAD_BYTES, RULES, MessageKind
from daemon.link.rtp import PacketError

WINDOW: Final = 64
IN_FLIGHT_BYTES: Final = 8_192
QUEUE_LIMIT: Final = 256
MAX_RECORD_BYTES: Final = 1100
FIRST_REPEAT_NS: Final = 10_000_000  # after a round trip
LONGEST_REPEAT_NS: Final = 500_000_000
DEAD_EPOCHS_KEPT: Final = 4
FOREVER_NS: Final = 1 << 62

_HEADER = struct.Struct("!BIIIQI")  # version, our epoch, the epoch that is acknowledged, next, bitmap, oldest
_ITEM = struct.Struct("!IBH")  # sequence, kind, bytes of the payload
_VERSION: Final = 1
_MASK: Final = 0xFFFF_FFFF


@dataclass(slots=True)
class _Outgoing:
    kind: MessageKind
    payload: bytes
    expires_ns: int
    due_ns: int = 0
    repeat_after_ns: int = 0  # 0: not sent yet

    @property
    def item_bytes(self) -> int:
        return _ITEM.size + len(self.payload)


@dataclass(frozen=True, slots=True)
class SmallDelivery:
    """A message from the peer. `kind` may be one that this build does not know."""

    kind: int
    payload: bytes


class ReliableMessages:
    """Both directions of one end. `records_to_send` is asked whenever a record can be sent."""

    def __init__(self, epoch: int, first_sequence: int = 0) -> None:
        """`epoch`: 32 bits at random, not 0."""
        self._epoch = epoch
        self._queue: deque[_Outgoing] = deque()
        self._under_way: dict[int, _Outgoing] = {}  # by sequence, ascending
        self._under_way_bytes = 0
        self._next_sequence = first_sequence
        self._peer_epoch = 0
        self._dead_epochs: deque[int] = deque(maxlen=DEAD_EPOCHS_KEPT)
        self._expected = 0  # all before this one came, or will never come
        self._received: set[int] = set()  # of those from `_expected` on
        self._newest: dict[int, int] = {}  # by kind: sequence of the newest one delivered
        self._must_answer = False
        self.sent = 0
        self.repeated = 0
        self.expired = 0
        self.refused = 0  # there was no room for them
        self.delivered = 0
        self.duplicates = 0
        self.overtaken = 0  # dropped, a newer one of its kind had come

    # --- out ---

    def send(self, kind: MessageKind, payload: bytes, now_ns: int) -> bool:
        """Queue a message. False: there is no room; the caller's state must not depend on it.

        Raises ValueError for a payload that is longer than MAX_PAYLOAD_BYTES.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a small message of {len(payload)} bytes, not at most {MAX_PAYLOAD_BYTES}")
        rules = RULES[kind]
        if rules.only_newest:
            self._give_up_older(kind)
        if len(self._queue) >= QUEUE_LIMIT:
            self.refused += 1
            return False
        self._queue.append(_Outgoing(kind, payload, now_ns + rules.lifetime_ns))
        return True

    def records_to_send(self, now_ns: int, rtt_ns: int) -> list[bytes]:
        """What is due: new messages, repetitions, or a mere acknowledgement; each at most MAX_RECORD_BYTES."""
        self.drop_expired(now_ns)
        self._admit(now_ns)
        due = [(sequence, message) for sequence, message in self._under_way.items() if message.due_ns <= now_ns]
        for _, message in due:
            self._schedule(message, now_ns, rtt_ns)
        records = self._frames(due)
        if not records and self._must_answer:
            records = [self._header()]
        self._must_answer = False
        return records

    def next_timer_ns(self) -> int:
        """When `records_to_send` has something again; at once (0) when something waits already."""
        if self._must_answer or (self._queue and self._has_room(self._queue[0])):
            return 0
        return min((message.due_ns for message in self._under_way.values()), default=FOREVER_NS)

    def figures(self) -> dict[str, float]:
        """Counts for the supervisor."""
        return {
            "small_sent": float(self.sent),
            "small_repeated": float(self.repeated),
            "small_expired": float(self.expired),
            "small_refused": float(self.refused),
            "small_delivered": float(self.delivered),
        }

    def _give_up_older(self, kind: MessageKind) -> None:
        self._queue = deque(message for message in self._queue if message.kind != kind)
        for sequence in [s for s, message in self._under_way.items() if message.kind == kind]:
            self._finish(sequence)

    def drop_expired(self, now_ns: int) -> None:
        """Call it also while nothing can be sent, or old messages keep the room of new ones."""
        waiting = len(self._queue)
        if waiting:
            self._queue = deque(message for message in self._queue if message.expires_ns > now_ns)
            self.expired += waiting - len(self._queue)
        for sequence in [s for s, message in self._under_way.items() if message.expires_ns <= now_ns]:
            self.expired += 1
            self._finish(sequence)

    def _admit(self, now_ns: int) -> None:
        while self._queue and self._has_room(self._queue[0]):
            message = self._queue.popleft()
            message.due_ns = now_ns
            self._under_way[self._next_sequence] = message
            self._under_way_bytes += message.item_bytes
            self._next_sequence += 1

    def _has_room(self, message: _Outgoing) -> bool:
        if not self._under_way:
            return True
        fits_window = self._next_sequence - next(iter(self._under_way)) < WINDOW
        return fits_window and self._under_way_bytes + message.item_bytes <= IN_FLIGHT_BYTES

    def _schedule(self, message: _Outgoing, now_ns: int, rtt_ns: int) -> None:
        """It goes out now; when again, if no acknowledgement comes."""
        if message.repeat_after_ns:
            self.repeated += 1
            message.repeat_after_ns = min(2 * message.repeat_after_ns, max(LONGEST_REPEAT_NS, rtt_ns))
        else:
            self.sent += 1
            message.repeat_after_ns = rtt_ns + FIRST_REPEAT_NS
        message.due_ns = now_ns + message.repeat_after_ns

    def _finish(self, sequence: int) -> None:
        message = self._under_way.pop(sequence, None)
        if message is not None:
            self._under_way_bytes -= message.item_bytes

    def _header(self) -> bytes:
        bitmap = 0
        for sequence in self._received:
            bitmap |= 1 << (sequence - self._expected)
        oldest = next(iter(self._under_way), self._next_sequence)
        expected = self._expected & _MASK
        return _HEADER.pack(_VERSION, self._epoch, self._peer_epoch, expected, bitmap, oldest & _MASK)

    def _frames(self, messages: list[tuple[int, _Outgoing]]) -> list[bytes]:
        if not messages:
            return []
        header = self._header()
        records = [header]
        for sequence, message in messages:
            item = _ITEM.pack(sequence & _MASK, message.kind, len(message.payload)) + message.payload
            if len(records[-1]) + len(item) > MAX_RECORD_BYTES:
                records.append(header)
            records[-1] += item
        return records

    # --- in ---

    def receive(self, record: bytes) -> list[SmallDelivery]:
        """Take a record of the peer. Raises PacketError for one that is malformed."""
        if len(record) < _HEADER.size:
            raise PacketError(f"small messages: {len(record)} bytes")
        version, epoch, acknowledged_epoch, next_expected, bitmap, oldest = _HEADER.unpack_from(record)
        if version != _VERSION or epoch == 0:
            raise PacketError(f"small messages: version {version}, epoch {epoch}")
        items = _parse_items(record)
        if epoch in self._dead_epochs:
            return []
        if epoch != self._peer_epoch:
            self._meet(epoch, oldest)
        if acknowledged_epoch == self._epoch:
            self._take_acknowledgement(next_expected, bitmap)
        self._advance(max(self._expected, _unwrap(oldest, self._expected)))
        numbered = [(_unwrap(sequence, self._expected), kind, payload) for sequence, kind, payload in items]
        if any(sequence >= self._expected + WINDOW for sequence, _, _ in numbered):
            raise PacketError("small messages: beyond the window")
        self._must_answer |= bool(items)
        return [delivery for item in numbered if (delivery := self._take(*item))]

    def _meet(self, epoch: int, oldest: int) -> None:
        """A peer that began anew, or the first one: of what it had numbered before `oldest` nothing comes any more."""
        if self._peer_epoch:
            self._dead_epochs.append(self._peer_epoch)
        self._peer_epoch = epoch
        self._expected = oldest
        self._received.clear()
        self._newest.clear()

    def _take_acknowledgement(self, next_expected: int, bitmap: int) -> None:
        """Only numbers that are under way count, so that a false acknowledgement harms nobody."""
        expected = _unwrap(next_expected, self._next_sequence)
        for sequence in list(self._under_way):
            ahead = sequence - expected
            if ahead < 0 or (ahead < WINDOW and bitmap >> ahead & 1):
                self._finish(sequence)

    def _advance(self, expected: int) -> None:
        while expected in self._received:
            expected += 1
        if expected != self._expected:
            self._expected = expected
            self._received = {sequence for sequence in self._received if sequence > expected}

    def _take(self, sequence: int, kind: int, payload: bytes) -> SmallDelivery | None:
        if sequence < self._expected or sequence in self._received:
            self.duplicates += 1
            return None
        self._received.add(sequence)
        self._advance(self._expected)
        if kind in _ONLY_NEWEST and self._newest.get(kind, -1) > sequence:
            self.overtaken += 1
            return None
        self._newest[kind] = sequence
        self.delivered += 1
        return SmallDelivery(kind, payload)


_ONLY_NEWEST = frozenset(kind.value for kind, rules in RULES.items() if rules.only_newest)


def _parse_items(record: bytes) -> list[tuple[int, int, bytes]]:
    """(sequence, kind, payload) of each message."""
    items = []
    at = _HEADER.size
    while at < len(record):
        if at + _ITEM.size > len(record):
            raise PacketError("small messages: cut short")
        sequence, kind, size = _ITEM.unpack_from(record, at)
        at += _ITEM.size
        if size > MAX_PAYLOAD_BYTES or at + size > len(record):
            raise PacketError("small messages: a payload beyond the end")
        items.append((sequence, kind, record[at : at + size]))
        at += size
    return items


def _unwrap(wire: int, near: int) -> int:
    """The number with these 32 low bits that is nearest to `near`."""
    return near + ((wire - near + 0x8000_0000) & _MASK) - 0x8000_0000
