"""libopus as it is installed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import CodecError
from daemon.voice.opus import MAX_FRAME_SAMPLES, OpusDecoder, OpusEncoder, packet_samples
from hw.audio.ports import RATE_HZ, Samples


def tone(hertz: float, count: int) -> Samples:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(count) / RATE_HZ)).astype(np.float32)


def snr_db(wanted: Samples, heard: Samples) -> float:
    """With the best alignment within 20 ms."""
    count = len(wanted) - 960
    error = min(float(np.sum(np.square(wanted[:count] - heard[lag : lag + count]))) for lag in range(961))
    return float(10 * np.log10(np.sum(np.square(wanted[:count])) / error))


@pytest.mark.parametrize("samples", [480, 960])
def test_a_tone_comes_back(samples: int) -> None:
    encoder, decoder = OpusEncoder(32_000), OpusDecoder()
    said = tone(400, 48_000)
    packets = [encoder.encode(said[at : at + samples]) for at in range(0, 48_000, samples)]
    assert {packet_samples(packet) for packet in packets} == {samples}
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    assert len(heard) == len(said)
    assert snr_db(said[9600:19_200], heard[9600:19_200]) > 18


def test_the_bit_rate_is_the_one_asked_for() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 96_000).astype(np.float32)
    for bitrate_bps in (16_000, 32_000, 64_000):
        encoder = OpusEncoder(64_000)
        encoder.set_bitrate(bitrate_bps)
        size = sum(len(encoder.encode(noise[at : at + 960])) for at in range(0, 96_000, 960))
        assert 0.7 * bitrate_bps < size * 8 / 2 < 1.3 * bitrate_bps


def test_what_is_missing_is_concealed_and_fades() -> None:
    encoder, decoder = OpusEncoder(32_000), OpusDecoder()
    said = tone(300, 48_000)
    for at in range(0, 48_000, 960):
        decoder.decode(encoder.encode(said[at : at + 960]))
    concealed = [decoder.conceal(480) for _ in range(30)]
    assert all(len(block) == 480 for block in concealed)
    loudness = [float(np.sqrt(np.mean(np.square(block)))) for block in concealed]
    assert loudness[0] > 0.1  # the vowel goes on
    assert loudness[-1] < 0.1 * loudness[0]


@given(st.binary(max_size=300))
def test_any_packet_is_decoded_or_refused(packet: bytes) -> None:
    samples = packet_samples(packet)
    assert 0 <= samples <= MAX_FRAME_SAMPLES
    decoder = OpusDecoder()
    if samples:
        try:
            assert len(decoder.decode(packet)) == samples
        except CodecError:
            assert len(decoder.conceal(480)) == 480


def test_no_packet_has_no_samples() -> None:
    assert packet_samples(b"") == 0
    assert packet_samples(b"\x03") == 0  # a count of frames that is not there
    assert packet_samples(b"\x03\x3f") == 0  # 63 frames of 10 ms
