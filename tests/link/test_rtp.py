"""RTP to the byte: round trips, other senders' packets, and garbage, which may raise PacketError and nothing else."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.link import rtp
from daemon.link.rtp import DatagramKind, FrameExtension, PacketError, RtpPacket, SequenceUnwrapper

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
SECOND_NS = 1_000_000_000
TIMES_NS = st.integers(0, (1 << 32) * SECOND_NS - SECOND_NS)


@st.composite
def frames(draw: st.DrawFn) -> FrameExtension:
    block_count = draw(st.integers(1, 255))
    source_count = draw(st.integers(1, rtp.MAX_SOURCE_SYMBOLS))
    return FrameExtension(
        frame_id=draw(U32),
        is_idr=draw(st.booleans()),
        block=draw(st.integers(0, block_count - 1)),
        block_count=block_count,
        source_count=source_count,
        index=draw(st.integers(0, source_count + rtp.MAX_REPAIR_SYMBOLS - 1)),
        repair_count=draw(st.integers(0, rtp.MAX_REPAIR_SYMBOLS)),
    )


PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence_number=U16,
    timestamp=U32,
    ssrc=U32,
    payload=st.binary(max_size=60),
    capture_ns=st.none() | TIMES_NS,
    frame=st.none() | frames(),
    send_time=st.integers(0, 0xFF_FFFF),
)
FRAME = FrameExtension(7, True, 1, 2, 20, 21, 4)
PACKET = RtpPacket(rtp.PT_VIDEO, True, 0x1234, 0x01020304, 0xA0B0C0D0, b"payload", 1_500_000_000, FRAME, 5)


@given(PACKETS)
def test_every_packet_comes_back(packet: RtpPacket) -> None:
    assert rtp.parse_rtp(bytes(rtp.serialize_rtp(packet))) == packet


@given(PACKETS)
def test_a_stamp_changes_the_send_time_and_nothing_else(packet: RtpPacket) -> None:
    data = rtp.serialize_rtp(packet)
    rtp.stamp_send_time(data, 63 * SECOND_NS + SECOND_NS // 2)
    parsed = rtp.parse_rtp(bytes(data))
    assert parsed.send_time == 63 << 18 | 1 << 17
    assert msgspec.structs.replace(parsed, send_time=packet.send_time) == packet


def test_video_header_to_the_byte() -> None:
    assert rtp.serialize_rtp(PACKET).hex(" ") == (
        "90 e0 12 34 01 02 03 04 a0 b0 c0 d0 be de 00 06 12 00 00 05 "
        "39 00 00 00 07 01 01 02 14 15 04 27 00 00 00 01 80 00 00 00 " + b"payload".hex(" ")
    )


def test_the_largest_video_payload_fits_as_source_retransmission_and_repair_symbol() -> None:
    assert len(rtp.serialize_rtp(PACKET)) - len(PACKET.payload) == rtp.VIDEO_HEADER_BYTES
    largest = bytes(rtp.MAX_VIDEO_PAYLOAD_BYTES)
    assert rtp.VIDEO_HEADER_BYTES + len(rtp.rtx_payload(1, largest)) == rtp.MAX_RTP_BYTES


def test_the_fast_way_and_the_general_way_agree() -> None:
    """The same extensions in another order, with one unknown among them, CSRC and padding."""
    data = bytes(rtp.serialize_rtp(PACKET))
    send_time, frame, capture = data[16:20], data[20:31], data[31:40]
    elements = b"\0" + capture + b"\x51\xaa\xbb" + frame + send_time + b"\xf0"
    elements += bytes(-len(elements) % 4)
    other = b"\xb2" + data[1:12] + bytes(8) + b"\xbe\xde" + (len(elements) // 4).to_bytes(2, "big") + elements
    assert rtp.parse_rtp(other + PACKET.payload + b"\0\0\3") == PACKET


def test_foreign_extension_profiles_and_plain_packets_are_read() -> None:
    plain = b"\x80\x6f\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03opus"
    expected = RtpPacket(rtp.PT_OPUS, False, 1, 2, 3, b"opus")
    assert rtp.parse_rtp(plain) == expected
    assert rtp.parse_rtp(b"\x90" + plain[1:12] + b"\x10\x00\x00\x01\x01\x01\xff\x00opus") == expected


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x80\x60" + bytes(9),
        b"\x40\x60" + bytes(10),
        b"\x81\x60" + bytes(10),  # a CSRC that is not there
        b"\x90\x60" + bytes(10),  # an extension that is not there
        b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x02" + bytes(4),
        b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x01\x1f\x00\x00\x00",  # element beyond the extension
        b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x01\x30\x00\x00\x00",  # a frame of one byte
        b"\xa0\x60" + bytes(10) + b"ab\x00",  # padding of no bytes
        b"\xa0\x60" + bytes(10) + b"ab\x04",  # more padding than payload
    ],
)
def test_malformed_packets_are_rejected(broken: bytes) -> None:
    with pytest.raises(PacketError):
        rtp.parse_rtp(broken)


@pytest.mark.parametrize(("offset", "value"), [(26, 2), (27, 0), (28, 0), (28, 151), (29, 125), (30, 106)])
def test_a_frame_beyond_its_limits_is_rejected(offset: int, value: int) -> None:
    data = rtp.serialize_rtp(PACKET)
    data[offset] = value
    with pytest.raises(PacketError, match="limits"):
        rtp.parse_rtp(bytes(data))


@given(st.binary(max_size=100))
def test_noise_raises_packet_error_at_most(noise: bytes) -> None:
    for data in (noise, b"\x90" + noise, b"\x90\x60" + bytes(10) + b"\xbe\xde\x00" + noise):
        with contextlib.suppress(PacketError):
            rtp.parse_rtp(data)


@given(PACKETS, st.integers(0, 70), st.integers(0, 255))
def test_damaged_packets_raise_packet_error_at_most(packet: RtpPacket, position: int, value: int) -> None:
    data = rtp.serialize_rtp(packet)
    data[position % len(data)] = value
    for damaged in (bytes(data), bytes(data[: position % len(data)])):
        with contextlib.suppress(PacketError):
            rtp.parse_rtp(damaged)


@given(TIMES_NS)
def test_capture_times_survive_the_fixed_point(time_ns: int) -> None:
    assert rtp.ns_from_uq32_32(rtp.uq32_32_from_ns(time_ns)) == time_ns
    assert rtp.uq32_32_from_ns(time_ns + (1 << 32) * SECOND_NS) == rtp.uq32_32_from_ns(time_ns)


@given(TIMES_NS, st.integers(-31 * SECOND_NS, 31 * SECOND_NS))
def test_send_times_differ_across_the_wrap(time_ns: int, difference_ns: int) -> None:
    earlier, later = rtp.send_time_from_ns(time_ns), rtp.send_time_from_ns(time_ns + difference_ns)
    assert abs(rtp.send_time_difference_ns(later, earlier) - difference_ns) < 4000


@given(st.integers(0, 0xFFFF), st.lists(st.integers(-32000, 32000), max_size=40))
def test_sequence_numbers_unwrap(first: int, steps: list[int]) -> None:
    unwrapper = SequenceUnwrapper()
    highest = unwrapper.unwrap(first)
    assert highest == 0x1_0000 + first
    for step in steps:
        number = highest + step
        assert rtp.sequence_delta(number & 0xFFFF, highest & 0xFFFF) == step
        assert unwrapper.unwrap(number & 0xFFFF) == number
        highest = max(highest, number)


@given(U16, st.binary(max_size=20))
def test_retransmissions_name_the_original(sequence_number: int, payload: bytes) -> None:
    assert rtp.split_rtx_payload(rtp.rtx_payload(sequence_number, payload)) == (sequence_number, payload)


def test_a_retransmission_without_its_header_is_rejected() -> None:
    with pytest.raises(PacketError):
        rtp.split_rtx_payload(b"\x01")


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x13\x00", DatagramKind.UNKNOWN),
        (b"\x14\xfe", DatagramKind.DTLS),
        (b"\x3f\xfe", DatagramKind.DTLS),
        (b"\x40\x00", DatagramKind.UNKNOWN),
        (b"\x7f\xc8", DatagramKind.UNKNOWN),
        (b"\x80\xbf", DatagramKind.RTP),
        (b"\x80\xc0", DatagramKind.RTCP),
        (b"\xbf\xdf", DatagramKind.RTCP),
        (b"\xbf\xe0", DatagramKind.RTP),
        (b"\xc0\xc8", DatagramKind.UNKNOWN),
        (b"\x80", DatagramKind.UNKNOWN),
        (b"", DatagramKind.UNKNOWN),
    ],
)
def test_datagrams_are_told_apart(start: bytes, kind: DatagramKind) -> None:
    assert rtp.datagram_kind(start) is kind
