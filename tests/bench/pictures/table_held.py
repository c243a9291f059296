"""How fine a held image becomes, and that the next live one does not pay for it."""

from typing import Any

import numpy as np

from daemon.picture.decode import Decoder
from daemon.picture.refine import SETTLED_SHARE, STEPS
from daemon.picture.source import HELD_AFTER_INTERVALS
from hw.ports import GrayPicture
from tests.bench.pictures import phantom
from tests.bench.pictures.coding import IMAGE_RATE_HZ, our_encoder
from tests.bench.pictures.table import Bar, Row, Table

LIVE = 20  # images, of which the last is held
EARLY_S = 0.3
RATES_BPS = (3e6, 6e6, 12e6)


def run() -> Table:
    module = phantom.load("phantom")
    truth: dict[str, Any] = module.make(module.Cfg(quanta=150, seed=1, n=60))
    images = [np.ascontiguousarray(picture) for picture in truth["noisy"][: LIVE + 1]]
    rows = [row for rate_bps in RATES_BPS for row in _rows(images, rate_bps)]
    return Table("Held image, 1024x1024, quanta=150, 15 images/s: mean error of a pixel, in grey levels", rows)


def _rows(images: list[GrayPicture], rate_bps: float) -> list[Row]:
    encode, decoder = our_encoder(rate_bps), Decoder()
    errors, largest = [], 0
    for number in range(LIVE + STEPS):
        image = images[min(number, LIVE - 1)]
        unit = encode(image)
        errors.append(_error(decoder.decode(unit), image))
        if number >= LIVE:
            largest = max(largest, len(unit))
            if len(unit) < SETTLED_SHARE * rate_bps / IMAGE_RATE_HZ / 8:
                break
    next_error = _error(decoder.decode(encode(images[LIVE])), images[LIVE])
    never_held, other_decoder = our_encoder(rate_bps), Decoder()
    plain_error = [_error(other_decoder.decode(never_held(image)), image) for image in images][-1]
    early_steps = int((EARLY_S * IMAGE_RATE_HZ) - HELD_AFTER_INTERVALS) + 1
    at = f"{rate_bps / 1e6:g} Mbit/s"
    steps = len(errors) - LIVE
    return [
        Row(f"{at}: live", errors[LIVE - 1]),
        Row(f"{at}: {EARLY_S * 1000:.0f} ms after the image", errors[LIVE - 1 + early_steps]),
        Row(f"{at}: when it is done", errors[-1], note=f"{steps} steps, {steps / IMAGE_RATE_HZ:.1f} s"),
        Row(f"{at}: largest step, of an image's bits", largest * 8 * IMAGE_RATE_HZ / rate_bps, "", Bar.AT_MOST, 1.2),
        Row(f"{at}: the next live image, of one without a hold", next_error / plain_error, "", Bar.AT_MOST, 1.05),
    ]


def _error(decoded: GrayPicture, image: GrayPicture) -> float:
    return float(np.abs(decoded.astype(int) - image).mean())
