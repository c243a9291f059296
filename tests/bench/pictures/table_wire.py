"""The bit rate at which a guidewire of one or two pixels is still there, ours against x264 as it comes."""

from functools import partial
from typing import Any

import numpy as np

from tests.bench.pictures import phantom
from tests.bench.pictures.coding import Encode, Wire, default_encoder, our_encoder, rate_that_keeps, wire_after
from tests.bench.pictures.table import Bar, Row, Table

SEEDS = (1, 2, 3, 4)
BARS_MBPS = {150: 1.2, 30: 3.0}  # by dose, quanta a pixel
OUR_RATES = (0.8e6, 1.0e6, 1.1e6, 1.2e6, 1.28e6, 1.4e6, 1.6e6, 2.0e6, 2.5e6, 3.0e6, 3.3e6, 4.0e6, 5.0e6)
DEFAULT_RATES = (2e6, 3e6, 4e6, 5e6, 6e6, 7e6, 8e6, 10e6)


def run() -> Table:
    rows = []
    for quanta, bar_mbps in BARS_MBPS.items():
        truths = [_truth(quanta, seed) for seed in SEEDS]
        at_bar = _median(our_encoder, truths, bar_mbps * 1.07e6)  # some of it is left unused
        ours, default = (
            rate_that_keeps(rates, partial(_median, encoder, truths), lambda wire: wire.is_kept)
            for encoder, rates in ((our_encoder, OUR_RATES), (default_encoder, DEFAULT_RATES))
        )
        what = f"quanta={quanta}"
        rows += [
            Row(f"{what}: rate that keeps the wire", ours / 1e6, " Mbit/s", Bar.AT_MOST, bar_mbps),
            Row(f"{what}: the same, x264 as it comes", default / 1e6, " Mbit/s"),
            Row(f"{what}: alpha at {at_bar.rate_bps / 1e6:.2f} Mbit/s", at_bar.alpha, bar=Bar.AT_LEAST, limit=0.85),
            Row(f"{what}: d' there, of the input's", at_bar.detectability, bar=Bar.AT_LEAST, limit=0.9),
        ]
    return Table(f"Rate to keep the wire: 1024x1024, superfast, 15 images/s, median of {len(SEEDS)} phantoms", rows)


def _truth(quanta: int, seed: int) -> dict[str, Any]:
    module = phantom.load("phantom")
    truth: dict[str, Any] = module.make(module.Cfg(quanta=quanta, seed=seed, n=60))
    return truth


def _median(encoder: Any, truths: list[dict[str, Any]], rate_bps: float) -> Wire:
    wires = []
    for truth in truths:
        encode: Encode = encoder(rate_bps)
        wires.append(wire_after(encode, truth))
    return Wire(*(float(np.median([getattr(wire, name) for wire in wires])) for name in Wire.__slots__))
