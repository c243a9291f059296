"""Redundant audio (RFC 2198): older packets' payloads ride along with the newest one's. Pure.

F=1 PT(7) timestamp offset(14) length(10)     for each older one, the oldest first
F=0 PT(7)                                     of the newest
payloads in the same order
"""

from collections.abc import Sequence

from daemon.link.rtp import PT_OPUS, PacketError

MAX_OFFSET = (1 << 14) - 1  # samples: 341 ms
MAX_LENGTH = (1 << 10) - 1
_LONG_HEADER_BYTES = 4


def pack_red(newest: bytes, older: Sequence[tuple[int, bytes]]) -> bytes:
    """`older`: (timestamp offset in samples, payload), the oldest first; what does not fit its field is left out."""
    fitting = [(offset, data) for offset, data in older if 0 < offset <= MAX_OFFSET and len(data) <= MAX_LENGTH]
    headers = b"".join(
        ((0x80 | PT_OPUS) << 24 | offset << 10 | len(data)).to_bytes(_LONG_HEADER_BYTES, "big")
        for offset, data in fitting
    )
    return headers + bytes((PT_OPUS,)) + b"".join(data for _, data in fitting) + newest


def unpack_red(payload: bytes) -> list[tuple[int, bytes]]:
    """(timestamp offset in samples, Opus packet), the oldest first, the newest with offset 0 last.

    Blocks of other payload types are left out. Raises PacketError.
    """
    blocks: list[tuple[int, int, int]] = []
    position = 0
    while True:
        if position >= len(payload):
            raise PacketError("RED without a last header")
        if not payload[position] & 0x80:
            break
        if position + _LONG_HEADER_BYTES > len(payload):
            raise PacketError("RED header beyond the end")
        header = int.from_bytes(payload[position : position + _LONG_HEADER_BYTES], "big")
        blocks.append((header >> 24 & 0x7F, header >> 10 & MAX_OFFSET, header & MAX_LENGTH))
        position += _LONG_HEADER_BYTES
    newest_type = payload[position]
    position += 1
    found: list[tuple[int, bytes]] = []
    for payload_type, offset, length in blocks:
        if position + length > len(payload):
            raise PacketError("RED block beyond the end")
        if payload_type == PT_OPUS and offset and length:
            found.append((offset, payload[position : position + length]))
        position += length
    if newest_type == PT_OPUS:
        found.append((0, payload[position:]))
    return found


def copies_for(loss: float) -> int:
    """How many older payloads ride along at this share of lost packets, so that under 1 in 10,000 has no copy left."""
    if loss < 0.01:
        return 1
    return 2 if loss < 0.04 else 3
