"""New or held, and the rate of new images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.picture.area import Area
from daemon.picture.pulse import ImageInterval, PulseDetector
from hw.ports import GrayPicture
from tests.bench.pictures.table_duplicates import count_errors

MS = 1_000_000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def xray(rng: np.random.Generator, height: int = 480, width: int = 500, sigma: float = 4.0) -> GrayPicture:
    slope = np.linspace(60, 190, width)[None, :]
    return np.clip(slope + rng.normal(0, sigma, (height, width)), 0, 255).astype(np.uint8)


def with_capture_noise(rng: np.random.Generator, image: GrayPicture) -> GrayPicture:
    noise = rng.integers(-1, 2, image.shape, np.int16)
    return np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def test_each_image_is_new_once(rng: np.random.Generator) -> None:
    detector = PulseDetector()
    for _ in range(20):
        image = xray(rng)
        seen = [detector.is_new(with_capture_noise(rng, image)) for _ in range(4)]
        assert seen == [True, False, False, False]


def test_the_first_frame_and_another_size_are_new(rng: np.random.Generator) -> None:
    detector = PulseDetector()
    black = np.zeros((64, 64), np.uint8)
    assert detector.is_new(black)
    assert not detector.is_new(black)
    assert detector.is_new(np.zeros((64, 65), np.uint8))


def test_the_frame_may_be_overwritten_afterwards(rng: np.random.Generator) -> None:
    detector = PulseDetector()
    image = xray(rng)
    buffer = image.copy()
    assert detector.is_new(buffer)
    buffer[:] = xray(rng)
    assert not detector.is_new(image)


def test_an_ecg_strip_and_a_clock_are_not_a_new_image(rng: np.random.Generator) -> None:
    image = xray(rng, 1024, 1024)
    detector = PulseDetector()
    assert detector.is_new(image)
    for step in range(20):
        frame = with_capture_noise(rng, image)
        frame[964:1024, 0:360] = 0
        frame[964 + step % 60, 0:360] = 200
        frame[10:30, 900:1000] = rng.integers(0, 256, (20, 100))
        assert not detector.is_new(frame)


def test_what_lies_outside_the_area_does_not_count(rng: np.random.Generator) -> None:
    area = Area(100, 50, 333, 301)
    detector = PulseDetector(area)
    frame = xray(rng)
    assert detector.is_new(frame)
    beside = xray(rng)
    area.view(beside)[:] = area.view(frame)
    assert not detector.is_new(beside)
    area.view(beside)[:] = area.view(xray(rng))
    assert detector.is_new(beside)


def test_a_small_collimated_field_counts(rng: np.random.Generator) -> None:
    frame = np.zeros((1024, 1024), np.uint8)
    field = Area(400, 380, 250, 250)
    detector = PulseDetector()
    for _ in range(10):
        field.view(frame)[:] = xray(rng, 250, 250, sigma=2.0)
        assert detector.is_new(frame)
        assert not detector.is_new(frame)


@given(height=st.integers(2, 70), width=st.integers(1, 70), x=st.integers(0, 40), y=st.integers(0, 40))
def test_areas_of_any_size_are_compared_to_their_edges(height: int, width: int, x: int, y: int) -> None:
    frame = np.full((120, 120), 100, np.uint8)
    detector = PulseDetector(Area(x, y, width, height))
    assert detector.is_new(frame)
    beside = frame.copy()
    beside[:y], beside[y + height :], beside[:, :x], beside[:, x + width :] = 0, 0, 0, 0
    assert not detector.is_new(beside)
    corner = frame.copy()
    corner[y + height - 2 : y + height, x + width - 1] = 103
    assert detector.is_new(corner)
    corner[y + height - 2 : y + height, x + width - 1] = 101
    assert not detector.is_new(corner)


def test_an_area_beyond_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="not inside"):
        PulseDetector(Area(0, 0, 65, 64)).is_new(np.zeros((64, 64), np.uint8))


def interval_of(times_ms: list[float]) -> int:
    interval = ImageInterval()
    for time_ms in times_ms:
        interval.note_new(round(time_ms * MS))
    return round(interval.interval_ns / MS)


def test_the_interval_is_unknown_before_the_second_image() -> None:
    assert interval_of([]) == 0
    assert interval_of([500]) == 0


def test_the_longest_of_uneven_intervals_counts() -> None:
    assert interval_of([0, 33, 83, 116, 166]) == 50


def test_pauses_between_runs_do_not_count() -> None:
    assert interval_of([0, 67, 134, 10_000, 10_067, 10_500, 10_567, 10_634]) == 67
    assert interval_of([0, 9_000, 9_067]) == 67


def test_a_slower_pulse_rate_is_taken_on_after_two_intervals_and_a_faster_one_after_eight() -> None:
    run = [67.0 * n for n in range(10)]
    slower = [run[-1] + 200 * n for n in range(1, 3)]
    assert interval_of(run + slower[:1]) == 67
    assert interval_of(run + slower) == 200
    faster = [slower[-1] + 33 * n for n in range(1, 9)]
    assert interval_of(run + slower + faster) == 33


def test_two_pauses_that_differ_are_not_a_pulse_rate() -> None:
    assert interval_of([0, 67, 134, 434, 501, 1001, 1068]) == 67
    assert interval_of([0, 67, 134, 434, 1034, 1101]) == 67


def test_the_pulse_rate_is_the_mean_of_a_run() -> None:
    interval = ImageInterval()
    for time_ms in (0, 33, 83, 116, 166, 5000, 5033, 5083):
        interval.note_new(time_ms * MS)
    assert interval.pulse_rate_hz == pytest.approx(6000 / (33 + 50 + 33 + 50 + 33 + 50))


@pytest.mark.slow
def test_thousands_of_phantom_pulses_under_a_moving_ecg_strip() -> None:
    assert count_errors(512, 3000, seed=2) == (0, 0)
