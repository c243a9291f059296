"""Access units out: packets, repair symbols, retransmissions. Pure; the endpoint seals and sends what `release` gives.

One access unit is cut into RTP packets (RFC 6184), these into blocks, each block gets as many repair symbols as the
path's loss asks for, and all of it goes to the pacer as one train. What was sent is kept for a while for
retransmission (RFC 4588).
"""

import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from daemon.link.fec import MAX_REPAIR_PERCENT, repair_count, repair_symbols
from daemon.link.pacer import PacedPacket, Pacer
from daemon.link.packetize import packetize, split_into_blocks
from daemon.link.rtp import (
    MAX_REPAIR_SYMBOLS,
    MAX_VIDEO_PAYLOAD_BYTES,
    PT_REPAIR,
    PT_RTX,
    PT_VIDEO,
    VIDEO_CLOCK_HZ,
    FrameExtension,
    RtpPacket,
    rtx_payload,
    serialize_rtp,
)
from daemon.messages import AccessUnit

HISTORY_PACKETS = 2048
HISTORY_NS = 300_000_000  # older pictures help nobody
ANSWER_AGAIN_AFTER_RTT_NS = 6_000_000  # requests are repeated; until the answer can have come they ask for nothing new
RESIDUAL_WITH_RTX = 4e-3  # what FEC may leave to a retransmission that fits the deadline
RESIDUAL_WITHOUT_RTX = 1e-4
RTX_FITS_RTT_NS = 80_000_000
QUEUE_LIMIT_NS = 250_000_000  # of media waiting in the pacer: more means that the path is too narrow for the unit
QUEUE_ALWAYS_BYTES = 65536
IDR_GUARD_NS = 20_000_000  # besides the round trip: PLIs that were sent before the IDR arrived ask for nothing new


@dataclass(slots=True)
class _Kept:
    """A source packet for retransmission."""

    packet: RtpPacket
    queued_ns: int
    answered_ns: int | None = None


class VideoSender:
    def __init__(self) -> None:
        self.ssrc, self.rtx_ssrc, self.repair_ssrc = (secrets.randbits(32) for _ in range(3))
        self._sequence = secrets.randbits(15)
        self._rtx_sequence = secrets.randbits(15)
        self._repair_sequence = secrets.randbits(15)
        self._history: dict[int, _Kept] = {}  # by sequence number
        self._history_order: deque[int] = deque()
        self.pacer = Pacer()
        self._needs_idr = False
        self._idr_sent_ns: int | None = None
        self.units = 0
        self.units_dropped = 0
        self.source_packets = 0
        self.repair_packets = 0
        self.rtx_packets = 0

    def send_unit(
        self, unit: AccessUnit, now_ns: int, *, loss_rate: float, burst_packets: float, rtt_ns: int, target_bps: int
    ) -> bool:
        """Queue an access unit. False: it was dropped, with all that follow until an IDR (`wants_idr`)."""
        if unit.is_idr:
            self._needs_idr = False
        if self._needs_idr or self._is_too_late(len(unit.data), target_bps):
            self._needs_idr = True
            self.units_dropped += 1
            return False
        if unit.is_idr:
            self._idr_sent_ns = now_ns
        self.units += 1
        payloads = packetize(unit.data, MAX_VIDEO_PAYLOAD_BYTES)
        blocks = split_into_blocks(len(payloads))
        timestamp = unit.capture_ns * VIDEO_CLOCK_HZ // 1_000_000_000 & 0xFFFF_FFFF
        residual = RESIDUAL_WITH_RTX if rtt_ns <= RTX_FITS_RTT_NS else RESIDUAL_WITHOUT_RTX
        for number, block in enumerate(blocks):
            count = repair_count(len(block), loss_rate, residual, burst_packets)
            if unit.is_idr:
                count = min(2 * count, MAX_REPAIR_SYMBOLS, max(1, 2 * len(block) * MAX_REPAIR_PERCENT // 100))
            self._queue_block(unit, timestamp, number, len(blocks), [payloads[i] for i in block], count, now_ns)
        return True

    def _is_too_late(self, unit_bytes: int, target_bps: int) -> bool:
        """Whether what waits already, with this unit, would take longer than QUEUE_LIMIT_NS to go."""
        if self.pacer.queued_bytes == 0:
            return False
        waiting_bytes = self.pacer.queued_bytes + unit_bytes
        return waiting_bytes > max(QUEUE_ALWAYS_BYTES, target_bps * QUEUE_LIMIT_NS // 8_000_000_000)

    def _queue_block(
        self,
        unit: AccessUnit,
        timestamp: int,
        block: int,
        block_count: int,
        payloads: list[bytes],
        repairs: int,
        now_ns: int,
    ) -> None:
        count = len(payloads)

        def frame(index: int) -> FrameExtension:
            return FrameExtension(unit.frame_id, unit.is_idr, block, block_count, count, index, repairs)

        for index, payload in enumerate(payloads):
            is_last = index == count - 1 and block == block_count - 1
            packet = RtpPacket(
                PT_VIDEO, is_last, self._sequence, timestamp, self.ssrc, payload, unit.capture_ns, frame(index)
            )
            self._remember(packet, now_ns)
            self.pacer.put(PacedPacket(serialize_rtp(packet), self.ssrc, self._sequence))
            self._sequence = (self._sequence + 1) & 0xFFFF
        self.source_packets += count
        for index, symbol in enumerate(repair_symbols(payloads, repairs)):
            number = self._repair_sequence
            self._repair_sequence = (number + 1) & 0xFFFF
            packet = RtpPacket(
                PT_REPAIR, False, number, timestamp, self.repair_ssrc, symbol, unit.capture_ns, frame(count + index)
            )
            self.pacer.put(PacedPacket(serialize_rtp(packet), self.repair_ssrc, number))
        self.repair_packets += repairs

    def _remember(self, packet: RtpPacket, now_ns: int) -> None:
        self._history[packet.sequence_number] = _Kept(packet, now_ns)
        self._history_order.append(packet.sequence_number)
        if len(self._history_order) > HISTORY_PACKETS:
            del self._history[self._history_order.popleft()]

    def retransmit(self, sequence_numbers: Iterable[int], now_ns: int, *, rtt_ns: int, copies: int) -> None:
        """Answer a NACK (RFC 4588, SSRC multiplexing); what was answered a moment ago is on its way already."""
        answered: list[RtpPacket] = []
        for sequence_number in sequence_numbers:
            kept = self._history.get(sequence_number)
            if kept is None or now_ns - kept.queued_ns > HISTORY_NS:
                continue
            if kept.answered_ns is None or now_ns - kept.answered_ns >= rtt_ns + ANSWER_AGAIN_AFTER_RTT_NS:
                kept.answered_ns = now_ns
                answered.append(kept.packet)
        for packet in answered * copies:  # the copies apart, so that a burst takes one of them
            self._queue_again(packet)

    def _queue_again(self, packet: RtpPacket) -> None:
        again = RtpPacket(
            PT_RTX,
            False,
            self._rtx_sequence,
            packet.timestamp,
            self.rtx_ssrc,
            rtx_payload(packet.sequence_number, packet.payload),
            packet.capture_ns,
            packet.frame,
        )
        if self.pacer.put_urgent(PacedPacket(serialize_rtp(again), self.rtx_ssrc, self._rtx_sequence)):
            self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
            self.rtx_packets += 1

    def note_picture_loss(self, now_ns: int, rtt_ns: int) -> bool:
        """A PLI came. True when the encoder must make an IDR; False when one is on its way already."""
        return self._idr_sent_ns is None or now_ns - self._idr_sent_ns >= rtt_ns + IDR_GUARD_NS

    @property
    def wants_idr(self) -> bool:
        """Units were dropped here: nothing goes out until an IDR comes."""
        return self._needs_idr
