"""Voice status (RTCP APP, CLVO): what each end says of its call, its microphone and what it hears, five times a second
and at every change. State that is told again and again needs no acknowledgement: the next one heals a lost one."""

from struct import Struct

import msgspec

from daemon.link.rtp import PacketError

NAME = b"CLVO"
SILENCE_DBFS = -100

_STATUS = Struct("!IQIBBBb")
_MUTED, _NO_MICROPHONE, _NO_SPEAKER = 1, 2, 4


class VoiceStatus(msgspec.Struct, frozen=True):
    """`call` is a daemon.voice.call.CallState; a newer peer may know more of them."""

    sequence: int
    sent_ns: int
    call_id: int  # of the call that `call` speaks of; when idle, of the last one; 0: there was none
    call: int
    muted: bool = False
    no_microphone: bool = False
    no_speaker: bool = False
    loss_percent: int = 0  # of the peer's voice packets, before any repair
    level_dbfs: int = SILENCE_DBFS  # of the own voice, as it is sent


def voice_status_bytes(status: VoiceStatus) -> bytes:
    """Name and data of the APP packet."""
    flags = (
        (_MUTED if status.muted else 0)
        | (_NO_MICROPHONE if status.no_microphone else 0)
        | (_NO_SPEAKER if status.no_speaker else 0)
    )
    return NAME + _STATUS.pack(
        status.sequence,
        status.sent_ns,
        status.call_id,
        status.call,
        flags,
        status.loss_percent,
        status.level_dbfs,
    )


def parse_voice_status(data: bytes) -> VoiceStatus:
    """Raises PacketError."""
    if len(data) < _STATUS.size:
        raise PacketError("voice status of a wrong length")
    sequence, sent_ns, call_id, call, flags, loss_percent, level_dbfs = _STATUS.unpack_from(data)
    return VoiceStatus(
        sequence,
        sent_ns,
        call_id,
        call,
        bool(flags & _MUTED),
        bool(flags & _NO_MICROPHONE),
        bool(flags & _NO_SPEAKER),
        min(loss_percent, 100),
        level_dbfs,
    )
