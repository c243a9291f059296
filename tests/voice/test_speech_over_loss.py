"""What the listener hears of speech when one packet in ten is lost."""

import random

import numpy as np

from daemon.link.rtp import PT_RED
from daemon.messages import VoicePacket
from daemon.voice.jitter import JitterBuffer, Play
from daemon.voice.opus import OpusDecoder, packet_samples
from daemon.voice.red import unpack_red
from daemon.voice.talk import Talk
from hw.audio.ports import BLOCK_SAMPLES, RATE_HZ, Samples
from tests.voice.speech import far_speech

PACKET = 960
WAIT_PACKETS = 4  # of play-out delay
PACKET_NS = 20_000_000
LOSS = 0.1


def said(speech: Samples) -> list[VoicePacket]:
    talk = Talk(packet_ms=20, bitrate_bps=32_000)
    talk.set_loss(LOSS)
    packets = []
    for number, at in enumerate(range(0, len(speech), BLOCK_SAMPLES)):
        packet = talk.take(speech[at : at + BLOCK_SAMPLES], 10**12 + number * 10_000_000)
        if packet is not None:
            packets.append(packet)
    return packets


def heard(packets: list[VoicePacket], lost: set[int], *, redundancy: bool) -> Samples:
    """By the jitter buffer and the decoder, on the talker's time."""
    buffer, decoder, parts = JitterBuffer(), OpusDecoder(), []
    for slot in range(len(packets) + WAIT_PACKETS):
        now_ns = slot * PACKET_NS
        if slot < len(packets) and slot not in lost:
            packet = packets[slot]
            copies = unpack_red(packet.payload) if packet.payload_type == PT_RED else [(0, packet.payload)]
            for offset, data in copies if redundancy else copies[-1:]:
                buffer.put(packet.timestamp - offset, data, packet_samples(data), now_ns)
        if slot < WAIT_PACKETS:
            continue
        count = 0
        while count < PACKET:
            step = buffer.take(now_ns + 10**9)
            assert step is not None
            parts.append(decoder.decode(step.packet) if isinstance(step, Play) else decoder.conceal(step.samples))
            count += step.samples
    return np.concatenate(parts)


def segmental_snr_db(reference: Samples, samples: Samples) -> float:
    """Mean over the 20 ms segments with speech, each limited to -10 .. 35 dB."""
    count = min(len(reference), len(samples)) // PACKET
    signal = reference[: count * PACKET].reshape(-1, PACKET).astype(np.float64)
    error = signal - samples[: count * PACKET].reshape(-1, PACKET)
    power = (signal**2).mean(1)
    snr = 10 * np.log10(power / ((error**2).mean(1) + 1e-12) + 1e-12)
    return float(np.clip(snr[power > power.max() * 1e-3], -10, 35).mean())


def test_redundancy_is_worth_eight_decibels_over_concealment_alone() -> None:
    speech = 0.5 * far_speech(40)
    packets = said(speech)
    draw = random.Random(3)
    lost = {number for number in range(10, len(packets)) if draw.random() < LOSS}
    whole = heard(packets, set(), redundancy=True)
    with_copies = segmental_snr_db(whole, heard(packets, lost, redundancy=True))
    concealed_only = segmental_snr_db(whole, heard(packets, lost, redundancy=False))
    assert concealed_only > 0  # concealment is no silence
    assert with_copies >= concealed_only + 8


def test_a_muted_microphone_sends_silence() -> None:
    talk = Talk(packet_ms=10, bitrate_bps=32_000)
    talk.muted = True
    decoder = OpusDecoder()
    loud = np.ones(BLOCK_SAMPLES, np.float32) * 0.5
    loudest = 0.0
    for number in range(50):
        packet = talk.take(loud, 10**12 + number * 10_000_000)
        assert packet is not None
        data = unpack_red(packet.payload)[-1][1] if packet.payload_type == PT_RED else packet.payload
        loudest = max(loudest, float(np.abs(decoder.decode(data)).max()))
    assert loudest < 1e-3
    assert talk.level.read_dbfs() == -100


def test_after_a_gap_time_goes_on_and_the_stream_begins_anew() -> None:
    talk = Talk(packet_ms=10, bitrate_bps=32_000)
    block = np.zeros(BLOCK_SAMPLES, np.float32)
    first, second = talk.take(block, 10**12), talk.take(block, 10**12 + 10_000_000)
    third = talk.take(block, 10**12 + 1_010_000_000)
    assert first is not None
    assert second is not None
    assert third is not None
    assert [first.starts, second.starts, third.starts] == [True, False, True]
    assert second.timestamp - first.timestamp == BLOCK_SAMPLES
    assert third.timestamp - second.timestamp == BLOCK_SAMPLES + RATE_HZ
