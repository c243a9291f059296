"""The X-ray contact box: what it says, and what its silence means (docs/serial.md).

The box watches a contact of the console that is closed while X-ray is on, and says so in frames of its own, at each
change and once a second. Nothing is sent to it. Whatever is not positively known to be on or off is UNKNOWN: a box
that is silent, unplugged, or whose own wiring contradicts itself says nothing about X-ray.
"""

import binascii
from dataclasses import dataclass
from struct import Struct

from hw.serial.cobs import CobsError, cobs_decode, cobs_encode
from hw.serial.ports import NEVER_NS, Answering, SerialEvent, XrayChanged, XrayState
from hw.serial.splitter import Splitter

BAUD_RATE = 115_200
HEARTBEAT_NS = 1_000_000_000
SILENCE_LIMIT_NS = 2_500_000_000  # two heartbeats lost, and a half

LARGEST_GAP = 100

_LAYOUT = 1
_FRAME = Struct("!BBHI")
_CRC = Struct("!H")
_CRC_START = 0xFFFF
_LONGEST_FRAME_BYTES = 64  # of any layout to come

_STATES = {0: XrayState.UNKNOWN, 1: XrayState.OFF, 2: XrayState.ON}
_CODES = {state: code for code, state in _STATES.items()}


@dataclass(frozen=True, slots=True)
class XrayFrame:
    """One word of the box. `lasts_ms`: for how long the state has been so, at most 2^32 - 1."""

    sequence: int
    state: XrayState
    lasts_ms: int


def crc16(data: bytes) -> int:
    """CRC-16/IBM-3740: polynomial 0x1021, start 0xFFFF, not reflected, no final XOR; 0x29B1 of "123456789"."""
    return binascii.crc_hqx(data, _CRC_START)


def pack_frame(frame: XrayFrame) -> bytes:
    """As on the wire, the delimiter included."""
    body = _FRAME.pack(_LAYOUT, _CODES[frame.state], frame.sequence, frame.lasts_ms)
    return cobs_encode(body + _CRC.pack(crc16(body))) + b"\0"


def parse_frame(encoded: bytes) -> XrayFrame | None:
    """From the bytes between two delimiters. None: damaged, or nothing that we know."""
    try:
        data = cobs_decode(encoded)
    except CobsError:
        return None
    body, crc = data[: -_CRC.size], data[-_CRC.size :]
    if len(body) != _FRAME.size or crc != _CRC.pack(crc16(body)):
        return None
    layout, code, sequence, lasts_ms = _FRAME.unpack(body)
    if layout != _LAYOUT or code not in _STATES:
        return None
    return XrayFrame(sequence, _STATES[code], lasts_ms)


class XrayBox:
    """An XrayContact. `damaged` counts frames that could not be read, `lost` those that the sequence misses."""

    baud_rate = BAUD_RATE

    def __init__(self) -> None:
        self._splitter = Splitter(b"\0", _LONGEST_FRAME_BYTES)
        self._sequence: int | None = None
        self._heard_ns: int | None = None
        self._events: list[SerialEvent] = []
        self.state = XrayState.UNKNOWN
        self.since_ns = 0
        self.damaged = 0
        self.lost = 0

    @property
    def is_answering(self) -> bool:
        return self._heard_ns is not None

    @property
    def timer_ns(self) -> int:
        """When the box's last word ends to count."""
        return NEVER_NS if self._heard_ns is None else self._heard_ns + SILENCE_LIMIT_NS

    def note_open(self, now_ns: int) -> None:
        self.note_closed(now_ns)
        self._splitter.reset()
        self._sequence = None

    def note_closed(self, now_ns: int) -> None:
        if self._heard_ns is not None:
            self._events.append(Answering(False))
        self._heard_ns = None
        self._set(XrayState.UNKNOWN, now_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        for encoded in self._splitter.feed(data):
            frame = parse_frame(encoded)
            if frame is None:
                self.damaged += 1
            elif frame.sequence != self._sequence:  # the same one again is an echo of the line, and no sign of life
                self._take(frame, now_ns)

    def _take(self, frame: XrayFrame, now_ns: int) -> None:
        if self._sequence is not None:
            gap = (frame.sequence - self._sequence - 1) & 0xFFFF
            self.lost += gap if gap <= LARGEST_GAP else 0  # else the box has begun anew
        self._sequence = frame.sequence
        if self._heard_ns is None:
            self._events.append(Answering(True))
        self._heard_ns = now_ns
        self._set(frame.state, now_ns - frame.lasts_ms * 1_000_000)

    def tick(self, now_ns: int) -> None:
        if now_ns >= self.timer_ns:
            self.note_closed(now_ns)

    def take_output(self) -> bytes:
        return b""

    def take_events(self) -> list[SerialEvent]:
        events, self._events = self._events, []
        return events

    def _set(self, state: XrayState, since_ns: int) -> None:
        if state is not self.state:
            self.state, self.since_ns = state, since_ns
            self._events.append(XrayChanged(state))
