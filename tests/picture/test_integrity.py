"""The decoded picture against the one that was encoded: coding passes, every fault that can be made here does not."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from daemon.errors import CodecError
from daemon.picture.blocks import block_content, halve, line_strength
from daemon.picture.decode import Decoder
from daemon.picture.encode import ImageEncoder
from daemon.picture.features import GRID, LINE_FLOOR, doubt, features_of, parse_features, serialize_features
from daemon.picture.integrity import doubt_about
from hw.encoders.x264 import X264Encoder
from hw.ports import GrayPicture

SIZE = 384
RATE_HZ = 15.0
Fault = Callable[[GrayPicture], GrayPicture]


def scene(seed: int = 5, *, noise: float = 4.0, noise_seed: int = 1, wires: bool = True) -> GrayPicture:
    """A smooth body with three wires, two pixels wide."""
    random = np.random.default_rng(noise_seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    picture = 120 + 60 * np.sin(3 * x + seed) * np.cos(4 * y)
    if wires:
        for left in (60, 160, 290):
            for row in range(SIZE):
                column = int(left + 30 * np.sin(row / 50))
                picture[row, column : column + 2] -= 20
    noisy: GrayPicture = np.clip(picture + random.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
    return noisy


def blurred(picture: GrayPicture, radius: int) -> GrayPicture:
    """A moving mean over (2 radius + 1)^2 pixels."""
    padded = np.pad(picture.astype(float), radius, mode="edge")
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis)
        padded = windows.mean(-1)
    return padded.astype(np.uint8)


def with_block(picture: GrayPicture, value: int) -> GrayPicture:
    changed = picture.copy()
    changed[192:208, 64:80] = value
    return changed


def with_bright_and_dark(picture: GrayPicture) -> GrayPicture:
    """Two neighbouring blocks, wrong by as much up as down: the mean of their cell stays."""
    changed = picture.copy()
    changed[192:208, 64:80] += 50
    changed[192:208, 80:96] -= 50
    return changed


def reference_doubt(sent: GrayPicture, decoded: GrayPicture) -> str:
    reference = parse_features(serialize_features(features_of(block_content(sent))))
    return doubt(reference, features_of(block_content(decoded)))


def test_a_picture_has_no_doubt_about_itself() -> None:
    assert reference_doubt(scene(), scene()) == ""


@pytest.mark.parametrize("bitrate_bps", [300_000, 3_000_000])
def test_coding_is_no_fault(bitrate_bps: int) -> None:
    """At a rate that leaves little of the noise, too."""
    encoder, decoder = ImageEncoder(X264Encoder(), "superfast", lossless=False), Decoder()
    for index in range(8):
        picture = scene(noise_seed=index)
        encoded = encoder.encode(picture, index, image_rate_hz=RATE_HZ, bitrate_bps=bitrate_bps, force_idr=index == 4)
        assert doubt_about(decoder.decode(encoded.data), encoded.data) == ""
    encoder.close()


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        pytest.param(lambda picture: scene(6), "not the picture", id="another image"),
        pytest.param(lambda picture: np.roll(picture, 8, 1), "not the picture", id="shifted"),
        pytest.param(lambda picture: np.roll(picture, -8, 0), "not the picture", id="shifted down"),
        pytest.param(lambda picture: with_block(picture, 0), "", id="a black block"),
        pytest.param(lambda picture: with_block(picture, 255), "", id="a white block"),
        pytest.param(with_bright_and_dark, "a part of the picture is wrong", id="a bright and a dark block"),
        pytest.param(lambda picture: blurred(picture, 4), "thin lines", id="smoothed"),
        pytest.param(lambda picture: scene(wires=False), "thin lines", id="without its wires"),
        pytest.param(lambda picture: np.zeros_like(picture), "not the picture", id="black"),
        pytest.param(lambda picture: picture[:64, :64].copy(), "another size", id="another size"),
    ],
)
def test_a_fault_is_told_with_its_cause(fault: Fault, cause: str) -> None:
    told = reference_doubt(scene(), np.ascontiguousarray(fault(scene())))
    assert told
    assert cause in told
    assert len(told.encode()) <= 120, "it must fit the wire"


def test_the_strongest_edges_and_lines_are_no_fault() -> None:
    """They are beyond what the wire tells."""
    board = (np.indices((SIZE, SIZE)) // 16).sum(0) % 2 * 255
    bars = np.tile(np.arange(SIZE) % 16 > 1, (SIZE, 1)) * 255
    for picture in (board.astype(np.uint8), bars.astype(np.uint8)):
        assert reference_doubt(picture, picture) == ""


def test_noise_taken_away_is_no_fault() -> None:
    assert reference_doubt(scene(noise=6.0), scene(noise=0.0)) == ""


def test_half_of_the_wires_contrast_is_under_the_floor() -> None:
    clean, without = scene(noise=0.0), scene(noise=0.0, wires=False)
    for share, is_lost in ((LINE_FLOOR + 0.1, False), (LINE_FLOOR - 0.1, True)):
        weaker = (without + share * (clean.astype(float) - without)).astype(np.uint8)
        assert bool(reference_doubt(clean, weaker)) == is_lost


def test_without_a_reference_the_picture_is_doubtful() -> None:
    assert "cannot be checked" in doubt_about(scene(), b"\0\0\0\1\x65slice")


@given(arrays.arrays(np.uint8, st.tuples(st.integers(2, 70), st.integers(2, 70))))
def test_any_picture_has_features_that_cross_the_wire(picture: GrayPicture) -> None:
    features = features_of(block_content(picture))
    assert features.mean.shape == tuple(min(-(-size // 16), GRID) for size in picture.shape)
    data = serialize_features(features)
    assert len(data) <= 202
    assert np.allclose(parse_features(data).mean, features.mean, atol=1 / 256)
    assert doubt(parse_features(data), features) == ""


@given(st.integers(0, 2), st.integers(0, 9), st.integers(0, 9), st.binary(min_size=2, max_size=202), st.booleans())
def test_features_from_outside_are_features_or_an_error(
    layout: int, rows: int, columns: int, rest: bytes, is_whole: bool
) -> None:
    if is_whole:
        rest = (rest * 200)[: 2 + 4 * rows * columns]
    data = bytes([layout, rows, columns, 0]) + rest
    try:
        features = parse_features(data)
    except CodecError:
        assert not (is_whole and layout == 1 and 1 <= rows <= GRID and 1 <= columns <= GRID)
        return
    assert serialize_features(features) == data


def test_lines_are_found_in_every_direction_and_edges_are_not() -> None:
    centre = SIZE // 2
    y, x = np.mgrid[0:SIZE, 0:SIZE] - centre
    for angle in np.arange(0, np.pi, np.pi / 16):
        across = x * np.cos(angle) + y * np.sin(angle)
        line = (120 - 40 * (np.abs(across) < 1.2)).astype(np.uint8)
        edge = (120 - 40 * (across < 0)).astype(np.uint8)
        middle = np.s_[11:13, 11:13]
        assert line_strength(halve(line))[middle].max() > 15, angle
        assert line_strength(halve(edge))[middle].max() < 3, angle
