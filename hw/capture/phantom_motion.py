"""How the phantom moves: heart beat, breath, contrast medium and guidewire at a time in seconds.

Places and lengths are those of `phantom_anatomy`.
"""

import math

import numpy as np

from hw.capture.phantom_anatomy import FloatArray, Path

HEART_HZ = 1.2
BREATH_HZ = 0.23
BREATH = 0.016  # how far the diaphragm goes
BREATH_OF_HEART = 0.6  # the heart goes this part of it
HEART_CENTER = np.array([0.58, 0.55], np.float32)

CONTRAST_PEAK_PER_LENGTH = 46.0  # attenuation of a unit of length of contrast medium
INJECTION_S = 0.6  # after the beginning of a run
INJECTION_LASTS_S = 2.4
FRONT_S = 0.3
BLOOD_SPEED = 0.55  # a second
WASH_OUT_S = 0.8

CATHETER_PEAK = 0.36
WIRE_PEAK = 0.34
WIRE_TIP_PEAK = 0.55
WIRE_TIP = 0.035  # length of the radiopaque tip
WIRE_REACH = 0.26  # how far the tip is beyond the catheter, in the mean
WHIP = 0.004


def breath(time_s: float) -> float:
    """How far down the diaphragm is."""
    return BREATH * (0.5 - 0.5 * math.cos(2 * math.pi * BREATH_HZ * time_s))


def beat(time_s: float) -> tuple[float, FloatArray]:
    """The heart's scale and its shift (x, y), breath included. Systole is short, diastole is long."""
    phase = 2 * math.pi * HEART_HZ * time_s
    contraction = (0.5 - 0.5 * math.cos(phase)) ** 2 * (1 + 0.25 * math.sin(phase))
    shift = np.array([0.010 * contraction, 0.014 * contraction + BREATH_OF_HEART * breath(time_s)], np.float32)
    return 1 - 0.10 * contraction, shift


def beaten(points: FloatArray, time_s: float) -> FloatArray:
    """Points (n, 2) of the heart at rest, where they are at `time_s`."""
    scale, shift = beat(time_s)
    turn = math.radians(5.0) * (1 - scale) / 0.10
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    turned = (points - HEART_CENTER) @ np.array([[cosine, sine], [-sine, cosine]], np.float32)
    return np.asarray(turned + HEART_CENTER + shift, np.float32)


def contrast(branch: Path, run_time_s: float) -> FloatArray:
    """Attenuation (n,) at the middle of a vessel: the medium arrives, stays and is washed out."""
    arrived = np.clip((run_time_s - INJECTION_S - branch.arc / BLOOD_SPEED) / FRONT_S, 0, 1)
    since_end = np.maximum(run_time_s - INJECTION_S - INJECTION_LASTS_S - branch.arc / BLOOD_SPEED, 0)
    share = arrived * arrived * (3 - 2 * arrived) * np.exp(-since_end / WASH_OUT_S)
    return np.asarray(2 * branch.radius * CONTRAST_PEAK_PER_LENGTH * share, np.float32)


def guidewire(way: Path, free_from: float, time_s: float) -> tuple[FloatArray, FloatArray]:
    """Points and attenuation of the guidewire on its way, of which the catheter holds the part up to `free_from`.

    It is pushed to and fro; beyond the catheter it whips and goes with the heart.
    """
    push = 0.09 * math.sin(2 * math.pi * 0.31 * time_s) + 0.02 * math.sin(2 * math.pi * 1.1 * time_s)
    tip = free_from + WIRE_REACH + push
    is_in = way.arc <= tip
    points, arc = way.points[is_in], way.arc[is_in]
    tangent = np.gradient(points, axis=0)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]]) / np.hypot(*tangent.T)[:, None]
    free = np.clip((arc - free_from) / 0.06, 0, 1)[:, None]
    moved = beaten(points, time_s) + normal * (WHIP * np.sin(2 * np.pi * 1.9 * time_s + arc / 0.07))[:, None]
    held = breathed(points, time_s)
    peaks = np.where(arc > tip - WIRE_TIP, WIRE_TIP_PEAK, WIRE_PEAK)
    return np.asarray(held * (1 - free) + moved * free, np.float32), np.asarray(peaks, np.float32)


def breathed(points: FloatArray, time_s: float) -> FloatArray:
    """Points that go with the breath alone, as the catheter does."""
    return np.asarray(points + np.array([0, BREATH_OF_HEART * breath(time_s)]), np.float32)
