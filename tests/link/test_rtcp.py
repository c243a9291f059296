"""RTCP to the byte: round trips alone and compound, foreign packets skipped, garbage raises PacketError alone."""

import contextlib
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.link import rtcp
from daemon.link.rtcp import (
    MAX_CAUSE_BYTES,
    ClockQuestion,
    ClockReply,
    CongestionFeedback,
    Nack,
    PictureLoss,
    RtcpMessage,
    SourceStatus,
    StreamFeedback,
    ViewStatus,
    parse_rtcp,
    serialize_rtcp,
)
from daemon.link.rtp import DatagramKind, PacketError, datagram_kind

U2, U8, U16, U32 = st.integers(0, 3), st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)
U64 = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
CAUSES = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=30)
MILLISECOND_NS = 1_000_000


@st.composite
def nacks(draw: st.DrawFn) -> Nack:
    """Ascending from anywhere, also across the wrap."""
    number = draw(U16)
    numbers = [number]
    for step in draw(st.lists(st.integers(1, 40), max_size=20)):
        number = number + step & 0xFFFF
        numbers.append(number)
    return Nack(draw(U32), tuple(numbers))


STREAMS = st.builds(StreamFeedback, U32, U16, st.lists(U16, max_size=20).map(tuple))
MESSAGES = st.one_of(
    st.builds(PictureLoss, U32),
    nacks(),
    st.builds(CongestionFeedback, U32, st.lists(STREAMS, max_size=3).map(tuple)),
    st.builds(SourceStatus, U32, U64, U8, st.booleans(), U32, U64, U64, U32, U16, U16, CAUSES, U2, U2),
    st.builds(ViewStatus, U32, U64, U8, U32, U32, U16, U16, CAUSES),
    st.builds(ClockQuestion, U32, U64),
    st.builds(ClockReply, U32, U64, U64, U64),
)
SOURCE = SourceStatus(1, 2, 1, True, 3, 4, 5, 66_667, 1024, 768, "ok")


@given(U32, st.lists(MESSAGES, min_size=1, max_size=4))
def test_messages_come_back_in_order(ssrc: int, messages: list[RtcpMessage]) -> None:
    data = serialize_rtcp(ssrc, messages)
    assert parse_rtcp(data) == [(ssrc, message) for message in messages]
    assert datagram_kind(data) is DatagramKind.RTCP


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (PictureLoss(9), "81 ce 00 02 00 00 00 07 00 00 00 09"),
        (Nack(9, (65535, 0, 15, 16)), "81 cd 00 04 00 00 00 07 00 00 00 09 ff ff 80 01 00 10 00 00"),
        (
            CongestionFeedback(0x01020304, (StreamFeedback(9, 5, (0x8001, 0, 0xBFFF)),)),
            "8b cd 00 06 00 00 00 07 00 00 00 09 00 05 00 03 80 01 00 00 bf ff 00 00 01 02 03 04",
        ),
        (ClockQuestion(1, 2), "80 cc 00 05 00 00 00 07 43 4c 43 51 00 00 00 01 00 00 00 00 00 00 00 02"),
        (
            SOURCE,
            "80 cc 00 0e 00 00 00 07 43 4c 53 53 00 00 00 01 00 00 00 00 00 00 00 02 01 01 02 00 00 00 00 03 "
            "00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 05 00 01 04 6b 04 00 03 00 6f 6b 00 00",
        ),
    ],
)
def test_messages_to_the_byte(message: RtcpMessage, expected: str) -> None:
    assert serialize_rtcp(7, [message]).hex(" ") == expected


def test_what_is_not_known_is_skipped() -> None:
    """A sender report, a BYE without SSRC, an APP of another name and one of a later layout, around a PLI."""
    loss = serialize_rtcp(7, [PictureLoss(9)])
    sender_report = b"\x80\xc8\x00\x06" + bytes(24)
    foreign_app = b"\x80\xcc\x00\x02" + bytes(4) + b"ABCD"
    later_layout = b"\x81\xcc\x00\x02" + bytes(4) + b"CLSS"
    data = sender_report + foreign_app + loss + later_layout + b"\x80\xcb\x00\x00"
    assert parse_rtcp(data) == [(7, PictureLoss(9))]


def test_padding_is_cut_off() -> None:
    loss = serialize_rtcp(7, [PictureLoss(9)])
    assert parse_rtcp(b"\xa1\xce\x00\x03" + loss[4:] + b"\0\0\0\4") == [(7, PictureLoss(9))]


SENDER = bytes(4)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x81\xce\x00",
        b"\x41\xce\x00\x02" + bytes(8),
        b"\x81\xce\x00\x02" + bytes(4),  # beyond the end
        b"\x81\xce\x00\x00",  # nobody sent it
        b"\x81\xce\x00\x01" + SENDER,
        b"\x81\xcd\x00\x02" + SENDER + bytes(4),  # NACK of nothing
        b"\x8b\xcd\x00\x01" + SENDER,  # feedback without a time
        b"\x8b\xcd\x00\x03" + SENDER + bytes(8),
        b"\x8b\xcd\x00\x04" + SENDER + bytes(4) + b"\x00\x00\x00\x01" + bytes(4),  # fewer metrics than said
        b"\x80\xcc\x00\x01" + SENDER,  # no name
        b"\x80\xcc\x00\x02" + SENDER + b"CLSS",
        b"\x80\xcc\x00\x02" + SENDER + b"CLVS",
        b"\x80\xcc\x00\x02" + SENDER + b"CLCQ",
        b"\x80\xcc\x00\x02" + SENDER + b"CLCR",
        b"\xa1\xce\x00\x02" + bytes(8),  # padding of no bytes
        b"\xa1\xce\x00\x02" + bytes(7) + b"\x0c",  # more padding than there is
        serialize_rtcp(7, [SOURCE])[:-4],
        b"\x81\xce\x00\x02" + bytes(8) + bytes(1300),
    ],
)
def test_malformed_datagrams_are_rejected(broken: bytes) -> None:
    with pytest.raises(PacketError):
        parse_rtcp(broken)


def test_a_cause_longer_than_said_is_rejected() -> None:
    data = bytearray(serialize_rtcp(7, [SOURCE]))
    cause_length_at = 12 + 14
    for length in (5, MAX_CAUSE_BYTES + 1, 255):
        data[cause_length_at] = length
        with pytest.raises(PacketError):
            parse_rtcp(bytes(data))


@given(st.text(max_size=200))
@example("x" + 100 * "é")  # a character of two bytes across the limit
def test_causes_are_cut_between_characters_and_safe_to_print(cause: str) -> None:
    data = serialize_rtcp(7, [ViewStatus(1, 2, 3, 4, 5, 6, 7, cause)])
    [(_, status)] = parse_rtcp(data)
    received = cast(ViewStatus, status).cause
    printable = "".join(filter(str.isprintable, cause))
    assert received.isprintable()
    assert len(data) <= 12 + 28 + MAX_CAUSE_BYTES
    assert printable.startswith(received)
    if len(cause.encode()) <= MAX_CAUSE_BYTES:
        assert received == printable


def test_causes_that_are_not_text_are_shown_as_well_as_can_be() -> None:
    data = serialize_rtcp(7, [ViewStatus(1, 2, 3, 4, 5, 6, 7, "0123456")])
    [(_, status)] = parse_rtcp(data.replace(b"0123456", b"a\xff\x1b[1m\n"))
    assert cast(ViewStatus, status).cause == "a\ufffd[1m"
    [(_, status)] = parse_rtcp(serialize_rtcp(7, [ViewStatus(1, 2, 3, 4, 5, 6, 7, "lone \ud800")]))
    assert cast(ViewStatus, status).cause == "lone ?"


@pytest.mark.parametrize(
    "message",
    [
        ViewStatus(1 << 32, 2, 3, 4, 5, 6, 7),
        ClockQuestion(1, -1),
        CongestionFeedback(1, (StreamFeedback(1, 1, (0,) * 600),)),
    ],
)
def test_what_cannot_be_written_is_rejected(message: RtcpMessage) -> None:
    with pytest.raises(PacketError):
        serialize_rtcp(7, [message])


@given(st.binary(max_size=80), U8, U8)
def test_noise_raises_packet_error_at_most(noise: bytes, count: int, packet_type: int) -> None:
    words = len(noise) // 4
    for data in (
        noise,
        bytes((0x80 | count & 0x3F, packet_type, 0, words)) + noise,
        b"\x8b\xcd\x00" + bytes((words,)) + noise,
        *(b"\x80\xcc\x00" + bytes((words + 2,)) + SENDER + name + noise for name in (b"CLSS", b"CLVS", b"CLCR")),
    ):
        with contextlib.suppress(PacketError):
            parse_rtcp(data)


@given(st.lists(MESSAGES, min_size=1, max_size=2), st.integers(0, 200), U8)
def test_damaged_datagrams_raise_packet_error_at_most(messages: list[RtcpMessage], position: int, value: int) -> None:
    data = bytearray(serialize_rtcp(7, messages))
    position %= len(data)
    data[position] = value
    for damaged in (bytes(data), bytes(data[:position])):
        with contextlib.suppress(PacketError):
            parse_rtcp(damaged)


@given(st.integers(0, 7_900 * MILLISECOND_NS), st.integers(8_000 * MILLISECOND_NS, 1 << 62), st.integers(0, 3))
def test_arrivals_survive_to_half_a_millisecond(ago_ns: int, report_ns: int, ecn: int) -> None:
    metric = rtcp.metric_block(report_ns - ago_ns, report_ns, ecn)
    offset_ns = rtcp.arrival_offset_ns(metric)
    assert offset_ns is not None
    assert abs(offset_ns - ago_ns) <= MILLISECOND_NS // 2
    assert metric >> 13 == 4 | ecn


def test_metrics_without_a_time() -> None:
    assert rtcp.metric_block(None, 5) == 0
    late, old = rtcp.metric_block(6, 5), rtcp.metric_block(0, 9_000 * MILLISECOND_NS)
    assert late == rtcp.METRIC_RECEIVED | rtcp.OFFSET_NOT_KNOWN
    assert old == rtcp.METRIC_RECEIVED | rtcp.OFFSET_TOO_LARGE
    assert rtcp.arrival_offset_ns(0) is rtcp.arrival_offset_ns(late) is rtcp.arrival_offset_ns(old) is None


@given(st.integers(0, 1 << 62), st.integers(-30_000, 30_000))
def test_report_times_differ_across_the_wrap(time_ns: int, difference_s: int) -> None:
    difference_ns = difference_s * 1_000_000_000
    earlier, later = rtcp.ntp_middle_from_ns(time_ns), rtcp.ntp_middle_from_ns(time_ns + difference_ns)
    assert abs(rtcp.ntp_middle_difference_ns(later, earlier) - difference_ns) < 16_000
