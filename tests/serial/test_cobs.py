"""COBS against the published examples, and as its own inverse."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hw.serial.cobs import CobsError, cobs_decode, cobs_encode

PUBLISHED = [  # Cheshire and Baker 1999, and the table of the Wikipedia article on COBS
    ("00", "01 01"),
    ("00 00", "01 01 01"),
    ("00 11 00", "01 02 11 01"),
    ("11 22 00 33", "03 11 22 02 33"),
    ("11 22 33 44", "05 11 22 33 44"),
    ("11 00 00 00", "02 11 01 01 01"),
    (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
    (bytes(range(255)).hex(), "01 ff" + bytes(range(1, 255)).hex()),
    (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02 ff"),
    (bytes([*range(2, 256), 0]).hex(), "ff" + bytes(range(2, 256)).hex() + "01 01"),
    (bytes([*range(3, 256), 0, 1]).hex(), "fe" + bytes(range(3, 256)).hex() + "02 01"),
]


@pytest.mark.parametrize(("data", "encoded"), PUBLISHED)
def test_published_examples(data: str, encoded: str) -> None:
    assert cobs_encode(bytes.fromhex(data)) == bytes.fromhex(encoded)
    assert cobs_decode(bytes.fromhex(encoded)) == bytes.fromhex(data)


@given(st.lists(st.one_of(st.just(bytes(1)), st.binary(max_size=600))).map(b"".join))
@example(bytes(range(1, 255)) * 2)
@example(bytes(range(1, 255)) + bytes(1))
def test_what_was_encoded_is_decoded_and_has_no_zero(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + len(data) // 254 + 1
    assert cobs_decode(encoded) == data


@pytest.mark.parametrize("encoded", ["00", "03 11", "02 00", "05 11 22 33", "02 11 00"])
def test_what_no_encoder_makes_is_refused(encoded: str) -> None:
    with pytest.raises(CobsError):
        cobs_decode(bytes.fromhex(encoded))


@given(st.binary())
def test_any_bytes_are_decoded_or_refused(encoded: bytes) -> None:
    with contextlib.suppress(CobsError):
        cobs_decode(encoded)
