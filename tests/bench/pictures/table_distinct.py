"""What it saves to send each image once, and not with each frame that repeats it.

The rate is the one at which the wire is kept in an image when it is first shown. An encoder that is given every frame
has a frame's bits for it, and finishes it with the repetitions, when it is late.
"""

import time
from typing import Any

import numpy as np

from daemon.picture.decode import Decoder
from daemon.picture.pulse import PulseDetector
from hw.ports import GrayPicture
from tests.bench.pictures import phantom
from tests.bench.pictures.coding import ALPHA_BAR, IMAGE_RATE_HZ, SETTLED, Wire, our_encoder, rate_that_keeps
from tests.bench.pictures.table import Bar, Row, Table

FRAME_RATE_HZ = 60.0
IMAGES = 30
RATES = tuple(rate * 1e5 for rate in (4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 23, 26, 30, 35, 40, 45, 50, 60, 70, 80))


def run() -> Table:
    module = phantom.load("phantom")
    truth: dict[str, Any] = module.make(module.Cfg(quanta=150, seed=1, n=60))
    output = module.output_60hz(truth["noisy"][:IMAGES], IMAGE_RATE_HZ, FRAME_RATE_HZ, overlays=False, lsb_jitter=True)
    frames = [(number, np.ascontiguousarray(frame)) for _, number, frame in output]
    detector = PulseDetector()
    images = [(number, frame) for number, frame in frames if detector.is_new(frame)]
    seconds = {}
    rates = {}
    for pictures, rate_hz in ((frames, FRAME_RATE_HZ), (images, IMAGE_RATE_HZ)):
        seconds[rate_hz] = _encode_s(pictures, rate_hz)
        rates[rate_hz] = rate_that_keeps(
            RATES, lambda rate, p=pictures, hz=rate_hz: _first_shown(p, truth, rate, hz), _keeps_alpha
        )
    return Table(
        "Distinct images only: 15 images/s in a 60 Hz output with +-1 level of capture noise",
        [
            Row("images found", len(images), note=f"in {len(frames)} frames of {IMAGES} images"),
            Row("rate that keeps alpha, all frames", rates[FRAME_RATE_HZ] / 1e6, " Mbit/s"),
            Row("the same, distinct images", rates[IMAGE_RATE_HZ] / 1e6, " Mbit/s"),
            Row("rate, of all frames", 100 * rates[IMAGE_RATE_HZ] / rates[FRAME_RATE_HZ], " %", Bar.AT_MOST, 40),
            Row("encode time, of all frames", 100 * seconds[15.0] / seconds[FRAME_RATE_HZ], " %", Bar.AT_MOST, 40),
        ],
    )


def _keeps_alpha(wire: Wire) -> bool:
    return wire.alpha >= ALPHA_BAR


def _first_shown(
    pictures: list[tuple[int, GrayPicture]], truth: dict[str, Any], rate_bps: float, rate_hz: float
) -> Wire:
    judge = phantom.load("metrics").WireMetric(truth)
    encode, decoder = our_encoder(rate_bps, rate_hz), Decoder()
    size, last = 0, -1
    for number, picture in pictures:
        unit = encode(picture)
        decoded = decoder.decode(unit)
        if number >= SETTLED:
            size += len(unit)
            if number != last:
                judge.add(number, decoded)
        last = number
    return Wire(size * 8 * IMAGE_RATE_HZ / (IMAGES - SETTLED), judge.result()["alpha"], 0.0)


def _encode_s(pictures: list[tuple[int, GrayPicture]], rate_hz: float) -> float:
    encode = our_encoder(2e6, rate_hz)
    begin_s = time.perf_counter()
    for _, picture in pictures:
        encode(picture)
    return time.perf_counter() - begin_s
