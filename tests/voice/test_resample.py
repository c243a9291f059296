"""One clock made another: what comes out is the same voice, neither faster nor later than asked for."""

import numpy as np
import pytest

from daemon.voice.resample import LATENCY_SAMPLES, SteeredResampler
from hw.audio.ports import RATE_HZ, Samples


def resampled(samples: Samples, speed: float, block: int = 240) -> Samples:
    resampler = SteeredResampler()
    at, blocks = 0, []
    while True:
        while (missing := resampler.missing(block, speed)) > 0:
            if at + missing > len(samples):
                return np.concatenate(blocks)
            resampler.push(samples[at : at + missing])
            at += missing
        blocks.append(resampler.pull(block, speed))


def sine(
    hertz: float, times: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return 0.5 * np.sin(2 * np.pi * hertz * times)


@pytest.mark.parametrize("speed", [1.0, 1.0002, 0.9998, 1.05, 0.97])
@pytest.mark.parametrize("hertz", [200.0, 3_000.0, 12_000.0])
def test_a_sine_stays_a_sine(speed: float, hertz: float) -> None:
    said = sine(hertz, np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    heard = resampled(said, speed)
    times = (np.arange(len(heard)) * speed - LATENCY_SAMPLES) / RATE_HZ
    error = heard[200:] - sine(hertz, times)[200:]
    assert 20 * np.log10(np.sqrt(np.mean(error**2)) / 0.35) < -60


def test_a_speed_that_changes_makes_no_click() -> None:
    said = sine(400, np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    resampler, blocks = SteeredResampler(), []
    resampler.push(said)
    for number in range(150):
        blocks.append(resampler.pull(240, 1.02 if number % 2 else 0.98))
    heard = np.concatenate(blocks)[400:]
    steepest = 0.5 * 2 * np.pi * 400 * 1.02 / RATE_HZ
    assert np.abs(np.diff(heard)).max() < 1.01 * steepest


def test_what_waits_is_what_went_in_less_what_came_out() -> None:
    resampler = SteeredResampler()
    resampler.push(np.zeros(4800, np.float32))
    for _ in range(10):
        resampler.pull(240, 1.01)
    assert resampler.waiting == pytest.approx(4800 - 2400 * 1.01, abs=1e-6)
    resampler.drop(100)
    assert resampler.waiting == pytest.approx(4800 - 2400 * 1.01 - 100, abs=1e-6)
    resampler.clear()
    assert resampler.waiting == 0
