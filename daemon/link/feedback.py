"""Congestion control feedback (RFC 8888): what the receiver tells of the packets, and what the sender learns from it.

The receiver notes each packet's arrival and reports every 25 ms, sooner when many came. A report repeats the last 128
sequence numbers of the one before, so packets that overtake one another and reports that get lost heal by themselves.
The sender remembers what it sent until a report resolves it. Packets of all streams share one path: a packet is lost
when it is still missing REORDERING_NS after a report in which a packet that was sent later had come.
"""

from collections import deque
from collections.abc import Iterator

import msgspec

from daemon.link.rtcp import (
    METRIC_OFFSET_MASK,
    METRIC_RECEIVED,
    OFFSET_NOT_KNOWN,
    CongestionFeedback,
    StreamFeedback,
    metric_block,
    ntp_middle_from_ns,
)

REPORT_EVERY_NS = 25_000_000
REPORT_EVERY_PACKETS = 64
OVERLAP_PACKETS = 128
REORDERING_NS = 20_000_000

_REPEATS = 2  # reports without news in which a stream is told once more
_SPAN_PACKETS = 1024  # of a stream are remembered at the receiver
_MAX_BLOCKS = 512  # metric blocks of a report: 1024 bytes
_MAX_STREAMS = 8
_MAX_TRACKED_PACKETS = 16384  # at the sender: 0.8 s at 20,000 packets a second
_LATE_PACKETS = 1024  # lost ones that may still turn up
_UNANSWERED_NS = 300_000_000
_TICK_NS = 1_000_000_000 / 65536  # of a report's time


class ArrivalLog:
    """The receiver's side. Noting costs 0.3 us a packet, a report 0.3 us a metric block."""

    def __init__(self) -> None:
        self._streams: dict[int, _Arrivals] = {}
        self._reported_ns = 0
        self._pending_packets = 0

    def note(self, ssrc: int, sequence_number: int, arrival_ns: int) -> None:
        """A packet came (authenticated: whoever can forge an SSRC here can blind the sender)."""
        arrivals = self._streams.get(ssrc)
        if arrivals is None:
            arrivals = self._new_stream(ssrc, sequence_number)
        arrivals.note(sequence_number, arrival_ns)
        self._pending_packets += 1

    def next_timer_ns(self) -> int | None:
        """When `reports` is due, or None while there is nothing to tell."""
        if self._pending_packets >= REPORT_EVERY_PACKETS:
            return self._reported_ns
        if any(arrivals.reports_left for arrivals in self._streams.values()):
            return self._reported_ns + REPORT_EVERY_NS
        return None

    def reports(self, now_ns: int) -> list[CongestionFeedback]:
        """All there is to tell: as a rule one report, each small enough for a datagram of its own."""
        self._reported_ns = now_ns
        self._pending_packets = 0
        timestamp = ntp_middle_from_ns(now_ns)
        reports: list[CongestionFeedback] = []
        streams: list[StreamFeedback] = []
        room = _MAX_BLOCKS
        for ssrc, arrivals in self._streams.items():
            for begin, metrics in arrivals.tell(now_ns):
                if len(metrics) > room:
                    reports.append(CongestionFeedback(timestamp, tuple(streams)))
                    streams, room = [], _MAX_BLOCKS
                streams.append(StreamFeedback(ssrc, begin & 0xFFFF, metrics))
                room -= len(metrics)
        if streams:
            reports.append(CongestionFeedback(timestamp, tuple(streams)))
        return reports

    def _new_stream(self, ssrc: int, sequence_number: int) -> "_Arrivals":
        """The one that was heard least recently makes room."""
        if len(self._streams) >= _MAX_STREAMS:
            del self._streams[min(self._streams, key=lambda known: self._streams[known].heard_ns)]
        arrivals = self._streams[ssrc] = _Arrivals(sequence_number)
        return arrivals


class _Arrivals:
    """One stream's arrivals, by unwrapped sequence number."""

    def __init__(self, first: int) -> None:
        self.heard_ns = 0
        self.reports_left = 0
        self._restart(first)

    def _restart(self, first: int) -> None:
        self._first = first
        self._highest = first
        self._untold = first  # the lowest that no report has spoken of
        self._times: dict[int, int] = {}

    def note(self, sequence_number: int, arrival_ns: int) -> None:
        step = (sequence_number - self._highest + 0x8000 & 0xFFFF) - 0x8000
        if step < -_SPAN_PACKETS:  # no packet is that late: half the numbers were skipped in an outage
            self._restart(sequence_number)
            step = 0
        number = self._highest + step
        self._highest = max(self._highest, number)
        self._first = max(min(self._first, number), self._highest + 1 - _SPAN_PACKETS)
        self._times.setdefault(number, arrival_ns)
        self.heard_ns = arrival_ns
        self.reports_left = 1 + _REPEATS

    def tell(self, now_ns: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(first sequence number, metric blocks), in pieces that fit a report."""
        if not self.reports_left:
            return
        self.reports_left -= 1
        begin, end = max(self._first, self._untold - OVERLAP_PACKETS), self._highest + 1
        self._untold = end
        for piece in range(begin, end, _MAX_BLOCKS):
            numbers = range(piece, min(piece + _MAX_BLOCKS, end))
            yield piece, tuple([metric_block(self._times.get(number), now_ns) for number in numbers])
        if len(self._times) > 2 * _SPAN_PACKETS:
            self._times = {number: time for number, time in self._times.items() if number >= self._first}


class PacketResult(msgspec.Struct, frozen=True, gc=False):
    """What became of a packet."""

    order: int  # counts the packets of all streams as they were sent
    wire_bytes: int
    sent_ns: int
    arrival_ns: int | None  # on the receiver's clock, to 0.5 ms; None: lost
    was_lost: bool = False  # it was reported lost before, and came after all


class Resolved(msgspec.Struct, frozen=True):
    """What a report says: `results` in the order of sending, first those that came, then those that are lost."""

    results: list[PacketResult]
    rtt_ns: int | None  # of the packet sent last among those that came, without its wait for the report


class _Sent(msgspec.Struct, gc=False):
    order: int
    wire_bytes: int
    sent_ns: int
    is_open: bool  # neither arrived nor lost
    is_counted: bool  # in flight


class _SentStream:
    def __init__(self, first: int) -> None:
        self.last = first
        self.packets: dict[int, _Sent] = {}


class SentLog:
    """The sender's side. Each packet is resolved once, except that one taken for lost may come after all."""

    def __init__(self) -> None:
        self._streams: dict[int, _SentStream] = {}
        self._order = 0
        self._open: deque[tuple[_Sent, _SentStream, int]] = deque()  # in the order of sending, without gaps
        self._counted: deque[_Sent] = deque()
        self._late: deque[tuple[_SentStream, int]] = deque()
        self._in_flight_bytes = 0
        self._rtt_ns = 0
        self._report_timestamp: int | None = None
        self._report_ticks = 0  # `_report_timestamp` unwrapped
        self._passed: deque[tuple[int, int]] = deque()  # of a report: its ticks, the newest sent_ns that had come
        self._newest_sent_ns = -1  # of all packets that have come

    def note_sent(self, ssrc: int, sequence_number: int, wire_bytes: int, now_ns: int) -> None:
        """A packet leaves; `wire_bytes` with IP and UDP headers, `sequence_number` the next of its stream."""
        stream = self._streams.get(ssrc)
        if stream is None:
            stream = self._streams[ssrc] = _SentStream(sequence_number)
        number = stream.last + (sequence_number - stream.last & 0xFFFF)
        stream.last = number
        self._order += 1
        packet = _Sent(self._order, wire_bytes, now_ns, True, True)
        stream.packets[number] = packet
        self._open.append((packet, stream, number))
        self._counted.append(packet)
        self._in_flight_bytes += wire_bytes
        if len(self._open) > _MAX_TRACKED_PACKETS:
            forgotten, stream, number = self._open.popleft()
            self._close(forgotten)
            stream.packets.pop(number, None)

    def in_flight_bytes(self, now_ns: int) -> int:
        """Sent and not resolved. Packets that no report has spoken of for a round trip and 0.3 s count no more."""
        too_old_ns = now_ns - self._rtt_ns - _UNANSWERED_NS
        counted = self._counted
        while counted and (not counted[0].is_counted or counted[0].sent_ns < too_old_ns):
            packet = counted.popleft()
            if packet.is_counted:
                packet.is_counted = False
                self._in_flight_bytes -= packet.wire_bytes
        return self._in_flight_bytes

    def unanswered_since_ns(self) -> int | None:
        """When the oldest packet was sent that is not resolved; None: all are."""
        while self._open and not self._open[0][0].is_open:
            self._open.popleft()
        return self._open[0][0].sent_ns if self._open else None

    def resolve(self, feedback: CongestionFeedback, now_ns: int) -> Resolved:
        """Take a report in. One that tells nothing new, or of packets unknown, has no results."""
        ticks = self._unwrap(feedback.report_timestamp)
        report_ns = int(ticks * _TICK_NS)
        results: list[PacketResult] = []
        for stream in feedback.streams:
            self._resolve_stream(stream, report_ns, results)
        results.sort(key=_order_of)
        rtt_ns = None
        if results:
            newest = results[-1]
            if newest.sent_ns > self._newest_sent_ns and newest.arrival_ns is not None:
                self._newest_sent_ns = newest.sent_ns
                rtt_ns = self._rtt_ns = max(0, now_ns - newest.sent_ns - (report_ns - newest.arrival_ns))
        if ticks == self._report_ticks:  # not one that was overtaken by a newer
            self._passed.append((ticks, self._newest_sent_ns))
            self._find_lost(ticks, results)
        return Resolved(results, rtt_ns)

    def _resolve_stream(self, feedback: StreamFeedback, report_ns: int, results: list[PacketResult]) -> None:
        stream = self._streams.get(feedback.ssrc)
        if stream is None:
            return
        number = stream.last - (stream.last - feedback.begin_sequence & 0xFFFF) - 1
        packets = stream.packets
        for metric in feedback.metrics:
            number += 1
            if metric < METRIC_RECEIVED:
                continue
            packet = packets.pop(number, None)
            if packet is None:
                continue
            was_lost = not packet.is_open
            self._close(packet)
            offset = metric & METRIC_OFFSET_MASK
            arrival_ns = report_ns - (0 if offset == OFFSET_NOT_KNOWN else offset * 1_000_000_000 >> 10)
            results.append(PacketResult(packet.order, packet.wire_bytes, packet.sent_ns, arrival_ns, was_lost))

    def _find_lost(self, ticks: int, results: list[PacketResult]) -> None:
        passed_ns = -1
        while self._passed and (ticks - self._passed[0][0]) * _TICK_NS >= REORDERING_NS:
            passed_ns = self._passed.popleft()[1]
        while self._open and self._open[0][0].sent_ns < passed_ns:
            packet, stream, number = self._open.popleft()
            if not packet.is_open:
                continue
            self._close(packet)
            results.append(PacketResult(packet.order, packet.wire_bytes, packet.sent_ns, None))
            self._late.append((stream, number))
            if len(self._late) > _LATE_PACKETS:
                stream, number = self._late.popleft()
                stream.packets.pop(number, None)

    def _close(self, packet: _Sent) -> None:
        packet.is_open = False
        if packet.is_counted:
            packet.is_counted = False
            self._in_flight_bytes -= packet.wire_bytes

    def _unwrap(self, timestamp: int) -> int:
        if self._report_timestamp is None:
            self._report_timestamp = self._report_ticks = timestamp
        step = (timestamp - self._report_timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        ticks = self._report_ticks + step
        if step > 0:
            self._report_timestamp, self._report_ticks = timestamp, ticks
        return ticks


def _order_of(result: PacketResult) -> int:
    return result.order
