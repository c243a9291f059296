"""What the comparison of decoded pictures with their reference features tells, and what it costs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from daemon.picture.blocks import block_content
from daemon.picture.decode import Decoder
from daemon.picture.features import doubt, features_of
from daemon.picture.integrity import doubt_about, reference_message
from hw.ports import GrayPicture
from tests.bench.pictures import phantom
from tests.bench.pictures.coding import IMAGES, SETTLED, our_encoder
from tests.bench.pictures.table import Bar, Row, Table
from tests.bench.pictures.timing import memcpy_of, times_ms

LOW_RATE_BPS = 1.2e6
SEEDS = (1, 2)

Fault = Callable[[list[GrayPicture], int], GrayPicture]


def run() -> Table:
    rows, decoded, sent = [], [], []
    for quanta in (150, 30):
        told = 0
        for seed in SEEDS:
            module = phantom.load("phantom")
            truth: dict[str, Any] = module.make(module.Cfg(quanta=quanta, seed=seed, n=60))
            sent = [np.ascontiguousarray(picture) for picture in truth["noisy"][:IMAGES]]
            encode, decoder = our_encoder(LOW_RATE_BPS), Decoder()
            units = [encode(picture) for picture in sent]
            decoded = [decoder.decode(unit) for unit in units]
            told += sum(bool(doubt_about(*pair)) for pair in zip(decoded, units, strict=True))
        what = f"quanta={quanta}, {len(SEEDS) * IMAGES} pictures at {LOW_RATE_BPS / 1e6:g} Mbit/s: told DEGRADED"
        rows.append(Row(what, told, bar=Bar.AT_MOST, limit=0))
        if quanta == 150:
            rows += [_told(name, fault, sent, decoded) for name, fault in FAULTS.items()]
    return Table("Integrity: decoded pictures against their reference features, 1024x1024", [*rows, _cost(sent[0])])


def _told(name: str, fault: Fault, sent: list[GrayPicture], decoded: list[GrayPicture]) -> Row:
    told = []
    for number in range(SETTLED, len(sent)):
        reference = features_of(block_content(sent[number]))
        wrong = np.ascontiguousarray(fault(decoded, number))
        told.append(bool(doubt(reference, features_of(block_content(wrong)))))
    return Row(f"{name}: told DEGRADED", 100 * float(np.mean(told)), " %")


def _with_block(picture: GrayPicture, number: int, value: int | None) -> GrayPicture:
    """A macroblock blank, or 64x64 pixels of another place, at random places of the middle."""
    random = np.random.default_rng(number)
    row, column, from_row, from_column = random.integers(16, 44, 4) * 16
    changed = picture.copy()
    if value is None:
        changed[row : row + 64, column : column + 64] = picture[
            from_row : from_row + 64, from_column : from_column + 64
        ]
    else:
        changed[row : row + 16, column : column + 16] = value
    return changed


def _smoothed(picture: GrayPicture, radius: int) -> GrayPicture:
    padded = np.pad(picture.astype(np.float32), radius, mode="edge")
    for axis in (0, 1):
        padded = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis).mean(-1)
    return padded.astype(np.uint8)


FAULTS: dict[str, Fault] = {
    "the picture before": lambda pictures, number: pictures[number - 1],
    "a picture 5 images old": lambda pictures, number: pictures[number - 5],
    "its lower half 5 images old": lambda pictures, number: np.vstack(
        [pictures[number][:512], pictures[number - 5][512:]]
    ),
    "shifted by 4 pixels": lambda pictures, number: np.roll(pictures[number], 4, 1),
    "shifted by 8 pixels": lambda pictures, number: np.roll(pictures[number], 8, 1),
    "a black macroblock": lambda pictures, number: _with_block(pictures[number], number, 0),
    "64x64 pixels of another place": lambda pictures, number: _with_block(pictures[number], number, None),
    "smoothed over 5x5 pixels": lambda pictures, number: _smoothed(pictures[number], 2),
    "smoothed over 11x11 pixels": lambda pictures, number: _smoothed(pictures[number], 5),
}


def _cost(picture: GrayPicture) -> Row:
    unit = reference_message(block_content(picture)) + b"\0\0\0\1\x65"
    took = times_ms({"memcpy": memcpy_of(picture), "check": lambda: doubt_about(picture, unit)})
    note = f"{took['check'] / took['memcpy']:.0f}x memcpy, {len(unit) - 5} bytes an access unit"
    return Row("time of the check", took["check"], " ms", Bar.AT_MOST, 1.0, note)
