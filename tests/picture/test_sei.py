"""Data of our own in an access unit: it comes back as it was, and every decoder skips it."""

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import CodecError
from daemon.link.packetize import depacketize, packetize
from daemon.picture.decode import Decoder
from daemon.picture.sei import FEATURES_UUID, user_data, with_user_data
from hw.encoders.x264 import X264Encoder
from hw.ports import EncoderSettings

SLICE = b"\0\0\0\1\x65slice"
MANY_ZEROS = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=300).map(bytes)


@given(st.one_of(st.binary(max_size=700), MANY_ZEROS))
def test_data_comes_back_whatever_it_is(data: bytes) -> None:
    unit = with_user_data(SLICE, FEATURES_UUID, data)
    assert user_data(unit, FEATURES_UUID) == data
    assert unit.endswith(SLICE)


@given(MANY_ZEROS)
def test_no_start_code_is_made(data: bytes) -> None:
    front = with_user_data(b"", FEATURES_UUID, data)[4:]
    assert all(code not in front for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


@given(MANY_ZEROS)
def test_the_link_carries_it(data: bytes) -> None:
    unit = with_user_data(SLICE, FEATURES_UUID, data)
    assert depacketize(packetize(unit, 60)) == unit


def test_a_decoder_skips_it() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (48, 64), np.uint8)
    encoder = X264Encoder()
    encoder.open(EncoderSettings(64, 48, 30.0, 1_000_000, "ultrafast", lossless=True))
    unit = encoder.encode(picture, force_idr=True).data
    encoder.close()
    decoded = Decoder().decode(with_user_data(unit, FEATURES_UUID, bytes(200)))
    assert np.array_equal(decoded, picture)


@pytest.mark.parametrize(
    "unit",
    [
        b"",
        SLICE,
        with_user_data(SLICE, UUID(int=7), b"another's"),
        with_user_data(b"", FEATURES_UUID, b"no end"),
        with_user_data(SLICE, FEATURES_UUID, bytes(4000)),
        with_user_data(SLICE, FEATURES_UUID, b"cut")[:20] + SLICE,
    ],
    ids=["empty", "no SEI", "another UUID", "no end", "too long", "cut"],
)
def test_anything_else_is_an_error(unit: bytes) -> None:
    with pytest.raises(CodecError):
        user_data(unit, FEATURES_UUID)


@given(st.binary(max_size=80))
def test_what_comes_from_outside_is_data_or_an_error(rest: bytes) -> None:
    for front in (b"", b"\0\0\0\1\x06", b"\0\0\0\1\x06\x05"):
        try:
            user_data(front + rest, FEATURES_UUID)
        except CodecError:
            continue
