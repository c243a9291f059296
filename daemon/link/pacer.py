"""Lets packets go at the path's pace, never in a clump that a narrow path would have to queue.

Retransmissions go first: somebody is waiting for them. The pace is the path's measured capacity, not the video's rate,
so that an access unit is on its way in a few milliseconds. Pure: `release` is told the time.
"""

from collections import deque
from dataclasses import dataclass

from daemon.link.srtp import SEAL_BYTES

UDP_IP_BYTES = 28
SLACK_NS = 300_000  # a packet due within this goes now: timers are not finer
RTX_LIMIT = 256


@dataclass(frozen=True, slots=True)
class PacedPacket:
    """A serialized RTP packet, its stream and number, and its size on the wire."""

    data: bytearray
    ssrc: int
    sequence_number: int

    @property
    def wire_bytes(self) -> int:
        return len(self.data) + SEAL_BYTES + UDP_IP_BYTES


class Pacer:
    def __init__(self) -> None:
        self._urgent: deque[PacedPacket] = deque()
        self._media: deque[PacedPacket] = deque()
        self._next_ns = 0
        self.queued_bytes = 0
        self.peak_bytes = 0
        self.urgent_drops = 0
        self._is_held = False

    def put(self, packet: PacedPacket) -> None:
        self._media.append(packet)
        self._count(packet)

    def put_urgent(self, packet: PacedPacket) -> bool:
        """False when too many retransmissions wait already."""
        if len(self._urgent) >= RTX_LIMIT:
            self.urgent_drops += 1
            return False
        self._urgent.append(packet)
        self._count(packet)
        return True

    def _count(self, packet: PacedPacket) -> None:
        self.queued_bytes += packet.wire_bytes
        self.peak_bytes = max(self.peak_bytes, self.queued_bytes)

    def release(self, now_ns: int, pacing_bps: int, allowed_bytes: int) -> list[PacedPacket]:
        """The packets that may go now, `allowed_bytes` of them at most (what may still be in flight)."""
        released: list[PacedPacket] = []
        self._is_held = False
        self._next_ns = max(self._next_ns, now_ns - SLACK_NS)
        while (self._urgent or self._media) and self._next_ns <= now_ns + SLACK_NS:
            queue = self._urgent or self._media
            wire_bytes = queue[0].wire_bytes
            if wire_bytes > allowed_bytes:
                self._is_held = True
                break
            allowed_bytes -= wire_bytes
            self.queued_bytes -= wire_bytes
            released.append(queue.popleft())
            self._next_ns += wire_bytes * 8_000_000_000 // pacing_bps
        return released

    def yield_to(self, wire_bytes: int, now_ns: int, pacing_bps: int) -> None:
        """Something that does not wait went out beside: what waits here waits for as long as that takes."""
        self._next_ns = max(self._next_ns, now_ns - SLACK_NS) + wire_bytes * 8_000_000_000 // pacing_bps

    def next_timer_ns(self) -> int | None:
        """When the next packet is due, or None when none waits, or when only an answer from the peer lets it go."""
        return self._next_ns if (self._urgent or self._media) and not self._is_held else None

    def clear(self) -> None:
        self._urgent.clear()
        self._media.clear()
        self.queued_bytes = 0
