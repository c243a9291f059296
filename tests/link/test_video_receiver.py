"""What the receiver asks for, and when: only what is missing, in time, and no picture twice."""

from itertools import pairwise

import msgspec

from daemon.link.rtp import (
    PT_RTX,
    PT_VIDEO,
    RtpPacket,
    parse_rtp,
    rtx_payload,
    send_time_from_ns,
    split_rtx_payload,
    stamp_send_time,
)
from daemon.link.video_receiver import (
    NACK_AFTER_TAIL_NS,
    NACK_AGAIN_NS,
    PLI_EVERY_NS,
    VideoReceiver,
)
from daemon.link.video_sender import ANSWER_AGAIN_AFTER_RTT_NS, HISTORY_NS, VideoSender
from daemon.messages import AccessUnit
from tests.link.path_model import MS, S

RTT_NS = 20 * MS
IDR_NAL, SLICE_NAL = b"\0\0\0\1\x65", b"\0\0\0\1\x41"


class Studio:
    """A sender whose packets a test hands to the receiver as it likes."""

    def __init__(self) -> None:
        self.sender, self.receiver = VideoSender(), VideoReceiver()
        self.now_ns = S

    def unit(self, frame_id: int, *, is_idr: bool = False, packets: int = 12, loss: float = 0.02) -> list[RtpPacket]:
        unit = AccessUnit(
            frame_id, self.now_ns, is_idr, (IDR_NAL if is_idr else SLICE_NAL) + b"\xaa" * (1150 * packets)
        )
        self.sender.send_unit(unit, self.now_ns, loss_rate=loss, burst_packets=1, rtt_ns=RTT_NS, target_bps=10_000_000)
        released = self.sender.pacer.release(self.now_ns, 10**10, 1 << 40)
        for packet in released:
            stamp_send_time(packet.data, self.now_ns)
        return [parse_rtp(bytes(packet.data)) for packet in released]

    def receive(self, packets: list[RtpPacket]) -> None:
        for packet in packets:
            self.receiver.receive(packet, self.now_ns)

    def poll(self, after_ns: int = 0) -> tuple[tuple[int, ...], bool]:
        self.now_ns += after_ns
        return self.receiver.poll(self.now_ns, RTT_NS)

    def delivered(self) -> list[int]:
        return [delivery.frame_id for delivery in self.receiver.deliveries]


def retransmission(packet: RtpPacket, number: int) -> RtpPacket:
    return RtpPacket(
        PT_RTX,
        False,
        number,
        packet.timestamp,
        4242,
        rtx_payload(packet.sequence_number, packet.payload),
        packet.capture_ns,
        packet.frame,
    )


def is_source(packet: RtpPacket) -> bool:
    return packet.payload_type == PT_VIDEO


def test_it_asks_for_what_repair_symbols_do_not_cover_until_it_comes() -> None:
    studio = Studio()
    studio.receive(studio.unit(1, is_idr=True))
    packets = studio.unit(2)
    sources, repairs = [p for p in packets if is_source(p)], [p for p in packets if not is_source(p)]
    assert len(repairs) >= 2
    deficit = 3
    lost = len(repairs) + deficit
    studio.receive(sources[lost:] + repairs)
    assert studio.poll() == ((), False)  # not yet: packets may overtake one another
    asked, _ = studio.poll(NACK_AFTER_TAIL_NS)
    assert asked == tuple(p.sequence_number for p in sources[:deficit])
    assert studio.poll(NACK_AGAIN_NS - 1) == ((), False)
    again, _ = studio.poll(1)
    assert again == asked
    assert studio.receiver.nacked_packets == deficit
    studio.receive([retransmission(p, n) for n, p in enumerate(sources[:deficit])])
    assert studio.delivered() == [1, 2]
    assert studio.poll(RTT_NS) == ((), False)


def test_over_a_long_path_it_repeats_itself_more_slowly() -> None:
    studio = Studio()
    rtt_ns = 200 * MS
    studio.receive(studio.unit(1, is_idr=True))
    studio.receive(studio.unit(2)[8:])
    asked_ns = []
    for _ in range(100):
        studio.now_ns += MS
        if studio.receiver.poll(studio.now_ns, rtt_ns)[0]:
            asked_ns.append(studio.now_ns)
    assert {later - earlier for earlier, later in pairwise(asked_ns)} == {rtt_ns // 10}


def test_it_asks_at_once_though_no_source_packet_came_but_a_repair_symbol() -> None:
    studio = Studio()
    studio.receive(studio.unit(1, is_idr=True))
    packets = studio.unit(2)
    sources, repairs = [p for p in packets if is_source(p)], [p for p in packets if not is_source(p)]
    studio.receive(repairs)
    asked, _ = studio.poll(NACK_AFTER_TAIL_NS)
    assert asked == tuple(p.sequence_number for p in sources[: len(sources) - len(repairs)])


def test_repeated_requests_are_answered_once_a_round_trip() -> None:
    studio = Studio()
    packets = [p for p in studio.unit(1, is_idr=True) if is_source(p)]
    wanted = (packets[3].sequence_number, packets[5].sequence_number, 0xFFFF & packets[0].sequence_number - 9)

    def answers(after_ns: int, copies: int = 1) -> list[int]:
        studio.now_ns += after_ns
        studio.sender.retransmit(wanted, studio.now_ns, rtt_ns=RTT_NS, copies=copies)
        released = studio.sender.pacer.release(studio.now_ns, 10**10, 1 << 40)
        return [split_rtx_payload(parse_rtp(bytes(p.data)).payload)[0] for p in released]

    assert answers(MS, copies=2) == [*wanted[:2], *wanted[:2]]
    assert answers(RTT_NS) == []
    assert answers(ANSWER_AGAIN_AFTER_RTT_NS) == [*wanted[:2]]
    assert answers(HISTORY_NS) == []


def test_a_pause_of_the_sender_is_no_reordering_but_an_overtaken_packet_is() -> None:
    studio = Studio()
    studio.receive(studio.unit(1, is_idr=True))
    packets = studio.unit(2)
    studio.receive(packets[:4])
    studio.poll(10 * MS)
    studio.receive([msgspec.structs.replace(p, send_time=send_time_from_ns(studio.now_ns)) for p in packets[4:]])
    assert studio.receiver._reorder_ns < MS
    packets = studio.unit(3)
    studio.receive(packets[:4] + packets[6:])
    studio.poll(7 * MS)
    late = studio.unit(4, packets=3)
    studio.receive(late[2:])
    studio.poll(4 * MS)
    studio.receive(late[:2])
    assert studio.receiver._reorder_ns >= 2 * MS


def test_it_asks_for_an_idr_until_one_comes() -> None:
    studio = Studio()
    asked_ns = []
    for _ in range(1000):
        if studio.poll(MS)[1]:
            asked_ns.append(studio.now_ns)
    assert len(asked_ns) in (16, 17)
    assert all(later - earlier == PLI_EVERY_NS for earlier, later in pairwise(asked_ns))
    studio.receive(studio.unit(1, is_idr=True))
    assert not any(studio.poll(MS)[1] for _ in range(200))


def test_a_late_copy_of_a_delivered_idr_is_not_delivered_again() -> None:
    studio = Studio()
    idr = studio.unit(1, is_idr=True, packets=1)
    studio.receive(idr)
    studio.now_ns += 33 * MS
    studio.receive(studio.unit(2)[5:6])  # one packet alone: it will not become whole
    studio.poll(300 * MS)
    assert studio.receiver.poll(studio.now_ns + PLI_EVERY_NS, RTT_NS)[1]  # given up: an IDR is waited for
    studio.receive(idr)
    studio.receive([retransmission(packet, 1) for packet in idr if is_source(packet)])
    assert studio.delivered() == [1]
    assert studio.receiver.packets_late >= 2


def test_a_unit_after_its_deadline_is_lost_though_it_becomes_whole() -> None:
    studio = Studio()
    studio.receive(studio.unit(1, is_idr=True))
    packets = studio.unit(2)
    studio.receive(packets[6:7])
    studio.poll(121 * MS)
    studio.receive(packets)
    studio.poll(MS)
    assert studio.delivered() == [1]
    studio.receive(studio.unit(3, is_idr=True))
    assert studio.delivered() == [1, 3]
    assert studio.receiver.units_lost == 1


def test_the_same_image_encoded_again_is_another_unit() -> None:
    """While the source holds its image, an IDR of it has the same time of capture."""
    studio = Studio()
    studio.receive(studio.unit(1, is_idr=True))
    studio.receive(studio.unit(2, is_idr=True))
    assert studio.delivered() == [1, 2]
