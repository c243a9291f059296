"""Data of our own in an H.264 access unit: an SEI message "user data unregistered" (ITU-T H.264, D.1.7), which every
decoder skips that does not know its UUID. It is the access unit's first NAL unit.
"""

from uuid import UUID

from daemon.errors import CodecError

FEATURES_UUID = UUID("97332b58-eb2d-4fdc-910f-d4cae1ab3322")

_START_CODE = b"\0\0\0\1"
_SEI_NAL = 6
_USER_DATA_UNREGISTERED = 5
_STOP_BIT = b"\x80"
_ESCAPED = b"\0\0"
_UUID_BYTES = 16
_MAX_NAL_BYTES = 1024


def with_user_data(access_unit: bytes, uuid: UUID, data: bytes) -> bytes:
    """The access unit with a NAL unit in front. Annex B."""
    size = _UUID_BYTES + len(data)
    message = bytes([_USER_DATA_UNREGISTERED, *[0xFF] * (size // 0xFF), size % 0xFF]) + uuid.bytes + data
    return _START_CODE + bytes([_SEI_NAL]) + _escape(message + _STOP_BIT) + access_unit


def user_data(access_unit: bytes, uuid: UUID) -> bytes:
    """What `with_user_data` put in front. Raises CodecError when it is not there or not whole."""
    if not access_unit.startswith(_START_CODE + bytes([_SEI_NAL])):
        raise CodecError("the access unit does not begin with an SEI message")
    begin = len(_START_CODE) + 1
    end = access_unit.find(_START_CODE[1:], begin, begin + _MAX_NAL_BYTES)
    if end < 0:
        raise CodecError("the SEI message has no end")
    message = _unescape(access_unit[begin:end].rstrip(b"\0"))
    if message[:1] != bytes([_USER_DATA_UNREGISTERED]):
        raise CodecError("the SEI message is not user data")
    position, size = 1, 0
    while position < len(message) and message[position] == 0xFF:
        position, size = position + 1, size + 0xFF
    size += message[position] if position < len(message) else 0
    content = message[position + 1 : position + 1 + size]
    if size < _UUID_BYTES or message[position + 1 + size :] != _STOP_BIT:
        raise CodecError(f"an SEI message of {size} bytes in {len(message)}")
    if content[:_UUID_BYTES] != uuid.bytes:
        raise CodecError("the SEI message is not ours")
    return content[_UUID_BYTES:]


def _escape(payload: bytes) -> bytes:
    """Emulation prevention (ITU-T H.264, 7.4.1): no start code inside."""
    out = bytearray()
    for byte in payload:
        if byte <= 3 and out[-2:] == _ESCAPED:
            out.append(3)
        out.append(byte)
    return bytes(out)


def _unescape(payload: bytes) -> bytes:
    return payload.replace(b"\0\0\3", _ESCAPED)
