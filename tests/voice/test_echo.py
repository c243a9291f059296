"""Echo in synthetic rooms: a loudspeaker that is not linear, reverberation, two sound cards with clocks of their own,
whose calls come late by half a millisecond and more."""

import numpy as np
import pytest

from daemon.voice.device_clock import DeviceClock
from daemon.voice.echo import FarReference, HeadsetProcessor, RoomProcessor
from hw.audio.ports import BLOCK_SAMPLES, PLAYED_SAMPLES, RATE_HZ, Samples
from tests.voice.speech import far_speech, near_speech

BEGIN_NS = 10**12
LATENESS_NS = 500_000  # mean
ECHO_AFTER_S = 0.035  # what both cards hold
LATENCY_SAMPLES = 431  # of the suppressor
SETTLED_S = 5


def room(seed: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """A direct path and 0.25 s of reverberation, half of the loudspeaker's power in all."""
    response = np.random.default_rng(seed).standard_normal(9600) * 10 ** (-3 * np.arange(9600) / RATE_HZ / 0.25)
    response[:200] = 0
    response[200] = 6
    scaled: np.ndarray[tuple[int], np.dtype[np.float64]] = 0.5 * response / np.sqrt(np.sum(response**2))
    return scaled


def echo_of(far: Samples, seed: int, ppm: float) -> Samples:
    """What the microphone hears of the loudspeaker, on the microphone's clock, with some noise."""
    played = np.tanh(2 * far) / 2 + 0.05 * far**2
    delayed = np.concatenate((np.zeros(int(ECHO_AFTER_S * RATE_HZ)), played))[: len(far)]
    size = 1 << 21
    echo = np.fft.irfft(np.fft.rfft(delayed, size) * np.fft.rfft(room(seed), size), size)[: len(far)]
    times = np.arange(int(len(far) * (1 - abs(ppm) * 1e-6)) - 10) * (1 + ppm * 1e-6)
    noise = 1e-4 * np.random.default_rng(seed).standard_normal(len(times))
    return (np.interp(times, np.arange(len(far)), echo) + noise).astype(np.float32)


def through(processor: RoomProcessor, microphone: Samples, far: Samples, ppm: float, seed: int) -> Samples:
    reference, played, heard = FarReference(), 0, []
    lateness = np.random.default_rng(seed)

    def call_ns(samples: float) -> int:
        return int(BEGIN_NS + samples * 1e9 / RATE_HZ + lateness.exponential(LATENESS_NS))

    for at in range(0, len(microphone) - BLOCK_SAMPLES, BLOCK_SAMPLES):
        now = (at + BLOCK_SAMPLES) * (1 + ppm * 1e-6)
        while (played + 1) * PLAYED_SAMPLES <= now:
            block = far[played * PLAYED_SAMPLES : (played + 1) * PLAYED_SAMPLES]
            played += 1
            reference.note_played(block, call_ns(played * PLAYED_SAMPLES))
        heard.append(processor.process(microphone[at : at + BLOCK_SAMPLES], reference.take(call_ns(now))))
    assert reference.jumps == 0
    return np.concatenate(heard)


def power_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def echo_loss_db(seed: int, ppm: float, seconds: float) -> float:
    far = 0.5 * far_speech(seconds)
    echo = echo_of(far, seed, ppm)
    rest = through(RoomProcessor(evens_level=False), echo, far, ppm, seed)
    settled = slice(SETTLED_S * RATE_HZ, len(rest))
    return power_db(echo[settled]) - power_db(rest[settled])


def near_voice_db(seed: int, ppm: float, seconds: float) -> float:
    """What becomes of the near voice while the far one is heard too, 5 dB louder."""
    far, near = 0.5 * far_speech(seconds), 0.1 * near_speech(seconds)
    near[: 8 * RATE_HZ] = 0
    echo = echo_of(far, seed, ppm)
    heard = through(RoomProcessor(evens_level=False), echo + near[: len(echo)], far, ppm, seed)
    said = near[8 * RATE_HZ : len(heard) - LATENCY_SAMPLES]
    kept = heard[8 * RATE_HZ + LATENCY_SAMPLES :][: len(said)]
    return power_db(kept) - power_db(said)


def test_echo_goes_and_the_near_voice_stays() -> None:
    assert echo_loss_db(1, 50, 12) > 35
    assert near_voice_db(1, 50, 14) > -6


@pytest.mark.slow
def test_rooms_and_clocks() -> None:
    """One room of twelve is worse than the others, and why is not known: see the README's figures."""
    rooms = [(seed, ppm) for seed in range(4) for ppm in (50.0, 200.0, -200.0)]
    losses_db = sorted(echo_loss_db(seed, ppm, 20) for seed, ppm in rooms)
    assert losses_db[0] > 25
    assert losses_db[1] > 35
    assert min(near_voice_db(seed, ppm, 20) for seed, ppm in rooms) > -6


def test_a_headsets_voice_passes() -> None:
    processor = HeadsetProcessor()
    said = 0.2 * near_speech(3)
    silence = np.zeros(BLOCK_SAMPLES, np.float32)
    heard = np.concatenate(
        [processor.process(said[at : at + BLOCK_SAMPLES], silence) for at in range(0, len(said), BLOCK_SAMPLES)]
    )
    assert -3 < power_db(heard) - power_db(said) < 20


def test_the_reference_is_silent_while_nothing_plays() -> None:
    reference = FarReference()
    for number in range(10):
        assert not reference.take(BEGIN_NS + number * 10_000_000).any()


def test_after_a_card_stood_still_the_reference_begins_again() -> None:
    reference = FarReference()
    now_ns = BEGIN_NS
    loud = np.ones(PLAYED_SAMPLES, np.float32)
    heard = []
    for number in range(300):
        now_ns += 10_000_000
        if not 100 <= number < 200:
            reference.note_played(loud, now_ns)
            reference.note_played(loud, now_ns)
        heard.append(float(reference.take(now_ns).mean()))
    assert reference.jumps == 1
    assert heard[90] == pytest.approx(1, abs=0.01)
    assert heard[150] == 0
    assert heard[290] == pytest.approx(1, abs=0.01)


def test_a_device_clock_sees_through_late_calls() -> None:
    """A card 200 ppm fast, called 2 ms late at the mean: after 20 s known to 0.5 ms."""
    late = np.random.default_rng(1)
    clock = DeviceClock(10_000_000.0)
    errors = []
    for number in range(6000):
        true_ns = BEGIN_NS + number * 10_000_000 / 1.0002
        clock.note(int(true_ns + late.exponential(2e6)))
        errors.append(clock.time_ns - true_ns - 2e6)
    assert np.abs(errors[2000:]).max() < 500_000
