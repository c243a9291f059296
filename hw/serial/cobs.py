"""Consistent Overhead Byte Stuffing: frames without zeros, a zero after each.

Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
"""

_LONGEST_RUN = 254


class CobsError(ValueError):
    """Bytes that no encoder makes."""


def cobs_encode(data: bytes) -> bytes:
    """Without the zero that ends a frame."""
    encoded = bytearray()
    for index, run in enumerate(runs := data.split(b"\0")):
        while len(run) >= _LONGEST_RUN:
            encoded += bytes([_LONGEST_RUN + 1]) + run[:_LONGEST_RUN]
            run = run[_LONGEST_RUN:]
            if not run and index == len(runs) - 1:
                return bytes(encoded)
        encoded += bytes([len(run) + 1]) + run
    return bytes(encoded)


def cobs_decode(encoded: bytes) -> bytes:
    """The inverse of `cobs_encode`. Raises CobsError."""
    data = bytearray()
    position = 0
    while position < len(encoded):
        code = encoded[position]
        run = encoded[position + 1 : position + code]
        if code == 0 or len(run) != code - 1 or 0 in run:
            raise CobsError("not a COBS frame")
        data += run
        position += code
        if code <= _LONGEST_RUN and position < len(encoded):
            data.append(0)
    return bytes(data)
