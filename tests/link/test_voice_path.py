"""Voice on the link: it waits for nothing, video waits for it, and what each end tells comes through as it was told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.link.pacer import PacedPacket, Pacer
from daemon.link.rtcp import parse_rtcp, serialize_rtcp
from daemon.link.rtp import PT_OPUS, PT_RED, PT_VIDEO, PacketError, RtpPacket, parse_rtp
from daemon.link.voice_path import MAX_HEARD, RATE_WINDOW_NS, VoicePath, wire_bytes
from daemon.link.voice_status import VoiceStatus, parse_voice_status
from daemon.messages import VoicePacket

NOW_NS = 10**12

statuses = st.builds(
    VoiceStatus,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 100),
    st.integers(-100, 0),
)


@given(statuses)
def test_a_status_comes_through(status: VoiceStatus) -> None:
    assert parse_rtcp(serialize_rtcp(5, [status])) == [(5, status)]


@given(st.binary(max_size=40))
def test_any_other_bytes_are_a_status_or_an_error(data: bytes) -> None:
    try:
        assert parse_voice_status(data).loss_percent <= 100
    except PacketError:
        assert len(data) < 20


@pytest.mark.parametrize("payload_type", [PT_OPUS, PT_RED])
def test_a_packet_comes_through(payload_type: int) -> None:
    ours, theirs = VoicePath(), VoicePath()
    data, sequence_number = ours.packet(VoicePacket(7, payload_type, b"voice", starts=True), NOW_NS)
    packet = parse_rtp(data)
    assert packet.marker
    assert theirs.take(packet, NOW_NS)
    (heard,) = theirs.heard
    assert (heard.stream, heard.sequence_number, heard.timestamp) == (ours.ssrc, sequence_number, 7)
    assert (heard.payload_type, heard.payload, heard.arrival_ns) == (payload_type, b"voice", NOW_NS)


def test_video_is_not_voice_and_a_full_list_counts_what_it_drops() -> None:
    path = VoicePath()
    assert not path.take(RtpPacket(PT_VIDEO, False, 1, 1, 1, b""), NOW_NS)
    for number in range(MAX_HEARD + 3):
        path.take(RtpPacket(PT_OPUS, False, number, 1, 1, b""), NOW_NS)
    assert (len(path.heard), path.packets_dropped) == (MAX_HEARD, 3)


def test_the_rate_is_that_of_the_last_half_second_and_ends_with_the_voice() -> None:
    path, now_ns = VoicePath(), NOW_NS
    for _ in range(100):
        path.note_sent(200, now_ns)
        now_ns += 20_000_000
    assert path.rate_bps(now_ns) == pytest.approx(200 * 8 * 50, rel=0.1)
    assert path.rate_bps(now_ns + 3 * RATE_WINDOW_NS) == 0


def test_video_waits_for_as_long_as_voice_takes() -> None:
    def first_due_ns(voice_bytes: int) -> int:
        pacer = Pacer()
        for number in range(3):
            pacer.put(PacedPacket(bytearray(1000), 1, number))
        pacer.release(NOW_NS, 1_000_000, 1 << 30)
        if voice_bytes:
            pacer.yield_to(voice_bytes, NOW_NS, 1_000_000)
        due_ns = pacer.next_timer_ns()
        assert due_ns is not None
        return due_ns

    assert first_due_ns(250) - first_due_ns(0) == 2_000_000
    assert wire_bytes(b"x" * 100) == 100 + 16 + 28
