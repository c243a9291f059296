"""Renders the phantom: anatomy in motion, X-ray noise, and the grey levels of a cath lab's screen."""

import math

import numpy as np
import numpy.typing as npt

from hw.capture import phantom_anatomy as anatomy
from hw.capture import phantom_motion as motion
from hw.capture.phantom_anatomy import FloatArray
from hw.capture.phantom_kernels import CELL, GRAY_BITS, LEVELS, STEPS_PER_UNIT, compose, draw_path
from hw.ports import GrayPicture

WIRE_HALF_WIDTH = 0.0019  # to where the soft profile ends: of 1024 pixels one and a half are seen
THINNEST_HALF_WIDTH_PIXELS = 1.4

BRIGHTEST_ATTENUATION = 0.15  # is shown as BRIGHTEST_GRAY, and all the rest darker
BRIGHTEST_GRAY = 215.0
GRAY_PER_UNIT = 85.0  # the screen shows the logarithm of the signal
FADING_GRAY = 30.0  # below it the screen's black swallows the noise
SCATTER = 0.03  # of the unattenuated beam; it lightens the darkest places
SHARPNESS = 0.12  # weight of each neighbour in the detector's blur of the noise
GRAIN = 30.0  # deviation of a noise tile before the blur
GRAIN_ROWS = (509, 499)  # without a common divisor: the sum of the tiles does not repeat within a picture
GRAIN_SPARE_COLUMNS = 512


class PhantomRenderer:
    """Image k of a seed is always the same picture, whatever was rendered before it. `quanta` a pixel set the noise."""

    def __init__(self, width: int, height: int, quanta: float, seed: int) -> None:
        self._seed = seed
        self._side = min(width, height)
        self._origin = np.array([width - self._side, height - self._side], np.float32) / 2
        rng = np.random.default_rng(seed)
        self._still = _steps(anatomy.still_tissue(*self._places(width, height), rng))
        self._margin = math.ceil(motion.BREATH * self._side) + 1
        tall = self._places(width, height + 2 * self._margin, above=self._margin)
        self._breathing = _steps(anatomy.breathing_tissue(*tall, rng))
        self._coarse_places = self._places(width // CELL + 2, height // CELL + 2, step=CELL)
        branches = anatomy.coronary_tree(rng)
        self._catheter = anatomy.catheter()
        self._wire_way = anatomy.wire_way(self._catheter, branches)
        self._tree = anatomy.joined(branches)
        self._vessels = np.zeros((height, width), np.uint16)
        self._devices = np.zeros((height, width), np.uint16)
        self._table = display_table(quanta)
        self._grain = [noise_tile(rows, width + GRAIN_SPARE_COLUMNS, rng) for rows in GRAIN_ROWS]

    def render(self, image: int, time_s: float, run_time_s: float, picture: GrayPicture) -> None:
        """Writes image number `image` into `picture`, shape (height, width).

        Everything is where it is at `time_s`; the contrast medium goes by `run_time_s`, since the beam went on.
        """
        self._vessels.fill(0)
        self._devices.fill(0)
        peaks = motion.contrast(self._tree, run_time_s)
        self._draw(self._vessels, motion.beaten(self._tree.points, time_s), self._tree.radius, peaks, thin=False)
        self._draw_devices(time_s)
        offsets = np.random.default_rng((self._seed, image)).integers(
            0, (GRAIN_ROWS[0], GRAIN_SPARE_COLUMNS, GRAIN_ROWS[1], GRAIN_SPARE_COLUMNS)
        )
        breathing_from_row = self._margin - motion.breath(time_s) * self._side
        tissue = (self._still, self._breathing, breathing_from_row, self._heart(time_s))
        compose(picture, *tissue, self._vessels, self._devices, self._table, *self._grain, offsets)

    def _heart(self, time_s: float) -> npt.NDArray[np.int16]:
        scale, shift = motion.beat(time_s)
        at_rest = [
            center + (place - center - moved) / scale
            for place, center, moved in zip(self._coarse_places, motion.HEART_CENTER, shift, strict=True)
        ]
        return _steps(anatomy.heart_shadow(*at_rest))

    def _draw_devices(self, time_s: float) -> None:
        tube = self._catheter
        peaks = np.full(len(tube.points), motion.CATHETER_PEAK, np.float32)
        self._draw(self._devices, motion.breathed(tube.points, time_s), tube.radius, peaks, thin=False)
        points, peaks = motion.guidewire(self._wire_way, float(tube.arc[-1]), time_s)
        half_width = max(WIRE_HALF_WIDTH, THINNEST_HALF_WIDTH_PIXELS / self._side)
        self._draw(self._devices, points, np.full(len(points), half_width, np.float32), peaks, thin=True)

    def _draw(
        self, target: npt.NDArray[np.uint16], points: FloatArray, radius: FloatArray, peaks: FloatArray, *, thin: bool
    ) -> None:
        pixels = np.asarray(points * self._side + self._origin, np.float32)
        radius_pixels = np.asarray(radius * self._side, np.float32)
        draw_path(target, pixels, radius_pixels, np.asarray(peaks * STEPS_PER_UNIT, np.float32), thin)

    def _places(self, columns: int, rows: int, *, step: int = 1, above: int = 0) -> tuple[FloatArray, FloatArray]:
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) * np.float32(step)
        return (x - self._origin[0]) / self._side, (y - above - self._origin[1]) / self._side


def display_table(quanta: float) -> npt.NDArray[np.int32]:
    """For each step of attenuation the grey level (upper 16 bits, GRAY_BITS of them fraction) and the noise (lower 16).

    The noise of a signal of q quanta is sqrt(q), relative to the signal 1 / sqrt(q); the screen's curve is logarithmic.
    """
    primary = np.exp(-np.arange(LEVELS) / STEPS_PER_UNIT)
    signal = primary + SCATTER
    gray = BRIGHTEST_GRAY + GRAY_PER_UNIT * (np.log(signal) + BRIGHTEST_ATTENUATION)
    deviation = GRAY_PER_UNIT / np.sqrt(quanta * signal) * np.clip(gray / FADING_GRAY, 0, 1)
    # a tile has deviation GRAIN (before the blur), two of them sqrt(2) times that; the kernel divides by 256
    noise = deviation * (1 << GRAY_BITS) * 256 / (GRAIN * math.sqrt(2))
    gray_part = np.clip(gray, 0, 255) * (1 << GRAY_BITS)
    return gray_part.astype(np.int32) << 16 | np.minimum(noise, 0xFFFF).astype(np.int32)


def noise_tile(rows: int, columns: int, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """Gaussian noise of deviation GRAIN, then a little blurred, as the detector does to that of the quanta."""
    white = rng.standard_normal((rows, columns))
    for axis in (0, 1):
        white += SHARPNESS * (np.roll(white, 1, axis) + np.roll(white, -1, axis) - 2 * white)
    return np.clip(np.rint(white * GRAIN), -127, 127).astype(np.int8)


def _steps(attenuation: FloatArray) -> npt.NDArray[np.int16]:
    return np.rint(attenuation * STEPS_PER_UNIT).astype(np.int16)
