"""Packets in, whole access units out, in order; what is missing is asked for in time, or declared lost. Pure.

Rules. An access unit is delivered once, in order and intact, or never. It has until its deadline to become whole;
then it is lost, and nothing that refers to it is delivered: the next one out is an IDR, which is asked for until it
comes. A whole IDR needs nothing before it and goes out at once.
"""

from dataclasses import dataclass

from daemon.link.assembly import Assembly
from daemon.link.fec import FecError
from daemon.link.rtp import (
    PT_REPAIR,
    PT_RTX,
    PT_VIDEO,
    PacketError,
    RtpPacket,
    SequenceUnwrapper,
    send_time_difference_ns,
    split_rtx_payload,
)

MIN_DEADLINE_NS = 120_000_000
MAX_DEADLINE_NS = 250_000_000
DEADLINE_RTTS = 3
DEADLINE_BESIDES_RTTS_NS = 60_000_000
NACK_AFTER_TAIL_NS = 300_000  # besides the reordering seen; a repair symbol may still be on its way
NACK_AGAIN_NS = 4_000_000  # or a tenth of the round trip, until it comes: requests get lost too; one is answered
IDLE_IS_TAIL_NS = 2_000_000  # no packet for this long, or for IDLE_SPACINGS of the train's own spacing: it is through
IDLE_SPACINGS = 3
LONGEST_IDLE_NS = 25_000_000
MAX_REORDER_NS = 15_000_000
REORDER_DECAY = 0.98  # of the reorder allowance, per access unit
PLI_EVERY_NS = 60_000_000  # or after a round trip and ...
PLI_AFTER_RTT_NS = 6_000_000
IDR_GRACE_NS = 60_000_000  # an IDR that is arriving is given this long before another is asked for
MAX_ASSEMBLIES = 64
MAX_SPAN = 4096  # sequence numbers that can be missing at once
OUTAGE_NS = 400_000_000  # images captured later than this after the last one delivered: do not ask for those between
HALF_RANGE = 1 << 31
MAX_IMAGE_RATE_HZ = 240  # frame_ids that run faster than this belong to a video process that began anew
POLL_NS = 500_000  # while something is missing


@dataclass(frozen=True, slots=True)
class Delivery:
    """A whole access unit; `capture_ns` is the sender's clock."""

    frame_id: int
    capture_ns: int
    is_idr: bool
    data: bytes


class VideoReceiver:
    def __init__(self) -> None:
        self._sequences = SequenceUnwrapper()
        self._assemblies: dict[int, Assembly] = {}
        self._expected: int | None = None  # frame_id of the next one to deliver; None: an IDR
        self._next_id: int | None = None  # the first frame_id after the last delivered, also while an IDR is waited for
        self._delivered_end: int | None = None  # sequence number after the last delivered source packet
        self._delivered_capture_ns = 0
        self._highest = -1
        self._received: set[int] = set()  # source packets from _delivered_end on
        self._unowned_nack_ns: int | None = None
        self._next_pli_ns = 0
        self._reorder_ns = 0.0
        self._newest_send_time: int | None = None
        self._newer_seen_ns: int | None = None  # since when a newer one than the expected is known
        self.deliveries: list[Delivery] = []
        self.units_delivered = 0
        self.units_lost = 0
        self.units_repaired = 0
        self.packets_late = 0
        self.packets_malformed = 0
        self.nacked_packets = 0
        self.plis = 0

    # --- packets in ---

    def receive(self, packet: RtpPacket, now_ns: int) -> None:
        """A video, RTX or repair packet, opened."""
        frame, capture_ns = packet.frame, packet.capture_ns
        if frame is None or capture_ns is None:
            self.packets_malformed += 1
            return
        sequence: int | None = None
        payload = packet.payload
        if packet.payload_type == PT_RTX:
            try:
                original, payload = split_rtx_payload(packet.payload)
            except PacketError:
                self.packets_malformed += 1
                return
            sequence = self._sequences.unwrap(original)
        elif packet.payload_type == PT_VIDEO:
            sequence = self._sequences.unwrap(packet.sequence_number)
        elif packet.payload_type != PT_REPAIR:
            self.packets_malformed += 1
            return
        if frame.is_repair != (sequence is None):
            self.packets_malformed += 1
            return
        if self._is_past(frame.frame_id, capture_ns):
            self.packets_late += 1
            return
        assembly = self._assembly(packet, now_ns)
        if assembly is None:
            return
        if packet.payload_type != PT_RTX and packet.send_time is not None:
            self._note_lateness(assembly, packet.send_time, now_ns)
        if sequence is not None:
            self._note_source(sequence)
        if not assembly.is_complete and not assembly.add(frame, payload, sequence, now_ns):
            self.packets_malformed += 1
            return
        if assembly.is_complete:
            self._deliver(now_ns)

    def _is_past(self, frame_id: int, capture_ns: int) -> bool:
        """By number and by time: a video process that began anew may count from anywhere, but not in the past."""
        if self._next_id is None or capture_ns > self._delivered_capture_ns:
            return False
        return (frame_id - self._next_id) % (1 << 32) >= HALF_RANGE

    def _assembly(self, packet: RtpPacket, now_ns: int) -> Assembly | None:
        frame = packet.frame
        assert frame is not None
        assert packet.capture_ns is not None
        assembly = self._assemblies.get(frame.frame_id)
        if assembly is not None:
            return assembly
        if len(self._assemblies) >= MAX_ASSEMBLIES:
            self._lose(now_ns)
            self._assemblies.clear()
        for other in self._assemblies.values():  # the first of a new unit: the older ones' trains are through
            if other.tail_ns is None and (frame.frame_id - other.frame_id) % (1 << 32) < HALF_RANGE:
                other.tail_ns = now_ns
        assembly = self._assemblies[frame.frame_id] = Assembly(frame, packet.capture_ns, now_ns)
        if frame.frame_id != self._expected:
            self._newer_seen_ns = self._newer_seen_ns or now_ns
            if self._expected is not None and packet.capture_ns - self._delivered_capture_ns > OUTAGE_NS:
                self._lose(now_ns)  # an outage: what was missed is too old to be shown
        return assembly

    def _note_lateness(self, assembly: Assembly, send_time: int, now_ns: int) -> None:
        """A packet after what looked like the tail: the path held it back, unless the sender itself had paused."""
        paused_ns = max(0, send_time_difference_ns(send_time, self._newest_send_time or send_time))
        if paused_ns or self._newest_send_time is None:
            self._newest_send_time = send_time
        if assembly.tail_ns is not None and not assembly.is_complete:
            late_ns = now_ns - assembly.tail_ns - paused_ns
            if paused_ns and late_ns < NACK_AFTER_TAIL_NS:
                assembly.tail_ns = None  # the train goes on
            self._reorder_ns = min(max(self._reorder_ns, late_ns), MAX_REORDER_NS)

    def _note_source(self, sequence: int) -> None:
        if self._delivered_end is None:
            self._delivered_end = sequence
        if sequence - self._delivered_end > MAX_SPAN:  # an outage: nobody will ask for all that
            self._delivered_end = sequence
            self._received.clear()
        if sequence >= self._delivered_end:
            self._received.add(sequence)
            self._highest = max(self._highest, sequence)

    # --- access units out ---

    def _deliver(self, now_ns: int) -> None:
        """All that can go: the expected one, or an IDR, which needs nothing before it."""
        while True:
            assembly = self._assemblies.get(self._expected) if self._expected is not None else None
            if assembly is None or not assembly.is_complete:
                assembly = self._newest_whole_idr()
                if assembly is None:
                    return
                self._skip_to(assembly)
            del self._assemblies[assembly.frame_id]
            try:
                data = assembly.access_unit()
            except (PacketError, FecError):
                self.packets_malformed += 1
                self._lose(now_ns)
                return
            self.deliveries.append(Delivery(assembly.frame_id, assembly.capture_ns, assembly.is_idr, data))
            self._delivered_capture_ns = assembly.capture_ns
            self.units_delivered += 1
            self.units_repaired += assembly.was_repaired
            self._reorder_ns *= REORDER_DECAY
            self._expected = self._next_id = (assembly.frame_id + 1) & 0xFFFF_FFFF
            self._newer_seen_ns = min((a.known_since_ns for a in self._assemblies.values()), default=None)
            if self._expected in self._assemblies:
                self._newer_seen_ns = None
            self._forget_sequences_before(assembly.end_sequence)

    def _newest_whole_idr(self) -> Assembly | None:
        whole = [a for a in self._assemblies.values() if a.is_idr and a.is_complete]
        if not whole:
            return None
        newest = whole[0]
        for assembly in whole[1:]:
            if (assembly.frame_id - newest.frame_id) % (1 << 32) < HALF_RANGE:
                newest = assembly
        return newest

    def _skip_to(self, idr: Assembly) -> None:
        """Give up everything before `idr`: here the lost are counted, each once."""
        if self._next_id is not None:
            skipped = (idr.frame_id - self._next_id) % (1 << 32)
            most = 1 + (idr.capture_ns - self._delivered_capture_ns) * MAX_IMAGE_RATE_HZ // 1_000_000_000
            self.units_lost += skipped if skipped <= most else 0
        self._expected = self._next_id = idr.frame_id
        self._delivered_capture_ns = idr.capture_ns
        for old in list(self._assemblies.values()):
            if old.capture_ns < idr.capture_ns or self._is_past(old.frame_id, old.capture_ns):
                del self._assemblies[old.frame_id]

    def _forget_sequences_before(self, end: int | None) -> None:
        if end is None:
            return
        self._delivered_end = end
        self._received = {sequence for sequence in self._received if sequence >= end}
        self._highest = max(self._highest, end - 1)
        if self._highest == end - 1:
            self._unowned_nack_ns = None

    def _lose(self, now_ns: int) -> None:
        """The expected unit will not become whole: from here on only an IDR helps."""
        self._expected = None
        self._newer_seen_ns = None
        for frame_id in [a.frame_id for a in self._assemblies.values() if not a.is_idr]:
            del self._assemblies[frame_id]
        self._received.clear()
        self._delivered_end = None
        self._unowned_nack_ns = None

    # --- time ---

    def poll(self, now_ns: int, rtt_ns: int) -> tuple[tuple[int, ...], bool]:
        """(16-bit sequence numbers to ask for again, whether to ask for an IDR)."""
        deadline_ns = min(max(DEADLINE_RTTS * rtt_ns + DEADLINE_BESIDES_RTTS_NS, MIN_DEADLINE_NS), MAX_DEADLINE_NS)
        self._judge_deadlines(now_ns, deadline_ns)
        nacks = self._nacks(now_ns, max(NACK_AGAIN_NS, rtt_ns // 10)) if self._assemblies else ()
        return nacks, self._pli_due(now_ns, rtt_ns)

    def _judge_deadlines(self, now_ns: int, deadline_ns: int) -> None:
        if self._expected is not None:
            assembly = self._assemblies.get(self._expected)
            since_ns = assembly.known_since_ns if assembly else self._newer_seen_ns
            if since_ns is not None and now_ns - since_ns > deadline_ns:
                self._lose(now_ns)
        if self._expected is None:
            for frame_id in [a.frame_id for a in self._assemblies.values() if now_ns - a.known_since_ns > deadline_ns]:
                del self._assemblies[frame_id]

    def _nacks(self, now_ns: int, again_after_ns: int) -> tuple[int, ...]:
        wanted: list[int] = []
        owned: list[range] = []
        after_tail_ns = NACK_AFTER_TAIL_NS + int(self._reorder_ns)
        for assembly in self._assemblies.values():
            idle_ns = min(max(IDLE_IS_TAIL_NS, IDLE_SPACINGS * assembly.spacing_ns), LONGEST_IDLE_NS)
            if assembly.tail_ns is None and now_ns - assembly.last_arrival_ns > idle_ns + self._reorder_ns:
                assembly.tail_ns = assembly.last_arrival_ns
            if assembly.frame_id == self._expected and self._delivered_end is not None:
                assembly.follow(self._delivered_end)
            missing, ranges = assembly.missing()
            owned += ranges
            if assembly.is_complete or assembly.tail_ns is None or (self._expected is None and not assembly.is_idr):
                continue
            if now_ns >= (assembly.next_nack_ns or assembly.tail_ns + after_tail_ns):
                wanted += missing
                self.nacked_packets += len(missing) if assembly.next_nack_ns is None else 0
                assembly.next_nack_ns = now_ns + again_after_ns
        wanted += self._unowned_missing(owned, now_ns, after_tail_ns, again_after_ns)
        return tuple(sequence & 0xFFFF for sequence in wanted)

    def _unowned_missing(self, owned: list[range], now_ns: int, after_ns: int, again_after_ns: int) -> list[int]:
        """Missing source packets of units or blocks of which no source packet came."""
        if self._delivered_end is None or self._expected is None:
            return []
        span = range(self._delivered_end, self._highest + 1)
        if len(span) == len(self._received):
            return []
        own = {sequence for piece in owned for sequence in piece}
        absent = [sequence for sequence in span if sequence not in self._received and sequence not in own]
        if not absent:
            self._unowned_nack_ns = None
            return []
        if self._unowned_nack_ns is None:
            self._unowned_nack_ns = now_ns + after_ns
        if now_ns < self._unowned_nack_ns:
            return []
        self._unowned_nack_ns = now_ns + again_after_ns
        return absent

    def _pli_due(self, now_ns: int, rtt_ns: int) -> bool:
        if self._expected is not None or now_ns < self._next_pli_ns:
            return False
        arriving = any(a.is_idr and now_ns - a.last_arrival_ns < IDR_GRACE_NS for a in self._assemblies.values())
        if arriving:
            return False
        self._next_pli_ns = now_ns + max(PLI_EVERY_NS, rtt_ns + PLI_AFTER_RTT_NS)
        self.plis += 1
        return True

    def next_timer_ns(self, now_ns: int) -> int | None:
        """When `poll` should be called again; None: with the next packet."""
        if self._expected is None:
            return max(self._next_pli_ns, now_ns + 1_000_000)
        waits = any(not assembly.is_complete for assembly in self._assemblies.values())
        return now_ns + POLL_NS if waits or self._newer_seen_ns is not None else None
