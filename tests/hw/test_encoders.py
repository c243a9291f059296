"""libx264 as it is opened here: bits where they are asked for, access units of one size, grey as it was."""

import numpy as np
import pytest

from daemon.picture.decode import Decoder
from hw.encoders.regions import FINER_RECTANGLES
from hw.encoders.x264 import X264Encoder
from hw.ports import MACROBLOCK, EncodedPicture, EncoderSettings, FinerBlocks, GrayPicture

WIDTH, HEIGHT = 520, 392  # no multiple of a macroblock
RATE_HZ = 15.0
BITRATE_BPS = 900_000
LEFT_HALF = np.zeros((-(-HEIGHT // MACROBLOCK), -(-WIDTH // MACROBLOCK)), np.uint8)
LEFT_HALF[:, :16] = 5


def noise(count: int) -> list[GrayPicture]:
    random = np.random.default_rng(3)
    return [np.clip(random.normal(120, 8, (HEIGHT, WIDTH)), 0, 255).astype(np.uint8) for _ in range(count)]


def opened(preset: str = "superfast", *, lossless: bool = False) -> X264Encoder:
    encoder = X264Encoder()
    encoder.open(EncoderSettings(WIDTH, HEIGHT, RATE_HZ, BITRATE_BPS, preset, lossless))
    return encoder


def encode(encoder: X264Encoder, pictures: list[GrayPicture], finer: FinerBlocks | None = None) -> list[EncodedPicture]:
    return [encoder.encode(picture, force_idr=False, finer=finer) for picture in pictures]


def errors(pictures: list[GrayPicture], encoded: list[EncodedPicture]) -> tuple[float, float]:
    """RMS error of the last picture's left and right half."""
    decoder = Decoder()
    decoded = [decoder.decode(unit.data) for unit in encoded][-1]
    error = (decoded.astype(float) - pictures[-1]) ** 2
    half = 16 * MACROBLOCK
    return float(np.sqrt(error[:, :half].mean())), float(np.sqrt(error[:, half:].mean()))


def test_finer_blocks_are_finer_and_the_rate_stays() -> None:
    pictures = noise(12)
    plain, finer = encode(opened(), pictures), encode(opened(), pictures, LEFT_HALF)
    left, right = errors(pictures, plain)
    assert left == pytest.approx(right, rel=0.1)
    left, right = errors(pictures, finer)
    assert left < 0.9 * right
    assert sum(len(unit.data) for unit in finer) < 1.2 * sum(len(unit.data) for unit in plain)


def test_the_regions_of_one_picture_are_gone_in_the_next() -> None:
    pictures = noise(16)
    encoder = opened()
    encoded = encode(encoder, pictures[:6], LEFT_HALF) + encode(encoder, pictures[6:], np.zeros_like(LEFT_HALF))
    left, right = errors(pictures, encoded)
    assert left == pytest.approx(right, rel=0.1)


def test_more_regions_than_there_are_slots_are_left_out() -> None:
    blocks = np.indices(LEFT_HALF.shape).sum(0) % 2 == 0
    assert blocks.sum() > FINER_RECTANGLES
    encode(opened(), noise(2), blocks)


@pytest.mark.parametrize("preset", ["ultrafast", "superfast"])
def test_without_loss_the_picture_is_exact_whatever_is_asked_for(preset: str) -> None:
    pictures = noise(4)
    assert errors(pictures, encode(opened(preset, lossless=True), pictures, LEFT_HALF)) == (0.0, 0.0)


def test_an_idr_is_no_larger_than_the_others() -> None:
    """A rate buffer of one image: the access unit that a receiver waits for is not the slowest."""
    encoder = opened()
    encode(encoder, noise(10))
    units = [encoder.encode(picture, force_idr=index == 5).data for index, picture in enumerate(noise(10))]
    assert len(units[5]) < 1.5 * np.mean([len(unit) for unit in units])
