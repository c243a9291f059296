"""The phantom: when it shows which image, that a seed is a picture, and that noise and contrast behave like X-ray's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.capture.phantom import PhantomCapture
from hw.capture.phantom_beam import BeamSchedule
from hw.capture.phantom_render import PhantomRenderer
from hw.fake import ManualClock
from hw.ports import GrayPicture

SIDE = 192
ALWAYS_ON = BeamSchedule(15, 60, beam_on_s=8, beam_off_s=0)
BEAM = BeamSchedule(15, 60, beam_on_s=2, beam_off_s=1)


def render(
    image: int, *, run_time_s: float = 0.0, time_s: float = 0.0, quanta: float = 60, seed: int = 1
) -> GrayPicture:
    picture = np.zeros((SIDE, SIDE), np.uint8)
    PhantomRenderer(SIDE, SIDE, quanta, seed).render(image, time_s, run_time_s, picture)
    return picture


# --- the beam ---


def test_an_image_is_repeated_on_the_output() -> None:
    assert [ALWAYS_ON.image_of_frame(n) for n in range(12)] == [0] * 4 + [1] * 4 + [2] * 4
    assert ALWAYS_ON.image_of_frame(60 * 3600 * 4) == 15 * 3600 * 4


def test_while_the_beam_is_off_the_last_image_is_held() -> None:
    shown = [BEAM.image_of_frame(n) for n in range(60 * 6)]
    assert shown[:120] == [n // 4 for n in range(120)]
    assert shown[120:180] == [29] * 60
    assert shown[180:300] == [45 + n // 4 for n in range(120)]
    assert shown[300:] == [74] * 60


@given(st.integers(1, 60), st.floats(1, 8), st.integers(1, 20), st.integers(0, 20))
def test_the_newest_image_of_the_beam_is_shown(pulse_hz: int, repeats: float, on: int, off: int) -> None:
    # the odd fractions keep pulses away from the moments when the beam goes on and off
    schedule = BeamSchedule(pulse_hz, pulse_hz * repeats, (on + 0.3717) / pulse_hz, (off + 0.2093) / pulse_hz)
    newest = 0
    for sequence in range(300):
        image = int(sequence / repeats + 1e-6)
        if schedule.run_time_s(image) < schedule.beam_on_s:
            newest = image
        assert schedule.image_of_frame(sequence) == newest


def test_the_medium_is_injected_in_each_run() -> None:
    assert BEAM.run_time_s(0) == 0
    assert BEAM.run_time_s(44) == pytest.approx(44 / 15)
    assert BEAM.run_time_s(45 + 15) == pytest.approx(1.0)


def test_held_frames_are_the_very_same_pixels_and_new_ones_are_not() -> None:
    clock = ManualClock()
    device = PhantomCapture(64, 48, BEAM, quanta=60, seed=1, clock=clock)
    device.open()
    last: tuple[int, GrayPicture] | None = None
    for sequence in range(200):
        frame = device.read(1.0)
        assert frame is not None
        assert frame.sequence == sequence
        image = BEAM.image_of_frame(sequence)
        if last is not None:
            assert np.array_equal(frame.pixels, last[1]) == (image == last[0])
        last = image, frame.pixels.copy()
    device.close()


# --- the pictures ---


def test_an_image_depends_on_nothing_but_seed_and_number() -> None:
    assert np.array_equal(render(5), render(5))
    assert not np.array_equal(render(5), render(6))
    assert not np.array_equal(render(5), render(5, seed=2))
    renderer, picture = PhantomRenderer(SIDE, SIDE, 60, 1), np.zeros((SIDE, SIDE), np.uint8)
    renderer.render(99, 6.6, 3.0, picture)
    renderer.render(5, 0.0, 0.0, picture)
    assert np.array_equal(picture, render(5))


@pytest.mark.parametrize(("width", "height"), [(16, 16), (17, 31), (160, 96), (97, 161), (480, 270)])
def test_any_size_will_do(width: int, height: int) -> None:
    picture = np.zeros((height, width), np.uint8)
    PhantomRenderer(width, height, 1e4, 1).render(0, 0.3, 0.3, picture)
    middle = picture[height // 4 : -height // 4, width // 4 : -width // 4]
    assert 60 < middle.mean() < 220


def noise_deviation(quanta: float) -> float:
    noise = [render(image, quanta=quanta).astype(float) for image in (1, 2)]
    middle = (slice(SIDE // 4, -SIDE // 4),) * 2
    return float((noise[0] - noise[1])[middle].std() / np.sqrt(2))


def test_noise_goes_with_the_root_of_the_dose() -> None:
    assert noise_deviation(50) == pytest.approx(2 * noise_deviation(200), rel=0.05)


def test_noise_does_not_repeat_from_image_to_image() -> None:
    first, second, third = (render(image).astype(float)[60:130, 60:130] for image in (1, 2, 3))
    correlation = np.corrcoef((first - second).ravel(), (second - third).ravel())[0, 1]
    assert correlation == pytest.approx(-0.5, abs=0.05)  # that of independent images; they share `second`


def test_contrast_medium_darkens_the_vessels_and_washes_out() -> None:
    before, full, after = (render(0, run_time_s=time_s, quanta=1e4).astype(int) for time_s in (0.0, 2.5, 9.0))
    darkened = before - full > 20
    assert 0.005 < darkened.mean() < 0.08
    assert np.abs(before - after).max() < 20


def test_heart_catheter_and_wire_move() -> None:
    diastole, systole = (render(0, run_time_s=2.5, time_s=time_s, quanta=1e4).astype(int) for time_s in (0.0, 0.4))
    assert (np.abs(diastole - systole) > 20).mean() > 0.01
