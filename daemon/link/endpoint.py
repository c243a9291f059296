"""The two ends of the link: transport, clock, video and feedback joined. Pure: datagrams, `now_ns` in; datagrams out.

SenderEndpoint:   access units and source status in;   encoder orders and view status out
ReceiverEndpoint: view status and IDR wishes in;       access units and source status out
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from daemon.link.clock import PeerClock
from daemon.link.congestion import CongestionController
from daemon.link.feedback import REPORT_EVERY_NS, ArrivalLog, SentLog
from daemon.link.message_kinds import MessageKind
from daemon.link.meter import JitterMeter, LossMeter, RateMeter
from daemon.link.pacer import UDP_IP_BYTES
from daemon.link.reliable import ReliableMessages, SmallDelivery
from daemon.link.rtcp import (
    ClockQuestion,
    ClockReply,
    CongestionFeedback,
    Nack,
    PictureLoss,
    RtcpMessage,
    SourceStatus,
    ViewStatus,
    parse_rtcp,
    serialize_rtcp,
)
from daemon.link.rtp import PT_VIDEO, DatagramKind, PacketError, parse_rtp, stamp_send_time
from daemon.link.srtp import SEAL_BYTES
from daemon.link.transport import FOREVER_NS, Address, SecureTransport
from daemon.link.video_receiver import VideoReceiver
from daemon.link.video_sender import VideoSender
from daemon.link.voice_path import VoicePath, wire_bytes
from daemon.link.voice_status import VoiceStatus
from daemon.messages import AccessUnit, EncoderOrder, VoicePacket
from provisioning.identity import Identity

DEFAULT_RTT_NS = 50_000_000
OUTAGE_AFTER_NS = 250_000_000
OUTAGE_SHARE = 0.5  # of the target rate is sent into an outage
ANY_BYTES = 1 << 40
IMAGE_RATE_LIMITS = ((700_000, None), (400_000, 15.0), (200_000, 7.5))  # from this bit rate on: images a second
LOWEST_IMAGE_RATE_HZ = 5.0  # one waits for less than the 250 ms after which the encoder counts as stuck
NACKED_TWICE = 8  # a request for so few packets is made twice at once
ANSWERED_TWICE = 8  # ... and answered twice, also where the path is narrow
MAX_ANSWERS = 12
NACK_BATCH = 128  # sequence numbers in one message
HEADERS_PER_PACKET_BYTES = 100  # RTP with extensions, seal, UDP, IP: see docs/wire-format.md
MIN_ENCODER_BPS = 100_000


class Endpoint:
    """What both ends do: sealing, the clock exchange, and handing opened packets to the subclass."""

    def __init__(self, transport: SecureTransport) -> None:
        self.transport = transport
        self.clock = PeerClock()
        self.voice = VoicePath()
        self.voice_statuses: list[VoiceStatus] = []
        self._ssrc = secrets.randbits(32)  # of our RTCP
        self._peer_ssrc: int | None = None  # of its
        self._address_changes = 0
        self.small = ReliableMessages(epoch=secrets.randbits(32) | 1)
        self.small_deliveries: list[SmallDelivery] = []
        self.malformed = 0

    @property
    def rtt_ns(self) -> int:
        return self.clock.smoothed_rtt_ns or DEFAULT_RTT_NS

    def receive_datagram(self, datagram: bytes, address: Address, now_ns: int) -> None:
        """Anything that came on the port."""
        opened = self.transport.receive(datagram, address, now_ns)
        if opened is None:
            self._receive_small()
            return
        kind, plain = opened
        try:
            if kind is DatagramKind.RTP:
                self._receive_rtp(plain, now_ns)
            else:
                for sender_ssrc, message in parse_rtcp(plain):
                    if sender_ssrc != self._peer_ssrc:
                        self._meet(sender_ssrc)
                    self._receive_rtcp(message, now_ns)
        except PacketError:
            self.malformed += 1

    def send_small(self, kind: int, payload: bytes, now_ns: int) -> bool:
        """Queue a reliable small message; it leaves with the next `poll`. False: refused, and counted."""
        return self.small.send(MessageKind(kind), payload, now_ns)

    def _receive_small(self) -> None:
        records, self.transport.messages = self.transport.messages, []
        for record in records:
            try:
                self.small_deliveries += self.small.receive(record)
            except PacketError:
                self.malformed += 1

    def _meet(self, peer_ssrc: int) -> None:
        """A link process that is new to us, the first or one that began anew, with a clock and packets of its own."""
        self._peer_ssrc = peer_ssrc
        self.clock = PeerClock()

    def send_voice(self, voice: VoicePacket, now_ns: int) -> None:
        """At once: voice waits for nothing."""
        packet, sequence_number = self.voice.packet(voice, now_ns)
        if self.transport.send_rtp(packet):
            self.voice.note_sent(wire_bytes(packet), now_ns)
            self._note_voice_sent(sequence_number, wire_bytes(packet), now_ns)

    def _note_voice_sent(self, sequence_number: int, size_bytes: int, now_ns: int) -> None:
        """For an end that also sends pictures."""

    def send_voice_status(self, status: VoiceStatus) -> None:
        self._send_rtcp([status])

    def _receive_rtp(self, plain: bytes, now_ns: int) -> None:
        if not self.voice.take(parse_rtp(plain), now_ns):
            self.malformed += 1

    def _receive_rtcp(self, message: RtcpMessage, now_ns: int) -> None:
        match message:
            case ClockQuestion():
                self._send_rtcp([ClockReply(message.id, message.t1_ns, now_ns, now_ns)])
            case ClockReply():
                if self.clock.note_reply(message.id, message.t1_ns, message.t2_ns, message.t3_ns, now_ns):
                    self.transport.confirm_address()
            case VoiceStatus():
                self.voice_statuses.append(message)

    def _send_rtcp(self, messages: Iterable[RtcpMessage]) -> bool:
        return self.transport.send_rtcp(serialize_rtcp(self._ssrc, messages))

    def poll(self, now_ns: int) -> None:
        """Run what is due."""
        self.transport.poll(now_ns)
        changed = self.transport.address_changes != self._address_changes
        self._address_changes = self.transport.address_changes
        if self.transport.is_established and (changed or self.clock.question_due(now_ns)):
            identifier, t1_ns = self.clock.ask(now_ns)
            self._send_rtcp([ClockQuestion(identifier, t1_ns)])
        if self.transport.is_established:
            for record in self.small.records_to_send(now_ns, self.rtt_ns):
                self.transport.send_message(record)
        else:
            self.small.drop_expired(now_ns)

    def next_timer_ns(self, now_ns: int) -> int:
        timers_ns = [self.transport.next_timer_ns(now_ns)]
        if self.transport.is_established:
            timers_ns += [self.clock.next_timer_ns(), self.small.next_timer_ns()]
        return min(timers_ns)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        datagrams, self.transport.outbox = self.transport.outbox, []
        return datagrams


class SenderEndpoint(Endpoint):
    """The sender appliance's end (the DTLS client)."""

    def __init__(self, transport: SecureTransport, controller: CongestionController) -> None:
        super().__init__(transport)
        self.controller = controller
        self.video = VideoSender()
        self._ssrc = self.video.ssrc
        self._sent = SentLog()
        self._feedback_ns = 0
        self._rate = RateMeter()
        self._idr_wanted = False
        self._order: EncoderOrder | None = None
        self.views: list[ViewStatus] = []

    def send_unit(self, unit: AccessUnit, now_ns: int) -> None:
        """Packetize and queue an access unit."""
        controller = self.controller
        sent = self.transport.is_established and self.video.send_unit(
            unit,
            now_ns,
            loss_rate=controller.loss_rate,
            burst_packets=controller.mean_burst_packets,
            rtt_ns=self.rtt_ns,
            target_bps=controller.target_bps,
        )
        if not sent:
            self._idr_wanted = self.transport.is_established

    def _note_voice_sent(self, sequence_number: int, size_bytes: int, now_ns: int) -> None:
        self.video.pacer.yield_to(size_bytes, now_ns, self.controller.pacing_bps)
        self._sent.note_sent(self.voice.ssrc, sequence_number, size_bytes, now_ns)

    def send_source_status(self, status: SourceStatus) -> None:
        self._send_rtcp([status])

    def _meet(self, peer_ssrc: int) -> None:
        super()._meet(peer_ssrc)
        self._sent = SentLog()
        self.controller.forget_delays()

    def _receive_rtcp(self, message: RtcpMessage, now_ns: int) -> None:
        match message:
            case CongestionFeedback():
                self._feedback_ns = now_ns
                if self._is_unanswered(now_ns):
                    self._idr_wanted = True  # the outage is over, and took what the next pictures refer to
                    self.video.pacer.clear()
                resolved = self._sent.resolve(message, now_ns)
                self.controller.on_results(resolved.results, now_ns, rtt_ns=resolved.rtt_ns)
            case Nack() if message.media_ssrc == self.video.ssrc and message.sequence_numbers:
                wanted = message.sequence_numbers
                self.video.retransmit(wanted, now_ns, rtt_ns=self.rtt_ns, copies=self._answer_copies(len(wanted)))
            case PictureLoss() if message.media_ssrc in (self.video.ssrc, 0):
                self._idr_wanted |= self.video.note_picture_loss(now_ns, self.rtt_ns)
            case ViewStatus():
                self.views.append(message)
            case _:
                super()._receive_rtcp(message, now_ns)

    def poll(self, now_ns: int) -> None:
        super().poll(now_ns)
        if not self.transport.is_established:
            self.video.pacer.clear()
            return
        allowed = ANY_BYTES
        if not self._is_unanswered(now_ns):
            allowed = max(0, self._in_flight_cap_bytes(now_ns) - self._sent.in_flight_bytes(now_ns))
        for packet in self.video.pacer.release(now_ns, self.controller.pacing_bps, allowed):
            stamp_send_time(packet.data, now_ns)
            if self.transport.send_rtp(bytes(packet.data)):
                self._rate.add(packet.wire_bytes)
                self._sent.note_sent(packet.ssrc, packet.sequence_number, packet.wire_bytes, now_ns)

    def _answer_copies(self, packets: int) -> int:
        """As many as outlast twice the mean burst, but where the path is narrow; a lost answer costs a round trip."""
        if self.controller.capacity_bps is not None:
            return 2 if packets <= ANSWERED_TWICE else 1
        return min(MAX_ANSWERS, max(2, ceil(1 + 2 * self.controller.mean_burst_packets / packets)))

    def _in_flight_cap_bytes(self, now_ns: int) -> int:
        """While reports are missing, what they would have told of does not count: their way is lossy too."""
        silence_ns = max(0, now_ns - self._feedback_ns - REPORT_EVERY_NS)
        return self.controller.in_flight_cap_bytes + self.controller.target_bps * silence_ns // 8_000_000_000

    def _is_unanswered(self, now_ns: int) -> bool:
        """An outage: what is sent now is lost, but for the first packets after it, which end it soonest."""
        since_ns = self._sent.unanswered_since_ns()
        return since_ns is not None and now_ns - since_ns > OUTAGE_AFTER_NS

    def next_timer_ns(self, now_ns: int) -> int:
        paced = self.video.pacer.next_timer_ns()
        return min(super().next_timer_ns(now_ns), FOREVER_NS if paced is None else max(paced, now_ns + 500_000))

    def take_order(self, now_ns: int) -> EncoderOrder | None:
        """The new order to the encoder, or None while the last one stands."""
        wants_idr = self._idr_wanted or self.video.wants_idr
        bitrate_bps = self._encoder_bps(now_ns)
        order = EncoderOrder(bitrate_bps, _image_rate_limit_hz(bitrate_bps), wants_idr)
        self._idr_wanted = False
        if order == self._order and not wants_idr:
            return None
        self._order = order
        return order

    def _encoder_bps(self, now_ns: int) -> int:
        """What is left of the target for the encoder, after voice, repair symbols and headers."""
        video = self.video
        share = OUTAGE_SHARE if self._is_unanswered(now_ns) else 1.0
        if video.source_packets:
            share *= video.source_packets / (video.source_packets + video.repair_packets)
        payload = 1 - HEADERS_PER_PACKET_BYTES / 1260
        target_bps = max(0, self.controller.target_bps - self.voice.rate_bps(now_ns))
        return max(MIN_ENCODER_BPS, int(target_bps * share * payload) // 10_000 * 10_000)

    def figures(self, now_ns: int) -> dict[str, float]:
        """Path statistics for the supervisor; the unit is in the name."""
        video = self.video
        return {
            "target_kbps": self.controller.target_bps / 1e3,
            "pacing_kbps": self.controller.pacing_bps / 1e3,
            "sent_kbps": self._rate.read_kbps(now_ns),
            "queue_ms": self.controller.queue_ns / 1e6,
            "loss_percent": 100 * self.controller.loss_rate,
            "burst_packets": self.controller.mean_burst_packets,
            "units": float(video.units),
            "units_dropped": float(video.units_dropped),
            "source_packets": float(video.source_packets),
            "repair_packets": float(video.repair_packets),
            "rtx_packets": float(video.rtx_packets),
            "queue_peak_bytes": float(video.pacer.peak_bytes),
        }


def _image_rate_limit_hz(bitrate_bps: int) -> float | None:
    """Fewer images rather than images that show nothing: the last thing to give up on a narrow path."""
    for least_bps, limit_hz in IMAGE_RATE_LIMITS:
        if bitrate_bps >= least_bps:
            return limit_hz
    return LOWEST_IMAGE_RATE_HZ


@dataclass(frozen=True, slots=True)
class HeardSource:
    """A source status and the stream it came with."""

    status: SourceStatus
    stream: int


class ReceiverEndpoint(Endpoint):
    """The receiver appliance's end (the DTLS server)."""

    def __init__(self, transport: SecureTransport) -> None:
        super().__init__(transport)
        self.video = VideoReceiver()
        self.stream = 0  # the SSRC of the sender's video, and of its RTCP
        self._arrivals = ArrivalLog()
        self._rate = RateMeter()
        self._unit_loss = LossMeter()
        self._jitter = JitterMeter()
        self._idr_wanted = False
        self._next_decoder_pli_ns = 0
        self.sources: list[HeardSource] = []

    def _receive_rtp(self, plain: bytes, now_ns: int) -> None:
        packet = parse_rtp(plain)
        if packet.payload_type == PT_VIDEO and packet.ssrc != self.stream:
            self._meet(packet.ssrc)
        self._arrivals.note(packet.ssrc, packet.sequence_number, now_ns)
        self._rate.add(len(plain) + SEAL_BYTES + UDP_IP_BYTES)
        if packet.send_time is not None:
            self._jitter.note(packet.send_time, now_ns)
        if not self.voice.take(packet, now_ns):
            self.video.receive(packet, now_ns)

    def _meet(self, peer_ssrc: int) -> None:
        super()._meet(peer_ssrc)
        self.stream = peer_ssrc
        self.video = VideoReceiver()
        self._arrivals = ArrivalLog()

    def _receive_rtcp(self, message: RtcpMessage, now_ns: int) -> None:
        if isinstance(message, SourceStatus):
            self.sources.append(HeardSource(message, self.stream))
        else:
            super()._receive_rtcp(message, now_ns)

    def send_view_status(self, status: ViewStatus) -> None:
        self._send_rtcp([status])

    def want_idr(self) -> None:
        """The decoder lost its references."""
        self._idr_wanted = True

    def poll(self, now_ns: int) -> None:
        super().poll(now_ns)
        if not self.transport.is_established:
            return
        nacks, wants_idr = self.video.poll(now_ns, self.rtt_ns)
        messages: list[RtcpMessage] = [
            Nack(self.stream, nacks[at : at + NACK_BATCH]) for at in range(0, len(nacks), NACK_BATCH)
        ]
        if len(nacks) <= NACKED_TWICE:
            messages *= 2
        if self._idr_wanted and now_ns >= self._next_decoder_pli_ns:
            wants_idr = True
            self._idr_wanted = False
            self._next_decoder_pli_ns = now_ns + self.rtt_ns + 60_000_000
        if wants_idr:
            messages.append(PictureLoss(self.stream))
        due_ns = self._arrivals.next_timer_ns()
        if due_ns is not None and now_ns >= due_ns:
            messages += self._arrivals.reports(now_ns)
        for message in messages:
            self._send_rtcp([message])

    def next_timer_ns(self, now_ns: int) -> int:
        timers = [super().next_timer_ns(now_ns), self._arrivals.next_timer_ns(), self.video.next_timer_ns(now_ns)]
        return min(timer for timer in timers if timer is not None)

    def figures(self, now_ns: int) -> dict[str, float]:
        """Path statistics for the supervisor; the unit is in the name."""
        video = self.video
        return {
            "received_kbps": self._rate.read_kbps(now_ns),
            "jitter_ms": self._jitter.jitter_ns / 1e6,
            "units": float(video.units_delivered),
            "units_lost": float(video.units_lost),
            "residual_loss_percent": self._unit_loss.read_percent(video.units_lost, video.units_delivered),
            "units_repaired": float(video.units_repaired),
            "packets_late": float(video.packets_late),
            "packets_malformed": float(video.packets_malformed),
            "nacked_packets": float(video.nacked_packets),
            "plis": float(video.plis),
        }


def sender_endpoint(
    identity: Identity,
    peer_name: str,
    peer_address: Address,
    controller: CongestionController,
    *,
    rekey_after_ns: int,
    now_ns: int,
) -> SenderEndpoint:
    transport = SecureTransport(
        identity, peer_name, peer_address=peer_address, rekey_after_ns=rekey_after_ns, now_ns=now_ns
    )
    return SenderEndpoint(transport, controller)


def receiver_endpoint(identity: Identity, peer_name: str, *, now_ns: int) -> ReceiverEndpoint:
    transport = SecureTransport(identity, peer_name, peer_address=None, rekey_after_ns=FOREVER_NS, now_ns=now_ns)
    return ReceiverEndpoint(transport)
