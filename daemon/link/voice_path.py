"""Voice on the link: RTP packets of PT 111 (RFC 7587) and 112 (RFC 2198), both ways. Pure.

A voice packet does not wait: it passes the pacer, which then lets video wait for as long as the packet takes, and
counts against the path's capacity as all packets do.
"""

import secrets

from daemon.link.pacer import UDP_IP_BYTES
from daemon.link.rtp import PT_OPUS, PT_RED, RtpPacket, serialize_rtp, stamp_send_time
from daemon.link.srtp import SEAL_BYTES
from daemon.messages import HeardVoice, VoicePacket

RATE_WINDOW_NS = 500_000_000
MAX_HEARD = 64  # packets that wait for the voice process; it is asked after every loop


class VoicePath:
    def __init__(self) -> None:
        self.ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._window_ns = 0
        self._window_bytes = 0
        self._rate_bps = 0
        self.heard: list[HeardVoice] = []
        self.packets_sent = 0
        self.packets_heard = 0
        self.packets_dropped = 0

    def packet(self, voice: VoicePacket, now_ns: int) -> tuple[bytes, int]:
        """The RTP packet, ready to be sealed, and its sequence number."""
        sequence_number = self._sequence
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = RtpPacket(voice.payload_type, voice.starts, sequence_number, voice.timestamp, self.ssrc, voice.payload)
        data = serialize_rtp(packet)
        stamp_send_time(data, now_ns)
        return bytes(data), sequence_number

    def note_sent(self, wire_bytes: int, now_ns: int) -> None:
        self.packets_sent += 1
        self._window_bytes += wire_bytes
        if now_ns - self._window_ns >= RATE_WINDOW_NS:
            self._rate_bps = self._window_bytes * 8_000_000_000 // (now_ns - self._window_ns)
            self._window_ns, self._window_bytes = now_ns, 0

    def rate_bps(self, now_ns: int) -> int:
        """What voice takes of the path, with all headers; 0 when none was sent for a while."""
        return self._rate_bps if now_ns - self._window_ns < 2 * RATE_WINDOW_NS else 0

    def take(self, packet: RtpPacket, now_ns: int) -> bool:
        """False: it is no voice packet."""
        if packet.payload_type not in (PT_OPUS, PT_RED):
            return False
        self.packets_heard += 1
        if len(self.heard) >= MAX_HEARD:
            self.packets_dropped += 1
        else:
            self.heard.append(
                HeardVoice(
                    packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload_type, packet.payload, now_ns
                )
            )
        return True


def wire_bytes(packet: bytes) -> int:
    """Of a packet before it is sealed."""
    return len(packet) + SEAL_BYTES + UDP_IP_BYTES
