"""Both ends of the link joined without a network: real endpoints, sealed, over two scripted paths, on a clock of ours.

    pair = LinkPair(seed=1, forward={"delay_ns": 10 * MS, "loss": 0.01}, backward={"delay_ns": 10 * MS})
    pair.run(10 * S)
    pair.check()

Each end is polled as the link process does it: when a datagram comes, when its timer is due, when an image is there.
The sender's clock is the simulation's; the receiver's has another origin and runs `drift_ppm` faster. The encoder is
a stub that obeys the link's orders in size, rate and IDR.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.link.congestion import CongestionController
from daemon.link.endpoint import Endpoint, ReceiverEndpoint, SenderEndpoint, receiver_endpoint, sender_endpoint
from daemon.link.rtcp import SourceStatus, ViewStatus
from daemon.link.transport import FOREVER_NS, Address
from daemon.link.video_receiver import MAX_ASSEMBLIES, MAX_DEADLINE_NS, MAX_SPAN, Delivery
from daemon.messages import AccessUnit, EncoderOrder
from provisioning.authority import Authority
from tests.link.path_model import MS, UDP_OVERHEAD_BYTES, Channel, Path, S

SENDER, RECEIVER = "sender.test.cathlink", "receiver.test.cathlink"
AUTHORITY = Authority.make("authority of the simulation")
SENDER_IDENTITY, RECEIVER_IDENTITY = AUTHORITY.issue(SENDER), AUTHORITY.issue(RECEIVER)
SENDER_ADDRESS, RECEIVER_ADDRESS = ("192.0.2.7", 40001), ("198.51.100.9", 47000)
START_NS = 100 * S
RECEIVER_ORIGIN_NS = 7_000 * S  # its clock at START_NS
NEW_IMAGE = random.Random(0).randbytes(1 << 19).translate(bytes(range(128, 256)) * 2)  # no start codes

Datagram = tuple[bytes, Address]  # at the sender's side: where it comes from, or goes to


@dataclass
class Arrival:
    """What the receiver handed over, in simulation time and on its own clock."""

    at_ns: int
    local_ns: int
    stream: int
    delivery: Delivery
    latency_ns: int | None  # as the receiver reckons it, by its estimate of the sender's clock


@dataclass
class Encoder:
    """Byte strings instead of pictures: what the link orders, or `unit_bytes` each."""

    image_rate_hz: float
    unit_bytes: int | None
    draw: random.Random
    bitrate_bps: int
    frame_id: int = 1000
    next_ns: int = START_NS
    limit_hz: float | None = None
    wants_idr: bool = True
    is_running: bool = True

    def obey(self, order: EncoderOrder) -> None:
        self.bitrate_bps, self.limit_hz = order.bitrate_bps, order.image_rate_hz
        self.wants_idr |= order.wants_idr

    def encode(self, now_ns: int) -> AccessUnit:
        rate_hz = min(self.image_rate_hz, self.limit_hz or self.image_rate_hz)
        self.next_ns = max(now_ns, self.next_ns) + int(S / rate_hz)
        is_idr, self.wants_idr = self.wants_idr, False
        mean_bytes = self.unit_bytes or self.bitrate_bps / 8 / rate_hz
        size = max(20, int(mean_bytes * self.draw.uniform(0.8, 1.2) * (1.5 if is_idr else 1)))
        at = self.draw.randrange(len(NEW_IMAGE) // 2)
        self.frame_id += 1
        data = (b"\0\0\0\1\x65" if is_idr else b"\0\0\0\1\x41") + NEW_IMAGE[at : at + size]
        return AccessUnit(self.frame_id, now_ns, is_idr, data)


@dataclass
class Drifting:
    """A clock against the simulation's."""

    origin_ns: int = START_NS
    ppm: float = 0.0

    def local_ns(self, now_ns: int) -> int:
        elapsed_ns = now_ns - START_NS
        return self.origin_ns + elapsed_ns + round(elapsed_ns * self.ppm / 1e6)

    def simulation_ns(self, local_ns: int) -> int:
        """The first time at which this clock shows `local_ns` or more, to a microsecond."""
        elapsed_ns = local_ns - self.origin_ns
        return START_NS + elapsed_ns - round(elapsed_ns * self.ppm / (1e6 + self.ppm)) + 1000


@dataclass
class Watched:
    """An end with its clock and the time at which it wants to be polled."""

    endpoint: Endpoint
    clock: Drifting = field(default_factory=Drifting)
    wake_ns: int = START_NS

    def poll(self, now_ns: int) -> list[Datagram]:
        local_ns = self.clock.local_ns(now_ns)
        self.endpoint.poll(local_ns)
        timer_ns = self.endpoint.next_timer_ns(local_ns)
        self.wake_ns = FOREVER_NS if timer_ns >= FOREVER_NS else max(now_ns + 1000, self.clock.simulation_ns(timer_ns))
        return self.endpoint.datagrams_to_send()


class LinkPair:
    """`forward` and `backward`: conditions of path_model; `backward` defaults to those of `forward`."""

    def __init__(
        self,
        *,
        seed: int = 1,
        forward: Mapping[str, Any] | None = None,
        backward: Mapping[str, Any] | None = None,
        drift_ppm: float = 0.0,
        bitrate_bps: int = 6_000_000,
        image_rate_hz: float = 30.0,
        unit_bytes: int | None = None,
        heartbeat_ns: int = 25 * MS,
        rekey_after_ns: int = FOREVER_NS,
    ) -> None:
        forward = forward or {}
        self.forward: Channel[Datagram] = Channel(Path(seed, **forward))
        self.backward: Channel[Datagram] = Channel(Path(seed + 7919, **(forward if backward is None else backward)))
        self.now_ns = START_NS
        self._bitrate_bps, self._rekey_after_ns = bitrate_bps, rekey_after_ns
        self._drift_ppm, self._heartbeat_ns = drift_ppm, heartbeat_ns
        self._next_heartbeat_ns = START_NS
        self._heartbeats = 0
        self._receiver_origin_ns = RECEIVER_ORIGIN_NS
        self.encoder = Encoder(image_rate_hz, unit_bytes, random.Random(seed), bitrate_bps)
        self.sender_address = SENDER_ADDRESS  # as the receiver sees it
        self.carries: Callable[[str, bytes], bool] = lambda end, datagram: True  # False: this one is lost
        self.sent: dict[int, AccessUnit] = {}
        self.arrivals: list[Arrival] = []
        self.strays: list[Datagram] = []  # what the receiver sent to anybody but the sender
        self.views = 0
        self.restart_sender()
        self.restart_receiver()

    # --- the ends ---

    def restart_sender(self) -> None:
        """Power-cycled: it knows nothing of before."""
        self._sender = Watched(
            sender_endpoint(
                SENDER_IDENTITY,
                RECEIVER,
                RECEIVER_ADDRESS,
                CongestionController(self._bitrate_bps),
                rekey_after_ns=self._rekey_after_ns,
                now_ns=self.now_ns,
            ),
            wake_ns=self.now_ns,
        )
        self.encoder.wants_idr = True

    def restart_receiver(self, clock_jump_ns: int = 0) -> None:
        """Power-cycled: it knows nothing of before, and its clock may begin anew."""
        self._receiver_origin_ns += clock_jump_ns
        clock = Drifting(self._receiver_origin_ns, self._drift_ppm)
        local_ns = clock.local_ns(self.now_ns)
        self._receiver = Watched(receiver_endpoint(RECEIVER_IDENTITY, SENDER, now_ns=local_ns), clock, self.now_ns)

    @property
    def sender(self) -> SenderEndpoint:
        assert isinstance(self._sender.endpoint, SenderEndpoint)
        return self._sender.endpoint

    @property
    def receiver(self) -> ReceiverEndpoint:
        assert isinstance(self._receiver.endpoint, ReceiverEndpoint)
        return self._receiver.endpoint

    @property
    def receiver_ns(self) -> int:
        """Its clock, now."""
        return self._receiver.clock.local_ns(self.now_ns)

    # --- time ---

    def run(self, for_ns: int) -> None:
        end_ns = self.now_ns + for_ns
        while (due_ns := self._next_ns()) < end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self._step()
        self.now_ns = end_ns

    def run_until(self, is_so: Callable[[], bool], limit_ns: int) -> None:
        """Until `is_so`; an AssertionError after `limit_ns`."""
        end_ns = self.now_ns + limit_ns
        while not is_so():
            assert self.now_ns < end_ns, "it did not come to that"
            self.run(MS)

    def _next_ns(self) -> int:
        due = [self._sender.wake_ns, self._receiver.wake_ns, self._next_heartbeat_ns]
        due += [at_ns for at_ns in (self.forward.next_ns(), self.backward.next_ns()) if at_ns is not None]
        if self.encoder.is_running:
            due.append(self.encoder.next_ns)
        return min(due)

    def _step(self) -> None:
        now_ns = self.now_ns
        for _, (datagram, address) in self.forward.receive(now_ns):
            self.receiver.receive_datagram(datagram, address, self.receiver_ns)
            self._receiver.wake_ns = now_ns
        for _, (datagram, _) in self.backward.receive(now_ns):
            self.sender.receive_datagram(datagram, RECEIVER_ADDRESS, now_ns)
            self._sender.wake_ns = now_ns
        if self.encoder.is_running and self.encoder.next_ns <= now_ns:
            self._encode()
        if self._next_heartbeat_ns <= now_ns:
            self._say_alive()
        if self._sender.wake_ns <= now_ns:
            self.poll_sender()
        if self._receiver.wake_ns <= now_ns:
            self.poll_receiver()

    def poll_sender(self) -> None:
        for datagram, _ in self._sender.poll(self.now_ns):
            self.transmit("sender", datagram, self.sender_address)
        order = self.sender.take_order(self.now_ns)
        if order is not None:
            self.encoder.obey(order)
        self.views += len(self.sender.views)
        self.sender.views.clear()

    def poll_receiver(self) -> None:
        for datagram, address in self._receiver.poll(self.now_ns):
            self.transmit("receiver", datagram, address)
        self.receiver.sources.clear()
        local_ns = self.receiver_ns
        offset_ns = self.receiver.clock.offset_ns(local_ns)
        for delivery in self.receiver.video.deliveries:
            latency_ns = None if offset_ns is None else local_ns - (delivery.capture_ns - offset_ns)
            self.arrivals.append(Arrival(self.now_ns, local_ns, self.receiver.stream, delivery, latency_ns))
        self.receiver.video.deliveries.clear()
        self.check_bounds()

    def transmit(self, end: str, datagram: bytes, address: Address) -> None:
        """`address`: the sender's, as the network has it."""
        if not self.carries(end, datagram):
            return
        if end == "receiver" and address != self.sender_address:
            self.strays.append((datagram, address))
            return
        channel = self.forward if end == "sender" else self.backward
        channel.send((datagram, address), len(datagram) + UDP_OVERHEAD_BYTES, self.now_ns)

    def _encode(self) -> None:
        unit = self.encoder.encode(self.now_ns)
        self.sent[unit.frame_id] = unit
        self.sender.send_unit(unit, self.now_ns)
        self._sender.wake_ns = self.now_ns

    def _say_alive(self) -> None:
        self._heartbeats += 1
        self._next_heartbeat_ns = self.now_ns + self._heartbeat_ns
        frame_id = self.encoder.frame_id
        self.sender.send_source_status(
            SourceStatus(
                self._heartbeats, self.now_ns, 1, False, frame_id, self.now_ns, self.now_ns, 33_333, 1024, 1024
            )
        )
        self.receiver.send_view_status(ViewStatus(self._heartbeats, self.receiver_ns, 1, frame_id, 0, 50, 10))
        self._sender.wake_ns = self._receiver.wake_ns = self.now_ns

    # --- what must be true ---

    def check_bounds(self) -> None:
        video, sender = self.receiver.video, self.sender
        assert len(video._assemblies) <= MAX_ASSEMBLIES
        assert len(video._received) <= MAX_SPAN + 1
        assert sum(len(arrivals._times) for arrivals in self.receiver._arrivals._streams.values()) <= 8 * 2049
        assert len(sender._sent._open) <= 16384
        assert len(sender._sent._late) <= 1024
        assert len(sender.video._history) <= 2048
        assert len(self.receiver.transport._handshakes) <= 8
        assert sender.video.pacer.queued_bytes <= 2_000_000

    def check(self, *, slack_ns: int = 0) -> None:
        """Once, in order, intact, decodable, in time; what is not delivered is reported lost.

        `slack_ns`: how much the path itself may hold a packet back.
        """
        last: Arrival | None = None
        gaps = 0
        for arrival in self.arrivals:
            delivery = arrival.delivery
            unit = self.sent[delivery.frame_id]
            assert (delivery.data, delivery.capture_ns) == (unit.data, unit.capture_ns)
            assert arrival.at_ns - unit.capture_ns <= MAX_DEADLINE_NS + slack_ns + 2 * S / self.encoder.image_rate_hz
            if last is not None and last.stream == arrival.stream:
                step = delivery.frame_id - last.delivery.frame_id
                assert step > 0
                assert step == 1 or delivery.is_idr
                gaps += step - 1
            else:
                assert delivery.is_idr
                gaps = 0
            last = arrival
        assert self.receiver.video.units_lost == gaps

    def latencies_ms(self, since_ns: int = 0, until_ns: int = FOREVER_NS) -> list[float]:
        """From capture to delivery, sorted."""
        chosen = [arrival for arrival in self.arrivals if since_ns <= arrival.at_ns < until_ns]
        return sorted((arrival.at_ns - arrival.delivery.capture_ns) / MS for arrival in chosen)
