"""Access unit in, picture out at once; whatever is no access unit is an error of ours, never a picture or a crash."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import CodecError
from daemon.picture.decode import Decoder
from hw.encoders.pixels import FULL_RANGE, fill
from hw.encoders.x264 import X264Encoder
from hw.ports import (
    ChromaSampling,
    ColourCoding,
    ColourMatrix,
    ColourPicture,
    EncoderSettings,
    GrayPicture,
    luma_of,
)

WIDTH, HEIGHT = 200, 136  # no multiple of the decoder's row alignment
CODING = ColourCoding(ChromaSampling.HALF, ColourMatrix.BT709)


def pictures(count: int) -> list[GrayPicture]:
    random = np.random.default_rng(2)
    ramp = np.tile(np.linspace(0, 255, WIDTH), (HEIGHT, 1))
    return [np.clip(ramp + random.normal(0, 5, ramp.shape), 0, 255).astype(np.uint8) for _ in range(count)]


def units(shown: list[GrayPicture], *, lossless: bool) -> list[bytes]:
    encoder = X264Encoder()
    encoder.open(EncoderSettings(WIDTH, HEIGHT, 30.0, 3_000_000, "ultrafast", lossless))
    encoded = [encoder.encode(picture, force_idr=False).data for picture in shown]
    encoder.close()
    return encoded


SHOWN = pictures(4)
UNITS = units(SHOWN, lossless=True)


def test_each_unit_gives_its_picture_at_once_and_exactly() -> None:
    decoder = Decoder()
    for unit, picture in zip(UNITS, SHOWN, strict=True):
        decoded = decoder.decode(unit)
        assert decoded.flags.c_contiguous
        assert np.array_equal(decoded, picture)


def test_a_picture_stays_when_the_next_one_is_decoded() -> None:
    decoder = Decoder()
    first = decoder.decode(UNITS[0])
    for unit in UNITS[1:]:
        decoder.decode(unit)
    assert np.array_equal(first, SHOWN[0])


@pytest.mark.parametrize("unit", [b"", b"\0", b"\0\0\0\1", b"no access unit" * 50, UNITS[1]], ids=len)
def test_what_gives_no_picture_is_an_error(unit: bytes) -> None:
    with pytest.raises(CodecError):
        Decoder().decode(unit)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.75, 0.9, 0.98])
@pytest.mark.parametrize("index", [0, 2])
def test_a_picture_of_which_a_part_is_missing_is_an_error(index: int, kept: float) -> None:
    decoder = Decoder()
    for unit in UNITS[:index]:
        decoder.decode(unit)
    with pytest.raises(CodecError):
        decoder.decode(UNITS[index][: int(kept * len(UNITS[index]))])


def test_after_an_error_a_new_decoder_goes_on_at_the_next_idr() -> None:
    with pytest.raises(CodecError):
        Decoder().decode(UNITS[2])
    assert np.array_equal(Decoder().decode(UNITS[0]), SHOWN[0])


@given(
    st.integers(0, len(UNITS) - 1),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 1 << 20),
)
def test_a_damaged_unit_gives_a_picture_of_its_size_or_an_error(
    index: int, changes: list[tuple[int, int]], cut: int
) -> None:
    decoder = Decoder()
    for unit in UNITS[:index]:
        decoder.decode(unit)
    damaged = bytearray(UNITS[index])
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        decoded = decoder.decode(bytes(damaged[: 1 + cut % len(damaged)]))
    except CodecError:
        return
    assert luma_of(decoded).ndim == 2


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (HEIGHT - 1, WIDTH), (HEIGHT, WIDTH - 1)], ids=str)
@pytest.mark.parametrize("sampling", ChromaSampling)
@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("preset", ["ultrafast", "superfast"])
def test_colour_arrives_exactly_and_with_its_matrix(
    preset: str, matrix: ColourMatrix, sampling: ChromaSampling, size: tuple[int, int]
) -> None:
    """Chroma of an odd size arrives for each pixel."""
    random = np.random.default_rng(1)
    shape = sampling.plane_shape(size)
    coding = ColourCoding(sampling, matrix)
    picture = ColourPicture(
        random.integers(0, 256, size, np.uint8), random.integers(0, 256, (2, *shape), np.uint8), coding
    )
    encoder, decoder = X264Encoder(), Decoder()
    encoder.open(EncoderSettings(size[1], size[0], 30.0, 3_000_000, preset, lossless=True, colour=coding))
    for _ in range(2):
        decoded = decoder.decode(encoder.encode(picture, force_idr=False).data)
    assert isinstance(decoded, ColourPicture)
    assert decoded.coding.matrix is matrix
    np.testing.assert_array_equal(decoded.luma, picture.luma)
    expected = picture.chroma
    if decoded.coding.sampling is not sampling:
        expected = expected.repeat(2, axis=1).repeat(2, axis=2)[:, : size[0], : size[1]]
    np.testing.assert_array_equal(decoded.chroma, expected)
    assert decoded.chroma.flags.c_contiguous


def test_chroma_without_a_meaning_is_grey() -> None:
    """What an encoder sends that has no grey of its own."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, 30)
    context.color_range = FULL_RANGE
    context.options = {"qp": "0", "tune": "zerolatency"}
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    fill(frame, ColourPicture(SHOWN[0], np.full((2, HEIGHT // 2, WIDTH // 2), 128, np.uint8), CODING))
    frame.color_range = FULL_RANGE
    decoded = Decoder().decode(bytes(context.encode(frame)[0]))
    assert isinstance(decoded, np.ndarray)
    np.testing.assert_array_equal(decoded, SHOWN[0])
