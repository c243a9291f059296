"""The link process: one loop over the socket, the pipes to the video and voice processes, and the endpoint's timers.

One thread on purpose (docs/decisions/0001-link-is-one-loop.md): a second Python thread would make packets wait for the
interpreter lock.
"""

import logging
import select
import time
from pathlib import Path

import msgspec

from daemon.channel import Channel
from daemon.config import Config, Role, split_address
from daemon.link import fec
from daemon.link.congestion import CongestionController
from daemon.link.endpoint import Endpoint, ReceiverEndpoint, SenderEndpoint, receiver_endpoint, sender_endpoint
from daemon.link.message_kinds import Reader, reader_of
from daemon.link.socket import UdpSocket, resolve
from daemon.link.voice_pipe import VoicePipe
from daemon.memory import release_start_memory
from daemon.messages import (
    AccessUnit,
    DeliveredUnit,
    LinkReport,
    SmallMessage,
    SourceReport,
    Statistics,
    ToLink,
    ViewReport,
)
from daemon.picture.present import truth_report
from daemon.picture.remote import RemoteTruth
from daemon.picture.truth import Truth, view_status
from daemon.queues import BoundedQueue
from daemon.states import PictureState, SourceState
from daemon.worker import Supervision
from hw.serial.ports import XrayState
from provisioning.identity import Identity

logger = logging.getLogger(__name__)

LONGEST_WAIT_NS = 25_000_000
SMALL_WAITING = 64
REPORT_EVERY_NS = 25_000_000
STATISTICS_EVERY_NS = 1_000_000_000
VIDEO_SILENCE_LIMIT_NS = 150_000_000
NANOSECONDS = 1_000_000_000


def run_link(
    config: Config, supervision: Supervision, video: Channel[ToLink], voice: Channel[ToLink] | None = None
) -> None:
    """The link process of either end; returns when it is told to stop. Raises CathlinkError for a wrong config."""
    fec.warm_beside(then=release_start_memory)
    identity = Identity.load(
        Path(config.identity.certificate), Path(config.identity.key), Path(config.identity.authority)
    )
    link: _SenderLink | _ReceiverLink
    if config.role is Role.SENDER:
        link = _SenderLink(config, identity, supervision, video)
    else:
        link = _ReceiverLink(config, identity, supervision, video)
    if voice is not None:
        link.voice = VoicePipe(voice, link.endpoint, video)
    link.run()


class _Link:
    """The loop that both ends share."""

    endpoint: Endpoint
    socket: UdpSocket

    def __init__(self, supervision: Supervision, video: Channel[ToLink]) -> None:
        self._supervision = supervision
        self._small_from_supervisor: BoundedQueue[SmallMessage] = BoundedQueue(SMALL_WAITING)
        self._video = video
        self.voice: VoicePipe | None = None
        self._next_report_ns = 0
        self._next_statistics_ns = 0  # the first at once: it tells the supervisor that this process has come up
        self._video_heard_ns = 0
        self._cpu_ns = time.process_time_ns()

    def run(self) -> None:
        self._supervision.listen(on_stop=lambda: None, on_small=self._small_from_supervisor.put)
        waiting: list[UdpSocket | Channel[ToLink]] = [self.socket, self._video]
        if self.voice is not None:
            waiting.append(self.voice.channel)
        while not self._supervision.stopping.is_set():
            now_ns = time.monotonic_ns()
            timer_ns = min(self.endpoint.next_timer_ns(now_ns), self._next_report_ns, now_ns + LONGEST_WAIT_NS)
            ready, _, _ = select.select(waiting, [], [], max(0, timer_ns - now_ns) / NANOSECONDS)
            if self.socket in ready:
                for datagram, address in self.socket.receive():
                    self.endpoint.receive_datagram(datagram, address, time.monotonic_ns())
            if self.voice is not None and self.voice.channel in ready:
                self.voice.take_messages()  # before the video's: nothing may make it wait
                self._send()
            if self._video in ready:
                while (message := self._video.receive(timeout_s=0)) is not None:
                    self._video_heard_ns = time.monotonic_ns()
                    self._take(message)
            while (small := self._small_from_supervisor.take(timeout_s=0)) is not None:
                self._take(small)
            now_ns = time.monotonic_ns()
            self.endpoint.poll(now_ns)
            self._send()
            self.hand_over(now_ns)
            self._hand_over_small()
            if self.voice is not None:
                self.voice.hand_over()
            if now_ns >= self._next_report_ns:
                self._next_report_ns = now_ns + REPORT_EVERY_NS
                self.report(now_ns)
                if self.voice is not None:
                    self.voice.report()
                self._send()
            if now_ns >= self._next_statistics_ns:
                self._next_statistics_ns = now_ns + STATISTICS_EVERY_NS
                self._supervision.report(Statistics("link", {**self._common_figures(), **self.figures(now_ns)}))
        self.endpoint.transport.close()
        self._send()
        self.socket.close()

    def _take(self, message: ToLink) -> None:
        if isinstance(message, SmallMessage):
            self.endpoint.send_small(message.kind, message.payload, time.monotonic_ns())
        else:
            self.take_message(message)

    def _hand_over_small(self) -> None:
        """To the process that reads the kind. One that this build does not know has no reader."""
        deliveries, self.endpoint.small_deliveries = self.endpoint.small_deliveries, []
        for delivery in deliveries:
            message = SmallMessage(delivery.kind, delivery.payload)
            match reader_of(delivery.kind):
                case Reader.VIDEO:
                    self._video.send(message)
                case Reader.SUPERVISOR:
                    self._supervision.report(message)

    def _send(self) -> None:
        for datagram, address in self.endpoint.datagrams_to_send():
            self.socket.send(datagram, address)

    def _common_figures(self) -> dict[str, float]:
        cpu_ns, self._cpu_ns = self._cpu_ns, time.process_time_ns()
        clock, transport = self.endpoint.clock, self.endpoint.transport
        return {
            "rtt_ms": (clock.smoothed_rtt_ns or 0) / 1e6,
            "sessions": float(transport.sessions),
            "address_changes": float(transport.address_changes),
            "not_authentic": float(transport.not_authentic),
            "malformed": float(self.endpoint.malformed),
            **self.endpoint.small.figures(),
            "unsent": float(self.socket.unsent),
            "video_pipe_drops": float(self._video.drops),
            "cpu_percent": (self._cpu_ns - cpu_ns) / 1e7,
            **(self.voice.figures() if self.voice is not None else {}),
        }

    def video_is_silent(self, now_ns: int) -> bool:
        return now_ns - self._video_heard_ns > VIDEO_SILENCE_LIMIT_NS

    def take_message(self, message: ToLink) -> None:
        raise NotImplementedError

    def hand_over(self, now_ns: int) -> None:
        """What the endpoint has for the video process."""
        raise NotImplementedError

    def report(self, now_ns: int) -> None:
        """The truth at this end, every REPORT_EVERY_NS."""
        raise NotImplementedError

    def figures(self, now_ns: int) -> dict[str, float]:
        raise NotImplementedError


class _SenderLink(_Link):
    endpoint: SenderEndpoint

    def __init__(self, config: Config, identity: Identity, supervision: Supervision, video: Channel[ToLink]) -> None:
        super().__init__(supervision, video)
        family, address = resolve(*split_address(config.link.peer, "link.peer"), "link.peer")
        self.socket = UdpSocket(None, family)
        self.endpoint = sender_endpoint(
            identity,
            config.link.peer_name,
            address,
            CongestionController(config.encoder.bitrate_bps),
            rekey_after_ns=config.link.rekey_after_s * NANOSECONDS,
            now_ns=time.monotonic_ns(),
        )
        self._remote = RemoteTruth()
        self._silent_source: SourceReport | None = None
        self._view_state: int | None = None

    def take_message(self, message: ToLink) -> None:
        match message:
            case AccessUnit():
                self.endpoint.send_unit(message, time.monotonic_ns())
            case SourceReport():
                self._note_source(message)

    def _note_source(self, report: SourceReport) -> None:
        self._silent_source = report
        self._remote.note_source(report.status)
        self.endpoint.send_source_status(report.status)

    def hand_over(self, now_ns: int) -> None:
        order = self.endpoint.take_order(now_ns)
        if order is not None:
            self._video.send(order)
        for view in self.endpoint.views:
            self._remote.note_view(view, now_ns)
            if view.state != self._view_state:
                self._view_state = view.state
                self._next_report_ns = now_ns  # the operator sees a change as soon as it is known
        self.endpoint.views.clear()

    def report(self, now_ns: int) -> None:
        transport = self.endpoint.transport
        if self._silent_source is not None and self.video_is_silent(now_ns):
            self._say_silent(self._silent_source, now_ns)
        self._remote.note_link(transport.last_authenticated_ns, transport.cause)
        truth = truth_report(self._remote.assess(now_ns), now_ns)
        self._supervision.report(truth)
        self._video.send(truth)

    def _say_silent(self, last: SourceReport, now_ns: int) -> None:
        """The video process does not speak for its source: the link must not leave its last word standing."""
        status = msgspec.structs.replace(
            last.status,
            sequence=(last.status.sequence + 1) & 0xFFFF_FFFF,
            sent_ns=now_ns,
            state=SourceState.CAPTURE_LOST,
            xray=min(last.status.xray, XrayState.UNKNOWN),
            cause="the sender's video process does not answer",
        )
        self._note_source(SourceReport(status))

    def figures(self, now_ns: int) -> dict[str, float]:
        return self.endpoint.figures(now_ns)


class _ReceiverLink(_Link):
    endpoint: ReceiverEndpoint

    def __init__(self, config: Config, identity: Identity, supervision: Supervision, video: Channel[ToLink]) -> None:
        super().__init__(supervision, video)
        family, address = resolve(*split_address(config.link.listen, "link.listen"), "link.listen")
        self.socket = UdpSocket(address, family)
        self.endpoint = receiver_endpoint(identity, config.link.peer_name, now_ns=time.monotonic_ns())
        self._view_sequence = 0

    def take_message(self, message: ToLink) -> None:
        if isinstance(message, ViewReport):
            self._view_sequence = message.status.sequence
            self.endpoint.send_view_status(message.status)
            if message.wants_idr:
                self.endpoint.want_idr()

    def hand_over(self, now_ns: int) -> None:
        for delivery in self.endpoint.video.deliveries:
            unit = DeliveredUnit(
                self.endpoint.stream,
                delivery.frame_id,
                delivery.capture_ns,
                now_ns,
                delivery.is_idr,
                delivery.data,
            )
            if not self._video.send(unit):
                self.endpoint.want_idr()
        self.endpoint.video.deliveries.clear()
        for source in self.endpoint.sources:
            self._video.send(SourceReport(source.status, source.stream))
        self.endpoint.sources.clear()

    def report(self, now_ns: int) -> None:
        transport, clock = self.endpoint.transport, self.endpoint.clock
        self._video.send(
            LinkReport(
                self.endpoint.stream,
                transport.last_authenticated_ns,
                clock.offset_ns(now_ns),
                clock.bound_ns,
                transport.cause,
            )
        )
        if self.video_is_silent(now_ns):
            self._view_sequence = (self._view_sequence + 1) & 0xFFFF_FFFF
            silent = Truth(
                PictureState.DECODER_STALLED, "the receiver's video process does not answer", 0, None, None, None
            )
            self.endpoint.send_view_status(view_status(silent, self._view_sequence, now_ns))

    def figures(self, now_ns: int) -> dict[str, float]:
        return self.endpoint.figures(now_ns)
