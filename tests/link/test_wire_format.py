"""The wire as others see it: the worked example of docs/wire-format.md, and packets as tshark dissects them."""

import re
import struct
import subprocess
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from daemon.link import rtcp, rtp
from daemon.link.fec import encode_repair, recover_payloads, repair_symbols
from daemon.link.message_kinds import MessageKind
from daemon.link.packetize import depacketize, packetize
from daemon.link.reliable import ReliableMessages
from daemon.link.rtp import FrameExtension, RtpPacket
from daemon.states import EncoderState, SourceState
from hw.encoders.x264 import X264Encoder
from hw.ports import EncoderSettings
from hw.serial.ports import XrayState
from tests.link.link_pair import LinkPair
from tests.link.path_model import MS

DOCUMENT = Path(__file__).parents[2] / "docs" / "wire-format.md"
VIDEO_SSRC, RTX_SSRC, REPAIR_SSRC = 0x11111111, 0x22222222, 0x33333333
REPAIR_COUNT = 2
ACCESS_UNIT = bytes.fromhex("00000001 6764000a 00000001 68ee3c80 000001 6588 101112131415161718191a1b1c1d1e1f2021")


def video_packet(payload_type: int, ssrc: int, number: int, payload: bytes, index: int, n: int) -> RtpPacket:
    return RtpPacket(
        payload_type=payload_type,
        marker=payload_type == rtp.PT_VIDEO and index == n - 1,
        sequence_number=number & 0xFFFF,
        timestamp=135_000,
        ssrc=ssrc,
        payload=payload,
        capture_ns=1_500_000_000,
        frame=FrameExtension(7, True, 0, 1, n, index, REPAIR_COUNT),
    )


def sent(packet: RtpPacket) -> bytes:
    data = rtp.serialize_rtp(packet)
    rtp.stamp_send_time(data, 1_512_500_000)
    return bytes(data)


def worked_example() -> dict[str, bytes]:
    """What the document shows, by its labels."""
    payloads = packetize(ACCESS_UNIT, 16)
    n = len(payloads)
    repairs = repair_symbols(payloads, REPAIR_COUNT)
    source = [video_packet(rtp.PT_VIDEO, VIDEO_SSRC, 0xFFFE + i, p, i, n) for i, p in enumerate(payloads)]
    repair = [video_packet(rtp.PT_REPAIR, REPAIR_SSRC, 5 + i, p, n + i, n) for i, p in enumerate(repairs)]
    rtx = rtp.rtx_payload(source[1].sequence_number, payloads[1])
    status = rtcp.SourceStatus(
        sequence=9,
        sent_ns=1_525_000_000,
        state=SourceState.HELD,
        encoder_state=EncoderState.SOFTWARE,
        frame_id=7,
        image_capture_ns=1_500_000_000,
        frame_ns=1_516_666_667,
        image_interval_us=66_667,
        width=1024,
        height=768,
        cause="X-ray off",
        xray=XrayState.OFF,
    )
    feedback = rtcp.CongestionFeedback(
        rtcp.ntp_middle_from_ns(2_000_000_000),
        (rtcp.StreamFeedback(VIDEO_SSRC, 0xFFFE, (rtcp.metric_block(1_990_000_000, 2_000_000_000), 0, 0x9FFF)),),
    )
    return {
        "access unit": ACCESS_UNIT,
        **{f"payload {i}": payload for i, payload in enumerate(payloads)},
        **{f"source packet {i}": sent(packet) for i, packet in enumerate(source)},
        **{f"repair packet {i}": sent(packet) for i, packet in enumerate(repair)},
        "retransmission of source packet 1": sent(video_packet(rtp.PT_RTX, RTX_SSRC, 3, rtx, 1, n)),
        "source status": rtcp.serialize_rtcp(VIDEO_SSRC, [status]),
        "picture loss and NACK": rtcp.serialize_rtcp(
            0x44444444, [rtcp.PictureLoss(VIDEO_SSRC), rtcp.Nack(VIDEO_SSRC, (0xFFFF, 0))]
        ),
        "congestion feedback": rtcp.serialize_rtcp(0x44444444, [feedback]),
        "clock question": rtcp.serialize_rtcp(0x44444444, [rtcp.ClockQuestion(3, 2_000_000_000)]),
        "small messages": small_messages_example(),
    }


def small_messages_example() -> bytes:
    end, peer = ReliableMessages(0x55555555, first_sequence=7), ReliableMessages(0x66666666)
    for number in range(3):
        peer.send(MessageKind.BOARD, b"x", 0)
        (record,) = peer.records_to_send(0, 20 * MS)
        if number != 1:
            end.receive(record)
    end.send(MessageKind.SOURCE, b"\x01\x02", 0)
    (record,) = end.records_to_send(0, 20 * MS)
    return record


def documented_example() -> dict[str, bytes]:
    """Labels, and below each of them its bytes, indented, in the last code block of the document."""
    example: dict[str, bytes] = {}
    label = ""
    for line in DOCUMENT.read_text(encoding="utf-8").split("```")[-2].splitlines()[1:]:
        if line.startswith(" "):
            example[label] += bytes.fromhex(line)
        elif line:
            label = line
            example[label] = b""
    return example


def test_the_document_shows_what_the_code_sends() -> None:
    assert documented_example() == worked_example()


def test_the_document_shows_the_coefficients_of_the_code() -> None:
    """A repair symbol of one source symbol that is 1 is the coefficient."""
    values = re.findall(r"c\((\d+), (\d+)\) = ([0-9A-F]{2})", DOCUMENT.read_text(encoding="utf-8"))
    assert len(values) >= 4
    for row, column, value in values:
        sources = np.zeros((int(column) + 1, 1), np.uint8)
        sources[-1] = 1
        assert encode_repair(sources, int(row) + 1)[-1, 0] == int(value, 16)


def test_the_documented_packets_are_read_and_repaired() -> None:
    example = documented_example()
    source = [rtp.parse_rtp(example[f"source packet {i}"]) for i in range(3)]
    repair = [rtp.parse_rtp(example[f"repair packet {i}"]) for i in range(2)]
    numbered = [(p.frame.index - p.frame.source_count, p.payload) for p in repair if p.frame]
    payloads = recover_payloads([None, source[1].payload, None], numbered)
    assert depacketize(payloads) == ACCESS_UNIT.replace(b"\0\0\1\x65", b"\0\0\0\1\x65")


RTP_PORT, RTCP_PORT = 5004, 5005


def write_pcap(path: Path, datagrams: list[tuple[int, bytes]], from_port: int = RTP_PORT) -> None:
    """(UDP port, payload) as raw IPv4 packets (link type 101)."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for port, payload in datagrams:
            udp = struct.pack("!HHHH", from_port, port, 8 + len(payload), 0) + payload
            addresses = bytes([192, 0, 2, 1, 192, 0, 2, 2])
            packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses + udp
            file.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


def dissect(path: Path, *fields: str) -> list[list[str]]:
    """Of each packet in the file the values of tshark's `fields`, several values joined by a comma."""
    decode = [f"udp.port=={RTCP_PORT},rtcp", f"udp.port=={RTP_PORT},rtp", f"rtp.pt=={rtp.PT_VIDEO},h264"]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields"]
    command += chain.from_iterable(("-d", rule) for rule in decode)
    command += chain.from_iterable(("-e", field) for field in ("_ws.malformed", *fields))
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    lines = [line.split("\t") for line in output.splitlines()]
    assert not any(malformed for malformed, *_ in lines)
    return [values for _, *values in lines]


@pytest.fixture(scope="module")
def idr_payloads() -> list[bytes]:
    """The H.264 payloads of a real access unit of two slices."""
    encoder = X264Encoder()
    encoder.open(EncoderSettings(320, 240, 15.0, 2_000_000, "ultrafast"))
    picture = np.random.default_rng(0).integers(110, 140, (240, 320), dtype=np.uint8)
    return packetize(encoder.encode(picture, force_idr=True).data, rtp.MAX_VIDEO_PAYLOAD_BYTES)


def test_tshark_sees_the_video_stream(tmp_path: Path, idr_payloads: list[bytes]) -> None:
    n = len(idr_payloads)
    packets = [video_packet(rtp.PT_VIDEO, VIDEO_SSRC, 0xFFFE + i, p, i, n) for i, p in enumerate(idr_payloads)]
    pcap = tmp_path / "video.pcap"
    write_pcap(pcap, [(RTP_PORT, sent(packet)) for packet in packets])
    rows = dissect(pcap, "rtp.seq", "rtp.p_type", "rtp.marker", "rtp.timestamp", "rtp.ssrc", "h264.nal_unit_hdr")
    for i, row in enumerate(rows):
        marker = "1" if i == n - 1 else "0"
        assert row[:5] == [str(0xFFFE + i & 0xFFFF), "96", marker, "135000", "0x11111111"]
    assert rows[0][5] == "24,7,8,6"  # STAP-A of SPS, PPS and SEI
    assert {row[5] for row in rows[1:]} == {"28"}  # FU-A
    fragments = dissect(pcap, "h264.nal_unit_type", "h264.start.bit", "h264.end.bit")[1:]
    assert {unit_type for unit_type, _, _ in fragments} == {"5"}  # slices of an IDR
    starts = [i for i, (_, start, _) in enumerate(fragments) if start == "1"]
    ends = [i for i, (_, _, end) in enumerate(fragments) if end == "1"]
    assert len(starts) == 2
    assert ends == [starts[1] - 1, len(fragments) - 1]


def test_tshark_sees_the_header_extensions(tmp_path: Path) -> None:
    example = worked_example()
    names = ("source packet 2", "repair packet 0", "retransmission of source packet 1")
    pcap = tmp_path / "extensions.pcap"
    write_pcap(pcap, [(RTP_PORT, example[name]) for name in names])
    rows = dissect(pcap, "rtp.p_type", "rtp.ext.rfc5285.id", "rtp.ext.rfc5285.data")
    assert rows == [
        ["96", "1,3,2", "060ccc,00000007010001030202,0000000180000000"],
        ["98", "1,3,2", "060ccc,00000007010001030302,0000000180000000"],
        ["97", "1,3,2", "060ccc,00000007010001030102,0000000180000000"],
    ]


def test_tshark_sees_the_rtcp_messages(tmp_path: Path) -> None:
    example = worked_example()
    pcap = tmp_path / "rtcp.pcap"
    names = ("source status", "picture loss and NACK", "congestion feedback", "clock question")
    write_pcap(pcap, [(RTCP_PORT, example[name]) for name in names])
    rows = dissect(pcap, "rtcp.pt", "rtcp.app.name", "rtcp.psfb.fmt", "rtcp.rtpfb.fmt", "rtcp.mediassrc")
    assert rows == [
        ["204", "CLSS", "", "", ""],
        ["206,205", "", "1", "1", "0x11111111,0x11111111"],
        ["205", "", "", "11", "0x11111111"],
        ["204", "CLCQ", "", "", ""],
    ]
    first, following = dissect(pcap, "rtcp.rtpfb.nack_pid", "rtcp.rtpfb.nack_blp")[1]
    assert (first.split(",")[0], following) == ("65535", "0x0001")  # tshark adds the packets of the bitmap to the first
    assert dissect(pcap, "rtcp.length_check") == [["1"]] * len(names)


def test_tshark_tells_the_datagrams_of_a_sealed_link_apart(tmp_path: Path) -> None:
    """The content is sealed, but a capture of a real link shows handshake, media and control."""
    pair = LinkPair(forward={"delay_ns": 5 * MS})
    sealed: list[bytes] = []

    def carries(end: str, datagram: bytes) -> bool:
        sealed.append(datagram)
        return True

    pair.carries = carries
    pair.run(300 * MS)
    pcap = tmp_path / "link.pcap"
    write_pcap(pcap, [(47000, datagram) for datagram in sealed], from_port=47000)
    command = ["tshark", "-n", "-r", str(pcap), "-d", "udp.port==47000,dtls", "-T", "fields", "-e", "frame.protocols"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    kinds = {"dtls": rtp.DatagramKind.DTLS, "rtp": rtp.DatagramKind.RTP, "rtcp": rtp.DatagramKind.RTCP}
    seen = [max(kinds, key=protocols.rfind) for protocols in output.splitlines()]
    assert [kinds[name] for name in seen] == [rtp.datagram_kind(datagram) for datagram in sealed]
    assert set(seen) == set(kinds)
