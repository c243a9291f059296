"""Lines in the style of NMEA 0183: `$TYPE,field,field*hh`, hh the XOR of all characters between $ and *.

What could be taken for the line's own marks is written as `^hh` inside a field (NMEA 0183, section 5.1.3).
"""

import re
from functools import reduce
from operator import xor

LONGEST_LINE_BYTES = 160

_RESERVED = "!$*,\\^~"
_LINE = re.compile(rb"\$([\x20-\x23\x25-\x29\x2b-\x7e]+)\*([0-9A-Fa-f]{2})\r?")
_ESCAPE = re.compile(r"\^([0-9A-Fa-f]{2})")


def build_sentence(*fields: str | int) -> bytes:
    """The line with its end. Fields are printable ASCII; the first is the type."""
    body = ",".join(_escape(str(field)) for field in fields).encode("ascii")
    return b"$%s*%02X\r\n" % (body, reduce(xor, body))


def parse_sentence(line: bytes) -> list[str] | None:
    """The fields of a line without its end; None when it is damaged. Whatever stands before the last $ is noise."""
    match = _LINE.fullmatch(line[max(0, line.rfind(b"$")) :])
    if match is None or reduce(xor, match[1]) != int(match[2], 16):
        return None
    return [_ESCAPE.sub(lambda code: chr(int(code[1], 16)), field) for field in match[1].decode("ascii").split(",")]


def _escape(field: str) -> str:
    return "".join(f"^{ord(character):02X}" if character in _RESERVED else character for character in field)
