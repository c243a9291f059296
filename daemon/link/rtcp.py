"""RTCP messages, alone or several in a datagram (RFC 3550, RFC 5506), to the byte as in docs/wire-format.md.

Standard ones: picture loss indication and generic NACK (RFC 4585), congestion control feedback (RFC 8888). Our own
travel as APP packets of subtype 0, which numbers their layout: source status, view status, clock question and reply.
What a peer may know and we do not is skipped; what contradicts itself rejects the whole datagram.
"""

import struct
from collections.abc import Callable, Iterable
from struct import Struct

import msgspec

from daemon.link import voice_status
from daemon.link.rtp import MAX_RTCP_BYTES, PacketError
from daemon.link.voice_status import VoiceStatus, parse_voice_status, voice_status_bytes
from daemon.states import EncoderState

MAX_CAUSE_BYTES = 120

METRIC_RECEIVED = 0x8000  # of a metric block: the packet came
METRIC_OFFSET_MASK = 0x1FFF  # ... its arrival before the report, in 1/1024 s
OFFSET_TOO_LARGE = 0x1FFE
OFFSET_NOT_KNOWN = 0x1FFF  # it came after the report's time

_APP = 204
_TRANSPORT_FEEDBACK = 205
_PAYLOAD_FEEDBACK = 206
_NACK_FORMAT = 1
_CONGESTION_FORMAT = 11
_PLI_FORMAT = 1
_LAYOUT = 0
_FLAG_SOFTWARE_ENCODER, _FLAG_HARDWARE_FAILED = 1, 8
_ENCODER_FLAGS = {
    EncoderState.HARDWARE: 0,
    EncoderState.SOFTWARE: _FLAG_SOFTWARE_ENCODER,
    EncoderState.FALLBACK: _FLAG_SOFTWARE_ENCODER | _FLAG_HARDWARE_FAILED,
}
_FILTER_SHIFT, _FILTER_MASK = 1, 3
_XRAY_SHIFT, _XRAY_MASK = 4, 3

_HEADER = Struct("!BBH")
_WORD = Struct("!I")
_NACK_ITEM = Struct("!HH")
_STREAM = Struct("!IHH")
_SOURCE_STATUS = Struct("!IQBBBxIQQIHH")
_VIEW_STATUS = Struct("!IQBBHIIH2x")
_CLOCK_QUESTION = Struct("!IQ")
_CLOCK_REPLY = Struct("!IQQQ")


class PictureLoss(msgspec.Struct, frozen=True):
    """PLI: the receiver needs an IDR of this stream (RFC 4585, section 6.3.1)."""

    media_ssrc: int


class Nack(msgspec.Struct, frozen=True):
    """These packets of this stream are wanted again (RFC 4585, section 6.2.1); packs best in ascending order."""

    media_ssrc: int
    sequence_numbers: tuple[int, ...]


class StreamFeedback(msgspec.Struct, frozen=True):
    """Metric blocks of one stream, one a packet from `begin_sequence` on; see `metric_block`, `arrival_offset_ns`."""

    ssrc: int
    begin_sequence: int
    metrics: tuple[int, ...]


class CongestionFeedback(msgspec.Struct, frozen=True):
    """What arrived when, on the receiver's clock (RFC 8888, section 3.1); the time as in `ntp_middle_from_ns`."""

    report_timestamp: int
    streams: tuple[StreamFeedback, ...]


class SourceStatus(msgspec.Struct, frozen=True):
    """The sender's heartbeat, CLSS. Times are of the sender's monotonic clock, 0: there was none yet."""

    sequence: int
    sent_ns: int
    state: int  # daemon.states.SourceState; a newer peer may know more of them
    encoder_state: EncoderState
    frame_id: int  # of the newest new image
    image_capture_ns: int  # ... and when it was captured
    frame_ns: int  # when the newest frame was captured, new or repeated
    image_interval_us: int
    width: int
    height: int
    cause: str = ""  # at most MAX_CAUSE_BYTES are sent
    filter_state: int = 0  # daemon.states.FilterState; a newer peer may know more of them
    xray: int = 0  # hw.serial.ports.XrayState


class ViewStatus(msgspec.Struct, frozen=True):
    """What the expert sees, CLVS. The receiver's clock."""

    sequence: int
    sent_ns: int
    state: int  # daemon.states.PictureState; a newer peer may know more of them
    frame_id: int  # shown
    age_ms: int  # 0xFFFFFFFF: there is no picture
    latency_ms: int  # 0xFFFF: not known
    latency_bound_ms: int
    cause: str = ""


class ClockQuestion(msgspec.Struct, frozen=True):
    """CLCQ: sent at `t1_ns` of the asker's clock."""

    id: int
    t1_ns: int


class ClockReply(msgspec.Struct, frozen=True):
    """CLCR: the question came at `t2_ns`, this left at `t3_ns` of the answerer's clock."""

    id: int
    t1_ns: int
    t2_ns: int
    t3_ns: int


AppMessage = SourceStatus | ViewStatus | VoiceStatus | ClockQuestion | ClockReply
RtcpMessage = PictureLoss | Nack | CongestionFeedback | AppMessage


def serialize_rtcp(sender_ssrc: int, messages: Iterable[RtcpMessage]) -> bytes:
    """One datagram. Raises PacketError when it would be too large or a value exceeds its field."""
    try:
        data = b"".join(_packet(sender_ssrc, message) for message in messages)
    except struct.error as error:
        raise PacketError(f"value beyond its field ({error})") from error
    if len(data) > MAX_RTCP_BYTES:
        raise PacketError(f"RTCP of {len(data)} bytes", f"at most {MAX_RTCP_BYTES} fit a datagram")
    return data


def parse_rtcp(data: bytes) -> list[tuple[int, RtcpMessage]]:
    """(SSRC of the sender, message) of each packet in a datagram that is known here. Raises PacketError."""
    if not data or len(data) > MAX_RTCP_BYTES:
        raise PacketError(f"RTCP of {len(data)} bytes")
    messages: list[tuple[int, RtcpMessage]] = []
    position = 0
    while position < len(data):
        if len(data) - position < _HEADER.size:
            raise PacketError("shorter than an RTCP header")
        first, packet_type, words = _HEADER.unpack_from(data, position)
        body = data[position + _HEADER.size : position + _HEADER.size + 4 * words]
        position += _HEADER.size + 4 * words
        if first >> 6 != 2:
            raise PacketError("not RTCP version 2")
        if position > len(data):
            raise PacketError("RTCP packet beyond the end")
        if first & 0x20:
            body = _without_padding(body)
        parse = _PARSERS.get((packet_type, first & 0x1F))
        if parse is None:
            continue
        if len(body) < _WORD.size:
            raise PacketError("RTCP packet without a sender")
        message = parse(body[_WORD.size :])
        if message is not None:
            messages.append((_WORD.unpack_from(body)[0], message))
    return messages


def metric_block(arrival_ns: int | None, report_ns: int, ecn: int = 0) -> int:
    """The 16 bits on one packet: `arrival_ns` is None when it did not come; `ecn` as in the IP header."""
    if arrival_ns is None:
        return 0
    if arrival_ns > report_ns:
        return METRIC_RECEIVED | ecn << 13 | OFFSET_NOT_KNOWN
    offset = ((report_ns - arrival_ns) * 1024 + 500_000_000) // 1_000_000_000
    return METRIC_RECEIVED | ecn << 13 | min(offset, OFFSET_TOO_LARGE)


def arrival_offset_ns(metric: int) -> int | None:
    """How long before the report's time the packet came, to 0.5 ms; None: it did not, or the time is not known."""
    offset = metric & METRIC_OFFSET_MASK
    if not metric & METRIC_RECEIVED or offset >= OFFSET_TOO_LARGE:
        return None
    return offset * 1_000_000_000 >> 10


def ntp_middle_from_ns(time_ns: int) -> int:
    """32 bits: seconds as 16.16 fixed point, which wrap every 18 hours."""
    return ((time_ns << 16) // 1_000_000_000) & 0xFFFF_FFFF


def ntp_middle_difference_ns(later: int, earlier: int) -> int:
    """From `earlier` to `later`, exact to 16 us while less than 9 hours apart."""
    units = (later - earlier + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
    return units * 1_000_000_000 >> 16


def _packet(sender_ssrc: int, message: RtcpMessage) -> bytes:
    match message:
        case PictureLoss(media_ssrc):
            packet_type, count, body = _PAYLOAD_FEEDBACK, _PLI_FORMAT, _WORD.pack(media_ssrc)
        case Nack(media_ssrc, sequence_numbers):
            body = _WORD.pack(media_ssrc) + _nack_items(sequence_numbers)
            packet_type, count = _TRANSPORT_FEEDBACK, _NACK_FORMAT
        case CongestionFeedback(report_timestamp, streams):
            body = b"".join(map(_stream_bytes, streams)) + _WORD.pack(report_timestamp)
            packet_type, count = _TRANSPORT_FEEDBACK, _CONGESTION_FORMAT
        case _:
            packet_type, count, body = _APP, _LAYOUT, _app_body(message)
    return _HEADER.pack(0x80 | count, packet_type, 1 + len(body) // 4) + _WORD.pack(sender_ssrc) + body


def _app_body(message: AppMessage) -> bytes:
    """Name and data."""
    match message:
        case SourceStatus():
            cause = _encode_cause(message.cause)
            fixed = _SOURCE_STATUS.pack(
                message.sequence,
                message.sent_ns,
                message.state,
                _source_flags(message),
                len(cause),
                message.frame_id,
                message.image_capture_ns,
                message.frame_ns,
                message.image_interval_us,
                message.width,
                message.height,
            )
            return b"CLSS" + fixed + _pad(cause)
        case ViewStatus():
            cause = _encode_cause(message.cause)
            fixed = _VIEW_STATUS.pack(
                message.sequence,
                message.sent_ns,
                message.state,
                len(cause),
                message.latency_ms,
                message.frame_id,
                message.age_ms,
                message.latency_bound_ms,
            )
            return b"CLVS" + fixed + _pad(cause)
        case VoiceStatus():
            return voice_status_bytes(message)
        case ClockQuestion(identifier, t1_ns):
            return b"CLCQ" + _CLOCK_QUESTION.pack(identifier, t1_ns)
        case ClockReply(identifier, t1_ns, t2_ns, t3_ns):
            return b"CLCR" + _CLOCK_REPLY.pack(identifier, t1_ns, t2_ns, t3_ns)


def _source_flags(status: SourceStatus) -> int:
    if not 0 <= status.filter_state <= _FILTER_MASK:
        raise PacketError(f"filter state {status.filter_state}")
    if not 0 <= status.xray <= _XRAY_MASK:
        raise PacketError(f"X-ray state {status.xray}")
    encoder = _ENCODER_FLAGS[status.encoder_state]
    return encoder | status.filter_state << _FILTER_SHIFT | status.xray << _XRAY_SHIFT


def _encoder_state(flags: int) -> EncoderState:
    if not flags & _FLAG_SOFTWARE_ENCODER:
        return EncoderState.HARDWARE
    return EncoderState.FALLBACK if flags & _FLAG_HARDWARE_FAILED else EncoderState.SOFTWARE


def _nack_items(sequence_numbers: tuple[int, ...]) -> bytes:
    """Each item names a packet, and in a bitmap those of the next 16 that are wanted too."""
    items = bytearray()
    first, following = -1, 0
    for number in sequence_numbers:
        distance = number - first & 0xFFFF
        if first < 0 or distance > 16:
            if first >= 0:
                items += _NACK_ITEM.pack(first, following)
            first, following = number, 0
        elif distance:
            following |= 1 << distance - 1
    if first >= 0:
        items += _NACK_ITEM.pack(first, following)
    return bytes(items)


def _stream_bytes(stream: StreamFeedback) -> bytes:
    count = len(stream.metrics)
    return _pad(struct.pack(f"!IHH{count}H", stream.ssrc, stream.begin_sequence, count, *stream.metrics))


def _encode_cause(cause: str) -> bytes:
    """At most MAX_CAUSE_BYTES, cut between characters."""
    data = cause.encode(errors="replace")
    if len(data) <= MAX_CAUSE_BYTES:
        return data
    return data[:MAX_CAUSE_BYTES].decode(errors="ignore").encode()


def _decode_cause(data: bytes) -> str:
    """For a person's eyes, whatever arrives: what cannot be printed is left out."""
    return "".join(filter(str.isprintable, data.decode(errors="replace")))


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _without_padding(body: bytes) -> bytes:
    padding_bytes = body[-1] if body else 0
    if padding_bytes == 0 or padding_bytes % 4 or padding_bytes > len(body):
        raise PacketError("RTCP padding of a wrong length")
    return body[:-padding_bytes]


def _parse_picture_loss(body: bytes) -> PictureLoss:
    _require(len(body) == _WORD.size)
    return PictureLoss(_WORD.unpack(body)[0])


def _parse_nack(body: bytes) -> Nack:
    _require(len(body) >= 2 * _WORD.size)
    numbers: list[int] = []
    for first, following in _NACK_ITEM.iter_unpack(body[_WORD.size :]):
        numbers.append(first)
        numbers.extend(first + bit + 1 & 0xFFFF for bit in range(16) if following >> bit & 1)
    return Nack(_WORD.unpack_from(body)[0], tuple(numbers))


def _parse_congestion_feedback(body: bytes) -> CongestionFeedback:
    end = len(body) - _WORD.size
    _require(end >= 0)
    streams: list[StreamFeedback] = []
    position = 0
    while position < end:
        _require(position + _STREAM.size <= end)
        ssrc, begin_sequence, count = _STREAM.unpack_from(body, position)
        position += _STREAM.size
        _require(position + 2 * count <= end)
        streams.append(StreamFeedback(ssrc, begin_sequence, struct.unpack_from(f"!{count}H", body, position)))
        position += 2 * count + 2 * (count % 2)
    return CongestionFeedback(_WORD.unpack_from(body, end)[0], tuple(streams))


def _parse_app(body: bytes) -> RtcpMessage | None:
    """None: an application that is not ours."""
    _require(len(body) >= 4)
    parse = _APP_PARSERS.get(body[:4])
    return parse(body[4:]) if parse else None


def _parse_source_status(data: bytes) -> SourceStatus:
    _require(len(data) >= _SOURCE_STATUS.size)
    (
        sequence,
        sent_ns,
        state,
        flags,
        cause_bytes,
        frame_id,
        image_capture_ns,
        frame_ns,
        image_interval_us,
        width,
        height,
    ) = _SOURCE_STATUS.unpack_from(data)
    return SourceStatus(
        sequence,
        sent_ns,
        state,
        _encoder_state(flags),
        frame_id,
        image_capture_ns,
        frame_ns,
        image_interval_us,
        width,
        height,
        _parse_cause(data[_SOURCE_STATUS.size :], cause_bytes),
        flags >> _FILTER_SHIFT & _FILTER_MASK,
        flags >> _XRAY_SHIFT & _XRAY_MASK,
    )


def _parse_view_status(data: bytes) -> ViewStatus:
    _require(len(data) >= _VIEW_STATUS.size)
    sequence, sent_ns, state, cause_bytes, latency_ms, frame_id, age_ms, bound_ms = _VIEW_STATUS.unpack_from(data)
    cause = _parse_cause(data[_VIEW_STATUS.size :], cause_bytes)
    return ViewStatus(sequence, sent_ns, state, frame_id, age_ms, latency_ms, bound_ms, cause)


def _parse_clock_question(data: bytes) -> ClockQuestion:
    _require(len(data) == _CLOCK_QUESTION.size)
    return ClockQuestion(*_CLOCK_QUESTION.unpack(data))


def _parse_clock_reply(data: bytes) -> ClockReply:
    _require(len(data) == _CLOCK_REPLY.size)
    return ClockReply(*_CLOCK_REPLY.unpack(data))


def _parse_cause(data: bytes, cause_bytes: int) -> str:
    _require(cause_bytes <= MAX_CAUSE_BYTES and len(data) == cause_bytes + -cause_bytes % 4)
    return _decode_cause(data[:cause_bytes])


def _require(fits: bool) -> None:
    if not fits:
        raise PacketError("RTCP packet of a wrong length")


_PARSERS: dict[tuple[int, int], Callable[[bytes], RtcpMessage | None]] = {
    (_TRANSPORT_FEEDBACK, _NACK_FORMAT): _parse_nack,
    (_TRANSPORT_FEEDBACK, _CONGESTION_FORMAT): _parse_congestion_feedback,
    (_PAYLOAD_FEEDBACK, _PLI_FORMAT): _parse_picture_loss,
    (_APP, _LAYOUT): _parse_app,
}
_APP_PARSERS: dict[bytes, Callable[[bytes], RtcpMessage]] = {
    b"CLSS": _parse_source_status,
    b"CLVS": _parse_view_status,
    voice_status.NAME: parse_voice_status,
    b"CLCQ": _parse_clock_question,
    b"CLCR": _parse_clock_reply,
}
