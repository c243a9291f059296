"""From the microphone to packets: what is said is processed, encoded, and goes out with older packets as redundancy.

Pure but for the encoder and the processor.
"""

from collections import deque

import numpy as np

from daemon.link.rtp import PT_OPUS, PT_RED
from daemon.messages import VoicePacket
from daemon.voice.jitter import media_time_at
from daemon.voice.level import LevelMeter
from daemon.voice.opus import OpusEncoder
from daemon.voice.red import copies_for, pack_red
from hw.audio.ports import RATE_HZ, Samples

MAX_COPIES = 3
GAP_LIMIT_NS = 200_000_000  # between two blocks: some are missing


class Talk:
    """One call's outgoing voice. The processing of the echo is the caller's."""

    def __init__(self, *, packet_ms: int, bitrate_bps: int) -> None:
        """Raises CathlinkError when libopus is not there."""
        self._encoder = OpusEncoder(bitrate_bps)
        self._packet_samples = packet_ms * RATE_HZ // 1000
        self._blocks: list[Samples] = []
        self._media_time: int | None = None
        self._heard_ns = 0
        self._starts = True
        self._sent: deque[tuple[int, bytes]] = deque(maxlen=MAX_COPIES)
        self._copies = 1
        self.level = LevelMeter()
        self.muted = False

    def set_loss(self, share: float) -> None:
        """What the peer says that it loses of what is sent here."""
        self._copies = copies_for(share)
        self._encoder.set_loss(min(100, round(100 * share)))

    def take(self, block: Samples, now_ns: int) -> VoicePacket | None:
        """The microphone's next block; every second one (of 20 ms packets) completes a packet."""
        if self.muted:
            block = np.zeros_like(block)
        self.level.note(block)
        self._note_time(now_ns)
        self._blocks.append(block)
        if sum(map(len, self._blocks)) < self._packet_samples:
            return None
        samples = np.concatenate(self._blocks)
        self._blocks.clear()
        return self._packet(self._encoder.encode(samples))

    def _note_time(self, now_ns: int) -> None:
        """Media time counts what was recorded, on the microphone's clock; a gap is as long as the clock says."""
        if self._media_time is None:
            self._media_time = media_time_at(now_ns)
        elif now_ns - self._heard_ns > GAP_LIMIT_NS:
            self._media_time += media_time_at(now_ns - self._heard_ns)
            self._blocks.clear()
            self._sent.clear()
            self._starts = True
        self._heard_ns = now_ns

    def _packet(self, opus: bytes) -> VoicePacket:
        assert self._media_time is not None
        media_time, starts = self._media_time, self._starts
        copies = list(self._sent)[-self._copies :] if self._copies else []
        self._sent.append((media_time, opus))
        self._media_time += self._packet_samples
        self._starts = False
        timestamp = media_time & 0xFFFF_FFFF
        if not copies:
            return VoicePacket(timestamp, PT_OPUS, opus, starts)
        payload = pack_red(opus, [(media_time - time, data) for time, data in copies])
        return VoicePacket(timestamp, PT_RED, payload, starts)
