"""Access units to RTP payloads and back: nothing is lost, nothing is too large, garbage raises PacketError alone."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.link.packetize import FU_A, STAP_A, depacketize, packetize, split_into_blocks
from daemon.link.rtp import MAX_SOURCE_SYMBOLS, MAX_VIDEO_PAYLOAD_BYTES, PacketError

START_CODE = b"\0\0\0\1"


def nal_unit(header: int, body: bytes) -> bytes:
    """Without a start code in it and without zeros at its end, as every H.264 NAL unit."""
    return bytes((header,)) + body.replace(b"\0\0", b"\0\3") + b"\x80"


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


NAL_UNITS = st.builds(
    nal_unit,
    st.builds(lambda importance, unit_type: importance << 5 | unit_type, st.integers(0, 3), st.integers(1, 23)),
    st.one_of(
        st.binary(max_size=30),
        st.builds(noise, st.integers(0, 3000), st.integers(0, 9)),
        st.builds(bytes, st.integers(0, 3000)),
    ),
)


@given(
    st.lists(st.tuples(NAL_UNITS, st.integers(2, 3), st.integers(0, 3)), min_size=1, max_size=8),
    st.integers(20, MAX_VIDEO_PAYLOAD_BYTES),
)
def test_every_access_unit_comes_back(units: list[tuple[bytes, int, int]], max_payload_bytes: int) -> None:
    """Start codes of 3 or 4 bytes, with or without zeros after a unit."""
    annex_b = b"".join(bytes(zeros) + b"\1" + unit + bytes(after) for unit, zeros, after in units)
    payloads = packetize(annex_b, max_payload_bytes)
    assert max(map(len, payloads)) <= max_payload_bytes
    assert depacketize(payloads) == b"".join(START_CODE + unit for unit, _, _ in units)


def test_parameter_sets_share_a_packet_and_slices_follow_in_equal_fragments() -> None:
    sps, pps, sei = nal_unit(0x67, b"sps"), nal_unit(0x68, b"pps"), nal_unit(0x06, noise(600, 0))
    slices = [nal_unit(0x65, noise(size, size)) for size in (12_000, 13_001)]
    payloads = packetize(b"".join(START_CODE + unit for unit in (sps, pps, sei, *slices)), 1174)
    assert payloads[0][0] == 0x60 | STAP_A  # the greatest importance of the three
    assert all(payload[0] == 0x60 | FU_A for payload in payloads[1:])
    flags = [payload[1] & 0xC0 for payload in payloads[1:]]
    assert flags == [0x80, *[0] * 9, 0x40, 0x80, *[0] * 10, 0x40]  # 11 and 12 fragments, no more than needed
    for fragments in (payloads[1:12], payloads[12:]):
        sizes = [len(payload) for payload in fragments]
        assert max(sizes) - min(sizes) <= 1


def test_two_small_slices_are_one_packet_and_a_lone_one_is_bare() -> None:
    small = nal_unit(0x41, b"slice")
    assert len(packetize(START_CODE + small + START_CODE + small, 1174)) == 1
    assert packetize(b"\0\0\1" + small, 1174) == [small]


def test_a_lossless_megabyte_goes_through() -> None:
    unit = nal_unit(0x65, noise(1_000_000, 1))
    payloads = packetize(START_CODE + unit, MAX_VIDEO_PAYLOAD_BYTES)
    assert len(payloads) == -(-len(unit) // (MAX_VIDEO_PAYLOAD_BYTES - 2))
    assert depacketize(payloads) == START_CODE + unit


@pytest.mark.parametrize(
    "annex_b",
    [b"", b"\0\0", b"no start code", b"x\0\0\1\x65\x80", b"\0\0\1\x78\x80", b"\0\0\1\x80"],
)
def test_what_is_not_annex_b_is_rejected(annex_b: bytes) -> None:
    with pytest.raises(PacketError):
        packetize(annex_b, 1174)


START, MIDDLE, END = b"\x7c\x85ab", b"\x7c\x05cd", b"\x7c\x45ef"


@pytest.mark.parametrize(
    "payloads",
    [
        [],
        [b""],
        [b"\x60"],  # type 0
        [b"\x79\x00\x00"],  # STAP-B, not of mode 1
        [b"\x78"],  # aggregation of nothing
        [b"\x78\x00"],
        [b"\x78\x00\x00"],  # an empty unit
        [b"\x78\x00\x05\x67ab"],  # longer than the packet
        [b"\x78\x00\x01\x78"],  # an aggregation in an aggregation
        [b"\x7c"],
        [b"\x7c\xc5ab"],  # start and end in one
        [b"\x7c\x9cab", b"\x7c\x5cab"],  # a fragmented fragment
        [MIDDLE, END],
        [START, MIDDLE],
        [START, START, END],
        [START, b"\x65ab", END],
        [START, b"\x7c\x41ef"],  # the end of another type
        [START, b"\x1c\x45ef"],  # the end of another importance
    ],
)
def test_malformed_payloads_are_rejected(payloads: list[bytes]) -> None:
    with pytest.raises(PacketError):
        depacketize(payloads)


def test_fragments_are_joined() -> None:
    assert depacketize([START, MIDDLE, END]) == START_CODE + b"\x65abcdef"


FRAGMENT_BYTES = st.sampled_from([0x7C, 0x78, 0x65, 0x85, 0x45, 0x05, 0x00, 0x01, 0x02, 0xFF])
PAYLOADS = st.lists(st.binary(max_size=12) | st.lists(FRAGMENT_BYTES, max_size=12).map(bytes), max_size=6)


@given(PAYLOADS)
def test_garbage_raises_packet_error_at_most(payloads: list[bytes]) -> None:
    with contextlib.suppress(PacketError):
        assert depacketize(payloads).startswith(START_CODE)
    with contextlib.suppress(PacketError):
        assert packetize(b"\0\0\1".join([b"", *payloads]), 20)


@given(st.integers(0, 5000))
def test_blocks_are_few_complete_and_balanced(payload_count: int) -> None:
    blocks = split_into_blocks(payload_count)
    assert [i for block in blocks for i in block] == list(range(payload_count))
    assert len(blocks) == -(-payload_count // MAX_SOURCE_SYMBOLS)
    sizes = [len(block) for block in blocks]
    assert not sizes or (max(sizes) <= MAX_SOURCE_SYMBOLS and max(sizes) - min(sizes) <= 1)
