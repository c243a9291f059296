"""What crosses a process border of the appliance. Frozen, small, and the only thing that does.

video --- AccessUnit, SourceReport (sender) / ViewReport (receiver) ---> link
link  --- EncoderOrder, TruthReport (sender) / DeliveredUnit, LinkReport (receiver) ---> video
voice --- VoicePacket, VoiceReport ---> link
link  --- HeardVoice, VoiceReport (the peer's), PathReport ---> voice;   VoiceReport (of both ends) ---> video
all   --- Statistics, Event, TruthReport, VoiceReport ---> supervisor --- VoiceCommand ---> voice
supervisor --- XrayReport ---> video (sender)
any   --- SmallMessage ---> link ... peer's link --- SmallMessage ---> the process that reads its kind
"""

from enum import StrEnum

import msgspec

from daemon.config import Config
from daemon.link.rtcp import SourceStatus, ViewStatus
from daemon.link.voice_status import VoiceStatus
from hw.serial.ports import XrayState


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Supervisor to a worker, once, first: what to be."""

    config: Config


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Supervisor to a worker: end in good order."""


class XrayReport(msgspec.Struct, frozen=True, tag="xray"):
    """Whether X-ray is on, and since when, as it was known at `at_ns`; repeated, for silence means UNKNOWN."""

    state: XrayState
    since_ns: int
    at_ns: int


class AccessUnit(msgspec.Struct, frozen=True, tag="unit"):
    """An encoded image on its way to the packetizer. `capture_ns`: this machine's monotonic clock."""

    frame_id: int
    capture_ns: int
    is_idr: bool
    data: bytes


class SourceReport(msgspec.Struct, frozen=True, tag="source"):
    """The sender's heartbeat: what its source does. `stream`: see DeliveredUnit (0 at the sender)."""

    status: SourceStatus
    stream: int = 0


class EncoderOrder(msgspec.Struct, frozen=True, tag="encoder"):
    """What the link wants of the encoder."""

    bitrate_bps: int
    image_rate_hz: float | None  # an upper limit; None: as many as there are
    wants_idr: bool


class DeliveredUnit(msgspec.Struct, frozen=True, tag="delivered"):
    """A whole access unit at the receiver. `capture_ns` is the sender's clock, `delivered_ns` ours.

    `stream` is the sender's SSRC: it changes when the sender's link starts anew.
    """

    stream: int
    frame_id: int
    capture_ns: int
    delivered_ns: int
    is_idr: bool
    data: bytes


class LinkReport(msgspec.Struct, frozen=True, tag="link"):
    """The receiver's link to its presenter, at least every 50 ms; times as in `picture.truth.LinkView`."""

    stream: int
    last_authenticated_ns: int | None
    clock_offset_ns: int | None
    clock_bound_ns: int
    cause: str


class ViewReport(msgspec.Struct, frozen=True, tag="view"):
    """The receiver's presenter to its link: what the expert sees, and whether the decoder needs an IDR."""

    status: ViewStatus
    wants_idr: bool = False


class VoicePacket(msgspec.Struct, frozen=True, tag="voice"):
    """Encoded voice on its way to the peer. `starts`: what comes before has nothing to do with it."""

    timestamp: int  # 32 bits, 48 kHz
    payload_type: int  # daemon.link.rtp: PT_OPUS or PT_RED
    payload: bytes
    starts: bool = False


class HeardVoice(msgspec.Struct, frozen=True, tag="heard"):
    """A voice packet from the peer. `stream` is its SSRC."""

    stream: int
    sequence_number: int
    timestamp: int
    payload_type: int
    payload: bytes
    arrival_ns: int


class VoiceReport(msgspec.Struct, frozen=True, tag="voice_status"):
    """What an end says of its voice: this box's, or the peer's as it was heard."""

    status: VoiceStatus
    is_peers: bool = False


class PathReport(msgspec.Struct, frozen=True, tag="path"):
    """The link to the voice process, at least every 50 ms."""

    last_authenticated_ns: int | None


class VoiceWish(StrEnum):
    """What a person wants of the call: a button, a command, the panel."""

    CALL = "call"
    ACCEPT = "accept"
    END = "end"
    MUTE = "mute"
    UNMUTE = "unmute"
    TALK = "talk"  # push-to-talk: pressed
    RELEASE = "release"


class VoiceCommand(msgspec.Struct, frozen=True, tag="voice_command"):
    """Supervisor to the voice process."""

    wish: VoiceWish


class TruthReport(msgspec.Struct, frozen=True, tag="truth"):
    """The picture truth at this end, for the supervisor. Ages in milliseconds, None: not known."""

    state: int
    cause: str
    frame_id: int
    age_ms: int | None
    latency_ms: int | None
    latency_bound_ms: int | None
    at_ns: int
    xray: XrayState = XrayState.UNKNOWN  # at the receiver: what the sender says of it


class Event(msgspec.Struct, frozen=True, tag="event"):
    """Something happened that a person may ask about later."""

    what: str
    cause: str
    at_ns: int


class Statistics(msgspec.Struct, frozen=True, tag="statistics"):
    """A worker's figures of the last second, by name; the unit is in the name."""

    worker: str
    figures: dict[str, float]
    words: dict[str, str] = {}  # what is not a number: who encodes


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A worker cannot work with this configuration; restarting it would not help."""

    problem: str
    exit_code: int


class SmallMessage(msgspec.Struct, frozen=True, tag="small"):
    """A reliable small message, to or from the peer. `kind`: link.message_kinds, which says who reads it there."""

    kind: int
    payload: bytes


ToWorker = Start | Stop | XrayReport | SmallMessage | VoiceCommand
FromWorker = TruthReport | Event | Statistics | Failed | SmallMessage | VoiceReport
ToLink = AccessUnit | SourceReport | ViewReport | SmallMessage | VoicePacket | VoiceReport
ToVideo = EncoderOrder | DeliveredUnit | LinkReport | SourceReport | TruthReport | SmallMessage | VoiceReport
ToVoice = HeardVoice | VoiceReport | PathReport
