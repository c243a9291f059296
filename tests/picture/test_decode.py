"""Access unit in, picture out at once; whatever is no access unit is an error of ours, never a picture or a crash."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import CodecError
from daemon.picture.decode import Decoder
from hw.encoders.x264 import X264Encoder
from hw.ports import EncoderSettings, GrayPicture

WIDTH, HEIGHT = 200, 136  # no multiple of the decoder's row alignment


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
    assert decoded.ndim == 2
