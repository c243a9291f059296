"""H.264 access units as RTP payloads and back (RFC 6184, packetization-mode 1), and their division into FEC blocks.

Small neighbours travel together (STAP-A), large units in fragments of equal size (FU-A), so that the symbols of a
block, all as long as the longest, waste little. Start codes become 4 bytes long on the way; nothing else changes.
"""

from collections.abc import Iterable, Iterator, Sequence

from daemon.link.rtp import MAX_SOURCE_SYMBOLS, PacketError

STAP_A = 24
FU_A = 28
_MAX_SINGLE_TYPE = 23
_FU_START, _FU_END = 0x80, 0x40
_START_CODE = b"\0\0\0\1"
_SHORT_START_CODE = b"\0\0\1"
_STAP_LENGTH_BYTES = 2
_FU_HEADER_BYTES = 2


def packetize(annex_b: bytes, max_payload_bytes: int) -> list[bytes]:
    """The payloads of one access unit, in order, each of at most `max_payload_bytes`.

    Raises PacketError when `annex_b` is not an Annex B byte stream of H.264 NAL units.
    """
    payloads: list[bytes] = []
    waiting: list[memoryview] = []  # small units that share a packet
    waiting_bytes = 1
    for unit in _nal_units(annex_b):
        aggregated_bytes = _STAP_LENGTH_BYTES + len(unit)
        if waiting and waiting_bytes + aggregated_bytes > max_payload_bytes:
            payloads.append(_aggregate(waiting))
            waiting, waiting_bytes = [], 1
        if len(unit) <= max_payload_bytes:
            waiting.append(unit)
            waiting_bytes += aggregated_bytes
        else:
            payloads.extend(_fragments(unit, max_payload_bytes))
    if waiting:
        payloads.append(_aggregate(waiting))
    if not payloads:
        raise PacketError("access unit without NAL units")
    return payloads


def depacketize(payloads: Iterable[bytes]) -> bytes:
    """The access unit, an Annex B byte stream, of all its payloads in order. Raises PacketError."""
    parts: list[bytes | memoryview] = []
    fragmented_header: int | None = None  # of the unit whose last fragment has not come yet
    for payload in payloads:
        if not payload:
            raise PacketError("empty H.264 payload")
        unit_type = payload[0] & 0x1F
        if unit_type == FU_A:
            fragmented_header = _take_fragment(payload, fragmented_header, parts)
        elif fragmented_header is not None:
            raise PacketError("fragmented NAL unit without its end")
        elif unit_type == STAP_A:
            for unit in _aggregated_units(payload):
                parts += (_START_CODE, unit)
        else:
            _check_type(unit_type)
            parts += (_START_CODE, payload)
    if fragmented_header is not None:
        raise PacketError("fragmented NAL unit without its end")
    if not parts:
        raise PacketError("access unit without payloads")
    return b"".join(parts)


def split_into_blocks(payload_count: int) -> list[range]:
    """Which payloads each FEC block of an access unit protects: as few blocks as can be, of about equal size."""
    count = -(-payload_count // MAX_SOURCE_SYMBOLS)
    return [range(payload_count * i // count, payload_count * (i + 1) // count) for i in range(count)]


def _nal_units(annex_b: bytes) -> Iterator[memoryview]:
    """Units without start codes and without the zeros that may follow a unit."""
    view = memoryview(annex_b)
    code = annex_b.find(_SHORT_START_CODE)
    if code < 0 or annex_b.count(0, 0, code) != code:
        raise PacketError("access unit does not begin with a start code")
    while code >= 0:
        start = code + len(_SHORT_START_CODE)
        code = annex_b.find(_SHORT_START_CODE, start)
        end = code if code >= 0 else len(annex_b)
        while end > start and annex_b[end - 1] == 0:
            end -= 1
        if end > start:
            _check_type(annex_b[start] & 0x1F)
            yield view[start:end]


def _check_type(unit_type: int) -> None:
    if not 1 <= unit_type <= _MAX_SINGLE_TYPE:
        raise PacketError(f"NAL unit of type {unit_type}")


def _aggregate(units: Sequence[memoryview]) -> bytes:
    """One unit as it is, or several as STAP-A (RFC 6184, section 5.7.1)."""
    if len(units) == 1:
        return bytes(units[0])
    forbidden = max(unit[0] & 0x80 for unit in units)
    importance = max(unit[0] & 0x60 for unit in units)
    parts: list[bytes | memoryview] = [bytes((forbidden | importance | STAP_A,))]
    for unit in units:
        parts += (len(unit).to_bytes(_STAP_LENGTH_BYTES, "big"), unit)
    return b"".join(parts)


def _aggregated_units(payload: bytes) -> Iterator[bytes]:
    position = 1
    if len(payload) == position:
        raise PacketError("aggregation without NAL units")
    while position < len(payload):
        start = position + _STAP_LENGTH_BYTES
        position = start + int.from_bytes(payload[position:start], "big")
        if position > len(payload) or position == start:
            raise PacketError("aggregated NAL unit empty or beyond the end")
        _check_type(payload[start] & 0x1F)
        yield payload[start:position]


def _fragments(unit: memoryview, max_payload_bytes: int) -> Iterator[bytes]:
    """FU-A payloads whose sizes differ by one byte at most (RFC 6184, section 5.8)."""
    indicator, unit_type = unit[0] & 0xE0 | FU_A, unit[0] & 0x1F
    body = unit[1:]
    count = -(-len(body) // (max_payload_bytes - _FU_HEADER_BYTES))
    for i in range(count):
        flags = (_FU_START if i == 0 else 0) | (_FU_END if i == count - 1 else 0)
        fragment = body[len(body) * i // count : len(body) * (i + 1) // count]
        yield b"".join((bytes((indicator, flags | unit_type)), fragment))


def _take_fragment(payload: bytes, header: int | None, parts: list[bytes | memoryview]) -> int | None:
    """Add one fragment to `parts`; the header of its unit, or None when that is complete."""
    if len(payload) < _FU_HEADER_BYTES:
        raise PacketError("fragment without its header")
    own_header = payload[0] & 0xE0 | payload[1] & 0x1F
    starts, ends = payload[1] & _FU_START, payload[1] & _FU_END
    if starts and ends:
        raise PacketError("fragment that is a whole NAL unit")
    if starts:
        if header is not None:
            raise PacketError("fragmented NAL unit without its end")
        _check_type(own_header & 0x1F)
        parts += (_START_CODE, bytes((own_header,)))
    elif header != own_header:
        raise PacketError("fragment of a NAL unit whose start is missing")
    parts.append(memoryview(payload)[_FU_HEADER_BYTES:])
    return None if ends else own_header
