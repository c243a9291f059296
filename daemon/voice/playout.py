"""From packets to the speaker: redundancy unpacked, jitter buffer, decoder, and a resampler that keeps the delay.

Pure but for the decoder; the owner calls `receive` and `fill` under one lock.
"""

from collections import deque

import numpy as np

from daemon.errors import CodecError
from daemon.link.rtp import PT_RED, PacketError, SequenceUnwrapper
from daemon.messages import HeardVoice
from daemon.voice.jitter import JitterBuffer, Play, TimestampUnwrapper
from daemon.voice.opus import OpusDecoder, packet_samples
from daemon.voice.red import unpack_red
from daemon.voice.resample import SteeredResampler
from hw.audio.ports import RATE_HZ, Samples

LOSS_WINDOW_PACKETS = 256
FADE_AFTER_SAMPLES = RATE_HZ // 5  # of concealment on end; then silence: a frozen vowel is no voice


class Playout:
    """One voice stream's way to the speaker."""

    def __init__(self) -> None:
        """Raises CathlinkError when libopus is not there."""
        self.jitter = JitterBuffer()
        self._decoder = OpusDecoder()
        self._resampler = SteeredResampler()
        self._stream: int | None = None
        self._timestamps = TimestampUnwrapper()
        self._losses = _LossMeter()
        self._concealed_on_end = 0
        self.malformed = 0
        self.heard_ns: int | None = None  # when the last packet came

    def receive(self, heard: HeardVoice) -> None:
        """A packet came, at `heard.arrival_ns`. What is damaged is counted in `malformed` and left out."""
        if heard.stream != self._stream:
            self._begin(heard.stream)
        self.heard_ns = heard.arrival_ns
        self._losses.note(heard.sequence_number)
        media_time = self._timestamps.unwrap(heard.timestamp)
        try:
            parts = unpack_red(heard.payload) if heard.payload_type == PT_RED else [(0, heard.payload)]
        except PacketError:
            self.malformed += 1
            return
        for offset, packet in reversed(parts):  # the newest first: it tells whether the stream began anew
            samples = packet_samples(packet)
            if samples == 0:
                self.malformed += 1
                continue
            self.jitter.put(media_time - offset, packet, samples, heard.arrival_ns)

    def _begin(self, stream: int) -> None:
        """The peer's link process is another one: nothing of before has to do with what comes."""
        self._stream = stream
        self._timestamps = TimestampUnwrapper()
        self._losses = _LossMeter()
        self.jitter = JitterBuffer()
        self._decoder = OpusDecoder()

    def fill(self, block: Samples, now_ns: int) -> None:
        """Write what the speaker plays next; silence while there is nothing."""
        speed = self.jitter.speed(self._resampler.waiting, now_ns)
        while self._resampler.missing(len(block), speed) > 0:
            self._resampler.push(self._decode_next(now_ns))
        block[:] = self._resampler.pull(len(block), speed)

    def _decode_next(self, now_ns: int) -> Samples:
        step = self.jitter.take(now_ns)
        if step is None:
            return np.zeros(RATE_HZ // 100, np.float32)
        if isinstance(step, Play):
            self._concealed_on_end = 0
            try:
                return self._decoder.decode(step.packet)
            except CodecError:
                self.malformed += 1
                return self._decoder.conceal(step.samples)
        self._concealed_on_end += step.samples
        if self._concealed_on_end > FADE_AFTER_SAMPLES:
            return np.zeros(step.samples, np.float32)
        return self._decoder.conceal(step.samples)

    def delay_ns(self, now_ns: int) -> int | None:
        """From the arrival of the fastest packets to the speaker."""
        return self.jitter.delay_ns(self._resampler.waiting, now_ns)

    @property
    def loss(self) -> float:
        """The share of the last packets that did not come, whatever the redundancy saved."""
        return self._losses.share


class _LossMeter:
    """Of sequence numbers."""

    def __init__(self) -> None:
        self._unwrapper = SequenceUnwrapper()
        self._numbers: deque[int] = deque(maxlen=LOSS_WINDOW_PACKETS)

    def note(self, sequence_number: int) -> None:
        self._numbers.append(self._unwrapper.unwrap(sequence_number))

    @property
    def share(self) -> float:
        if len(self._numbers) < 2:
            return 0.0
        span = max(self._numbers) - min(self._numbers) + 1
        return max(0.0, 1.0 - len(set(self._numbers)) / span)
