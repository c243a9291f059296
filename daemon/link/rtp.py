"""RTP packets (RFC 3550) with one-byte header extensions (RFC 8285), to the byte as in docs/wire-format.md.

Every packet made here carries abs-send-time as its first extension, so that the pacer can write the time in place, at
`SEND_TIME_OFFSET`, just before the packet is sealed. A video packet has one fixed header of 40 bytes, packed and parsed
in one step; everything else (voice, another order of extensions, CSRC, padding) takes the general way.
"""

from enum import Enum
from struct import Struct

import msgspec

from hw.errors import CathlinkError

MAX_RTP_BYTES = 1216  # before sealing: 1232 bytes of UDP payload less the 16 of the AEAD tag
MAX_RTCP_BYTES = 1212  # ... and less the 4 of the SRTCP index

PT_VIDEO = 96  # H.264, RFC 6184 packetization-mode 1
PT_RTX = 97  # retransmitted video, RFC 4588
PT_REPAIR = 98  # repair symbols, daemon.link.fec
PT_OPUS = 111  # RFC 7587
PT_RED = 112  # Opus with redundancy, RFC 2198

VIDEO_CLOCK_HZ = 90_000

ID_SEND_TIME = 1
ID_CAPTURE_TIME = 2
ID_FRAME = 3
_ID_STOP = 15

SEND_TIME_OFFSET = 17  # of the three bytes of abs-send-time in every packet made here
VIDEO_HEADER_BYTES = 40
RTX_HEADER_BYTES = 2
MAX_VIDEO_PAYLOAD_BYTES = MAX_RTP_BYTES - VIDEO_HEADER_BYTES - RTX_HEADER_BYTES
"""For the H.264 payload: the same bytes must also fit a retransmission and a repair symbol, each 2 bytes longer."""

MAX_SOURCE_SYMBOLS = 150  # of a block; with twice 30 % of repair symbols, for an IDR, 240
MAX_REPAIR_SYMBOLS = 105  # of a block; together 255, so that a byte numbers them

_FIXED = Struct("!BBHII")
_EXTENSION = Struct("!HH")
_FRAME = Struct("!IBBBBBB")
_CAPTURE = Struct("!Q")
_ORIGINAL_SEQUENCE = Struct("!H")
_VIDEO = Struct("!BBHIIIIBIBBBBBBBQ")  # _FIXED, profile and length, abs-send-time, frame, abs-capture-time

_FIRST_BYTE = 0x90  # version 2, no padding, extension, no CSRC
_ONE_BYTE_PROFILE = 0xBEDE
_VIDEO_EXTENSION = _ONE_BYTE_PROFILE << 16 | 6
_SEND_TIME_TAG = ID_SEND_TIME << 4 | 2  # identifier and length less one
_CAPTURE_TAG = ID_CAPTURE_TIME << 4 | 7
_FRAME_TAG = ID_FRAME << 4 | 9
_SEND_TIME_MASK = 0xFF_FFFF
_FLAG_IDR = 1


class PacketError(CathlinkError):
    """What arrived is not what docs/wire-format.md allows. It is dropped; nothing else comes of it."""


class DatagramKind(Enum):
    DTLS = "dtls"
    RTP = "rtp"
    RTCP = "rtcp"
    UNKNOWN = "unknown"


def datagram_kind(datagram: bytes) -> DatagramKind:
    """What a datagram claims to be, sealed or not, from its first two bytes (RFC 7983, RFC 5761)."""
    if len(datagram) < 2:
        return DatagramKind.UNKNOWN
    first = datagram[0]
    if 128 <= first <= 191:
        return DatagramKind.RTCP if 192 <= datagram[1] <= 223 else DatagramKind.RTP
    return DatagramKind.DTLS if 20 <= first <= 63 else DatagramKind.UNKNOWN


class FrameExtension(msgspec.Struct, frozen=True, gc=False):
    """Which symbol of which access unit a packet carries. `parse_rtp` checks the limits that are given here."""

    frame_id: int  # 32 bits, of the access unit
    is_idr: bool
    block: int  # 0 .. block_count - 1
    block_count: int  # of the access unit, up to 255
    source_count: int  # n: source symbols of this block, 1 .. MAX_SOURCE_SYMBOLS
    index: int  # i: of the symbol in its block, below n + MAX_REPAIR_SYMBOLS; n and above are repair symbols i - n
    repair_count: int  # k: repair symbols sent with the block's first transmission, up to MAX_REPAIR_SYMBOLS

    @property
    def is_repair(self) -> bool:
        return self.index >= self.source_count


class RtpPacket(msgspec.Struct, frozen=True, gc=False):
    """One RTP packet. Times are of the sender's monotonic clock; None: the extension is absent."""

    payload_type: int
    marker: bool  # video: the last source packet of the access unit
    sequence_number: int  # 16 bits
    timestamp: int  # 32 bits, in units of the payload type's clock
    ssrc: int
    payload: bytes
    capture_ns: int | None = None
    frame: FrameExtension | None = None
    send_time: int | None = None  # units of 2**-18 s, modulo 64 s; see `stamp_send_time`


def serialize_rtp(packet: RtpPacket) -> bytearray:
    """The packet's bytes, abs-send-time at SEND_TIME_OFFSET (0 until stamped).

    A field beyond its range is a defect of the caller (struct.error).
    """
    frame = packet.frame
    capture_ns = packet.capture_ns
    if frame is None or capture_ns is None:
        return _serialize_any(packet)
    data = bytearray(
        _VIDEO.pack(
            _FIRST_BYTE,
            packet.payload_type | 0x80 if packet.marker else packet.payload_type,
            packet.sequence_number,
            packet.timestamp,
            packet.ssrc,
            _VIDEO_EXTENSION,
            _SEND_TIME_TAG << 24 | (packet.send_time or 0),
            _FRAME_TAG,
            frame.frame_id,
            _FLAG_IDR if frame.is_idr else 0,
            frame.block,
            frame.block_count,
            frame.source_count,
            frame.index,
            frame.repair_count,
            _CAPTURE_TAG,
            uq32_32_from_ns(capture_ns),
        )
    )
    data += packet.payload
    return data


def parse_rtp(data: bytes) -> RtpPacket:
    """One packet; unknown extensions are skipped, padding is cut off. Raises PacketError."""
    if len(data) < VIDEO_HEADER_BYTES or data[0] != _FIRST_BYTE:
        return _parse_any(data)
    (
        _,
        marker_and_type,
        sequence_number,
        timestamp,
        ssrc,
        extension,
        send_time,
        frame_tag,
        frame_id,
        flags,
        block,
        block_count,
        source_count,
        index,
        repair_count,
        capture_tag,
        capture,
    ) = _VIDEO.unpack_from(data)
    if (
        extension != _VIDEO_EXTENSION
        or send_time >> 24 != _SEND_TIME_TAG
        or frame_tag != _FRAME_TAG
        or capture_tag != _CAPTURE_TAG
    ):
        return _parse_any(data)
    return RtpPacket(
        marker_and_type & 0x7F,
        marker_and_type >= 0x80,
        sequence_number,
        timestamp,
        ssrc,
        data[VIDEO_HEADER_BYTES:],
        ns_from_uq32_32(capture),
        _frame(frame_id, flags, block, block_count, source_count, index, repair_count),
        send_time & _SEND_TIME_MASK,
    )


def stamp_send_time(packet: bytearray, now_ns: int) -> None:
    """Write abs-send-time into a packet of `serialize_rtp`, in place."""
    packet[SEND_TIME_OFFSET : SEND_TIME_OFFSET + 3] = send_time_from_ns(now_ns).to_bytes(3, "big")


def send_time_from_ns(now_ns: int) -> int:
    """24 bits: seconds as 6.18 fixed point, which wrap every 64 s."""
    return ((now_ns << 18) // 1_000_000_000) & _SEND_TIME_MASK


def send_time_difference_ns(later: int, earlier: int) -> int:
    """From `earlier` to `later`, both as in RtpPacket.send_time; exact to 4 us while less than 32 s apart."""
    units = (later - earlier + 0x80_0000 & _SEND_TIME_MASK) - 0x80_0000
    return (units * 1_000_000_000) >> 18


def uq32_32_from_ns(time_ns: int) -> int:
    """64 bits: seconds as 32.32 fixed point, rounded to the nearest (0.23 ns), modulo 2**32 s."""
    return (((time_ns << 32) + 500_000_000) // 1_000_000_000) & 0xFFFF_FFFF_FFFF_FFFF


def ns_from_uq32_32(fixed: int) -> int:
    """The inverse of `uq32_32_from_ns`, exact for times of 0 .. 2**32 s."""
    return (fixed * 1_000_000_000 + 0x8000_0000) >> 32


def rtx_payload(original_sequence_number: int, payload: bytes) -> bytes:
    """The payload of a retransmission (RFC 4588, section 4)."""
    return _ORIGINAL_SEQUENCE.pack(original_sequence_number) + payload


def split_rtx_payload(payload: bytes) -> tuple[int, bytes]:
    """(original sequence number, original payload) of a retransmission. Raises PacketError."""
    if len(payload) < RTX_HEADER_BYTES:
        raise PacketError("retransmission without the original sequence number")
    return payload[0] << 8 | payload[1], payload[RTX_HEADER_BYTES:]


def sequence_delta(sequence_number: int, other: int) -> int:
    """How far `sequence_number` is ahead of `other`, -32768 .. 32767."""
    return (sequence_number - other + 0x8000 & 0xFFFF) - 0x8000


class SequenceUnwrapper:
    """Counts 16-bit sequence numbers on without end. The first keeps its value plus 65536, so that none is negative."""

    def __init__(self) -> None:
        self._highest: int | None = None

    def unwrap(self, sequence_number: int) -> int:
        """The number without wrap, taken as within 32768 of the highest one so far."""
        highest = self._highest
        if highest is None:
            self._highest = 0x1_0000 + sequence_number
            return self._highest
        unwrapped = highest + (sequence_number - highest + 0x8000 & 0xFFFF) - 0x8000
        if unwrapped > highest:
            self._highest = unwrapped
        return unwrapped


def _serialize_any(packet: RtpPacket) -> bytearray:
    extensions = bytes((_SEND_TIME_TAG,)) + (packet.send_time or 0).to_bytes(3, "big")
    if packet.frame is not None:
        frame = packet.frame
        extensions += bytes((_FRAME_TAG,)) + _FRAME.pack(
            frame.frame_id,
            _FLAG_IDR if frame.is_idr else 0,
            frame.block,
            frame.block_count,
            frame.source_count,
            frame.index,
            frame.repair_count,
        )
    if packet.capture_ns is not None:
        extensions += bytes((_CAPTURE_TAG,)) + _CAPTURE.pack(uq32_32_from_ns(packet.capture_ns))
    extensions += bytes(-len(extensions) % 4)
    data = bytearray(
        _FIXED.pack(
            _FIRST_BYTE,
            packet.payload_type | 0x80 if packet.marker else packet.payload_type,
            packet.sequence_number,
            packet.timestamp,
            packet.ssrc,
        )
    )
    data += _EXTENSION.pack(_ONE_BYTE_PROFILE, len(extensions) // 4)
    data += extensions
    data += packet.payload
    return data


def _parse_any(data: bytes) -> RtpPacket:
    if len(data) < _FIXED.size:
        raise PacketError("shorter than an RTP header")
    first, marker_and_type, sequence_number, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != 2:
        raise PacketError("not RTP version 2")
    start = _FIXED.size + 4 * (first & 0x0F)
    send_time: int | None = None
    capture_ns: int | None = None
    frame: FrameExtension | None = None
    if first & 0x10:
        if len(data) < start + _EXTENSION.size:
            raise PacketError("header extension beyond the end")
        profile, words = _EXTENSION.unpack_from(data, start)
        start += _EXTENSION.size
        end = start + 4 * words
        if profile == _ONE_BYTE_PROFILE:
            send_time, capture_ns, frame = _parse_extensions(data[start:end])
        start = end
    end = len(data)
    if first & 0x20:
        padding_bytes = data[-1]
        if padding_bytes == 0:
            raise PacketError("padding of no bytes")
        end -= padding_bytes
    if start > end:
        raise PacketError("header or padding beyond the end")
    return RtpPacket(
        marker_and_type & 0x7F,
        marker_and_type >= 0x80,
        sequence_number,
        timestamp,
        ssrc,
        data[start:end],
        capture_ns,
        frame,
        send_time,
    )


def _parse_extensions(elements: bytes) -> tuple[int | None, int | None, FrameExtension | None]:
    """abs-send-time, capture time and frame of RFC 8285, section 4.2, elements."""
    send_time: int | None = None
    capture_ns: int | None = None
    frame: FrameExtension | None = None
    position = 0
    while position < len(elements):
        tag = elements[position]
        position += 1
        if tag == 0:
            continue
        if tag >> 4 == _ID_STOP:
            break
        value = elements[position : position + (tag & 0x0F) + 1]
        position += (tag & 0x0F) + 1
        if position > len(elements):
            raise PacketError("extension element beyond the end")
        if tag == _SEND_TIME_TAG:
            send_time = int.from_bytes(value, "big")
        elif tag == _CAPTURE_TAG:
            capture_ns = ns_from_uq32_32(_CAPTURE.unpack(value)[0])
        elif tag == _FRAME_TAG:
            frame = _frame(*_FRAME.unpack(value))
        elif tag >> 4 in (ID_SEND_TIME, ID_CAPTURE_TIME, ID_FRAME):
            raise PacketError("extension of another length")
    return send_time, capture_ns, frame


def _frame(
    frame_id: int, flags: int, block: int, block_count: int, source_count: int, index: int, repair_count: int
) -> FrameExtension:
    if (
        block >= block_count
        or not 1 <= source_count <= MAX_SOURCE_SYMBOLS
        or index >= source_count + MAX_REPAIR_SYMBOLS
        or repair_count > MAX_REPAIR_SYMBOLS
    ):
        raise PacketError("frame extension beyond its limits")
    return FrameExtension(frame_id, flags & _FLAG_IDR != 0, block, block_count, source_count, index, repair_count)
