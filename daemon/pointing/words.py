"""What two boards say to each other: small structs, as msgpack arrays in the payload of a small message.

Coordinates are those of the picture as it was encoded, in eighths of a pixel, rounded down, so that a point never
leaves its pixel. Bytes: docs/wire-format.md.
"""

import struct
from enum import IntEnum
from typing import Annotated, Final

import msgspec

from daemon.errors import PointingError

EIGHTHS: Final = 8
MAX_SIDE: Final = 8191  # pixels; 16 bits of eighths
POINTS_PER_MARK: Final = 32
FRAME_ID_MASK: Final = 0xFFFF_FFFF
DIGEST_BUCKETS: Final = 16

Counter = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]
Point = tuple[float, float]
"""Column and row in pixels; (0.5, 0.5) is the middle of the first pixel."""

_POINT = struct.Struct("!HH")


class Author(IntEnum):
    SENDER = 0
    RECEIVER = 1


class Tool(IntEnum):
    """What a stroke is. Of ARROW, CIRCLE and LINE two points count: where it began and where it ends."""

    FREEHAND = 1
    ARROW = 2
    CIRCLE = 3  # the first point is the centre, the second on the edge
    LINE = 4  # with its length


class Colour(IntEnum):
    YELLOW = 1
    CYAN = 2
    GREEN = 3
    MAGENTA = 4


class Mark(msgspec.Struct, frozen=True, array_like=True, tag="m", forbid_unknown_fields=True):
    """A stroke, or of a long freehand one a piece. The higher `version` of the same (author, number) counts.

    No points: it was taken away.
    """

    author: Author
    number: Counter
    version: Counter
    stroke: Counter  # the number of the first mark of its stroke
    tool: Tool
    colour: Colour
    is_pinned: bool
    frame_id: Counter  # the image that it was drawn on
    width: Side  # of that image
    height: Side
    points: Annotated[bytes, msgspec.Meta(max_length=4 * POINTS_PER_MARK)]


class Floors(msgspec.Struct, frozen=True, array_like=True, tag="c", forbid_unknown_fields=True):
    """Marks with numbers below these are gone for good, by author."""

    of_sender: Counter
    of_receiver: Counter


class Freeze(msgspec.Struct, frozen=True, array_like=True, tag="f", forbid_unknown_fields=True):
    """The image that both ends look at together; None: they do not. The highest (stamp, author) counts."""

    stamp: Counter
    author: Author
    frame_id: Counter | None


class Scene(msgspec.Struct, frozen=True, array_like=True, tag="s", forbid_unknown_fields=True):
    """The picture has moved on with this image: what was drawn on earlier ones fades. The highest stamp counts."""

    stamp: Counter
    frame_id: Counter


class Scale(msgspec.Struct, frozen=True, array_like=True, tag="k", forbid_unknown_fields=True):
    """How long a unit of catheters is in this picture. The highest (stamp, author) counts. 0: not known."""

    stamp: Counter
    author: Author
    pixels_per_french: Annotated[float, msgspec.Meta(ge=0, le=10_000)]


class Summary(msgspec.Struct, frozen=True, array_like=True, tag="d", forbid_unknown_fields=True):
    """CRC sums of what a board holds: of the registers, then of DIGEST_BUCKETS groups of marks, 4 bytes each."""

    digests: Annotated[bytes, msgspec.Meta(min_length=4 + 4 * DIGEST_BUCKETS, max_length=4 + 4 * DIGEST_BUCKETS)]


class Finger(msgspec.Struct, frozen=True, array_like=True, tag="p", forbid_unknown_fields=True):
    """Where somebody points now; no position: nowhere."""

    author: Author
    colour: Colour
    frame_id: Counter
    width: Side
    height: Side
    is_on_frozen: bool
    position: Annotated[bytes, msgspec.Meta(max_length=4)]


Register = Floors | Freeze | Scene | Scale
BoardWord = Mark | Register | Summary

_encoder = msgspec.msgpack.Encoder()
_board_decoder: msgspec.msgpack.Decoder[BoardWord] = msgspec.msgpack.Decoder(BoardWord)
_finger_decoder: msgspec.msgpack.Decoder[Finger] = msgspec.msgpack.Decoder(Finger)


def encode(word: BoardWord | Finger) -> bytes:
    return _encoder.encode(word)


def decode_board_word(payload: bytes) -> BoardWord:
    """Raises PointingError for anything that is none."""
    try:
        word = _board_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a ValidationError is a DecodeError
        raise PointingError(f"a word of the board that cannot be read ({error})") from error
    if isinstance(word, Mark) and len(word.points) % _POINT.size:
        raise PointingError("a mark with half a point")
    return word


def decode_finger(payload: bytes) -> Finger:
    """Raises PointingError for anything that is none."""
    try:
        finger = _finger_decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a ValidationError is a DecodeError
        raise PointingError(f"a pointer that cannot be read ({error})") from error
    if len(finger.position) not in (0, _POINT.size):
        raise PointingError("a pointer with half a position")
    return finger


def pack_points(points: list[Point], width: int, height: int) -> bytes:
    """Points outside of the image are moved to its edge."""
    return b"".join(_POINT.pack(_eighths(x, width), _eighths(y, height)) for x, y in points)


def unpack_points(packed: bytes) -> list[Point]:
    return [(x / EIGHTHS, y / EIGHTHS) for x, y in _POINT.iter_unpack(packed)]


def _eighths(coordinate: float, side: int) -> int:
    return max(0, min(side * EIGHTHS - 1, int(coordinate * EIGHTHS)))


def is_earlier(frame_id: int, than: int) -> bool:
    """Frame ids count modulo 2^32."""
    return 0 < (than - frame_id) & FRAME_ID_MASK < 1 << 31
