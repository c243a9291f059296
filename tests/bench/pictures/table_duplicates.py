"""New or held: what the test costs, and that over 100,000 pulses it misses none and invents none."""

import numpy as np
import numpy.typing as npt

from daemon.picture.pulse import PulseDetector
from hw.capture.phantom_render import PhantomRenderer
from hw.ports import GrayPicture
from tests.bench.pictures.table import Bar, Row, Table
from tests.bench.pictures.timing import in_turn, memcpy_of, times_ms

SIZES = ((1024, 1024), (1920, 1080))
PULSES = ((512, 100_000), (1024, 300))
PULSE_HZ = 15.0
LONGEST_REPEAT = 4  # frames of an image
NOISES = 64


def run() -> Table:
    rows = [_cost(width, height) for width, height in SIZES]
    for side, pulses in PULSES:
        missed, invented = count_errors(side, pulses)
        what = f"of {pulses} pulses at {side}x{side}, +-1 level of capture noise, a moving ECG strip and a clock"
        rows.append(Row(f"missed {what}", missed, bar=Bar.AT_MOST, limit=0))
        rows.append(Row(f"invented {what}", invented, bar=Bar.AT_MOST, limit=0))
    return Table("Duplicate test, one thread", rows)


def _cost(width: int, height: int) -> Row:
    """Of a held image, which is compared to its end; a new one is known after its first rows."""
    image = np.random.default_rng(1).integers(0, 256, (height, width)).astype(np.uint8)
    detector = PulseDetector()
    took = times_ms(
        {"memcpy": memcpy_of(image), "test": in_turn(detector.is_new, [image.copy() for _ in range(16)])}, rounds=120
    )
    note = f"{took['test'] * 1000:.0f} us"
    return Row(f"held image, {width}x{height}", took["test"] / took["memcpy"], "x memcpy", Bar.AT_MOST, 3.0, note)


def count_errors(side: int, pulses: int, seed: int = 1) -> tuple[int, int]:
    """(new images that were taken as held, held ones that were taken as new)."""
    random = np.random.default_rng(seed)
    renderer = PhantomRenderer(side, side, 60.0, seed)
    noises = [random.integers(0, 3, (side, side), np.uint8) for _ in range(NOISES)]
    detector = PulseDetector()
    image = np.empty((side, side), np.uint8)
    missed = invented = frames = 0
    for pulse in range(pulses):
        renderer.render(pulse, pulse / PULSE_HZ, pulse / PULSE_HZ, image)
        np.clip(image, 1, 254, out=image)
        for repeat in range(random.integers(1, LONGEST_REPEAT + 1)):
            frame = image + noises[random.integers(NOISES)] - np.uint8(1)
            _draw_console(frame, frames, random)
            frames += 1
            is_new = detector.is_new(frame)
            missed += repeat == 0 and not is_new
            invented += repeat > 0 and is_new
    return missed, invented


def _draw_console(frame: GrayPicture, number: int, random: np.random.Generator) -> None:
    """What consoles draw into the image and move: an ECG strip, as wide as it mostly is, and a clock's digits."""
    side = frame.shape[0]
    top, width = side - side // 17, side // 3
    frame[top:, :width] = 0
    columns = np.arange(width)
    trace: npt.NDArray[np.int64] = (side // 34 * (1 + np.sin((columns + 3 * number) / 9.0))).astype(np.int64)
    frame[top + np.minimum(trace, side - top - 1), columns] = 210
    clock = frame[2 : 2 + side // 40, side - side // 12 :]
    clock[:] = random.integers(0, 2, clock.shape, np.uint8) * 200
