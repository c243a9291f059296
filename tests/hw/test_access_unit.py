"""What an encoder gave is looked at: good units pass, nonsense is told, nothing crashes."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.encoders.access_unit import read_access_unit
from hw.encoders.x264 import X264Encoder
from hw.errors import DeviceError
from hw.ports import EncodedPicture, EncoderSettings


def units() -> list[EncodedPicture]:
    encoder = X264Encoder()
    encoder.open(EncoderSettings(160, 128, 30.0, 1_000_000, "superfast"))
    random = np.random.default_rng(1)
    return [encoder.encode(random.integers(0, 256, (128, 160), np.uint8), force_idr=i == 2) for i in range(4)]


UNITS = units()
START = b"\0\0\0\1"


def test_good_units_are_told_for_what_they_are() -> None:
    heads = [read_access_unit(unit.data) for unit in UNITS]
    assert [head.is_idr for head in heads] == [True, False, True, False]
    assert [bool(head.parameter_sets) for head in heads] == [True, False, True, False]
    assert heads[0].parameter_sets in UNITS[0].data.replace(b"\0\0\1", START).replace(b"\0\0\0\0\1", START)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0\0\0\1", id="a start code"),
        pytest.param(b"noise" + UNITS[0].data, id="something before"),
        pytest.param(START + b"\xe5\x88\x84", id="forbidden bit"),
        pytest.param(START + b"\x67\x64\x00\x0a", id="no picture"),
        pytest.param(START + b"\x7f\x64\x00\x0a" + UNITS[1].data, id="a type that we do not know"),
        pytest.param(UNITS[1].data + UNITS[1].data, id="two pictures"),
        pytest.param(UNITS[0].data + UNITS[1].data, id="an IDR and another"),
        pytest.param(UNITS[1].data[UNITS[1].data.rindex(b"\0\0\1") :], id="without its first slice"),
        pytest.param(START + b"\x41\0\0", id="a slice without a head"),
        pytest.param(START + bytes([0x01, 0b1010_0000]), id="a B slice"),
    ],
)
def test_nonsense_is_told(data: bytes) -> None:
    with pytest.raises(DeviceError):
        read_access_unit(data)


def test_an_idr_without_both_parameter_sets_says_that_it_has_none() -> None:
    data = UNITS[0].data
    idr = data[data.index(b"\0\0\1\x65") :]
    assert read_access_unit(idr).parameter_sets == b""


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 3))
def test_spoiled_units_crash_nothing(noise: bytes, at: int, which: int) -> None:
    data = UNITS[which].data
    for spoiled in (noise, START + noise, data[:at] + noise + data[at + len(noise) :], data[:at]):
        with contextlib.suppress(DeviceError):
            read_access_unit(spoiled)
