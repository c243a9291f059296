"""How much the path carries, and how it loses: the encoder's rate, the pace, and the losses that FEC has to cover.

Delay decides, loss does not. Two signals, both from RFC 8888 feedback and both on differences of one-way delay, so
that no common clock is needed: the standing queue (the least delay of recent packets above the least of the last
seconds) and the dispersion of packet trains (how much an access unit sent as a train is stretched shows the narrowest
hop's rate). The estimators follow the ideas of GCC (draft-ietf-rmcat-gcc-02) and of packet-train bandwidth tests;
random loss of a few per cent, which says nothing about queues, leaves the rate alone. Pure: `now_ns` is passed in.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from daemon.link.feedback import PacketResult

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000


class CongestionSettings(msgspec.Struct, frozen=True):
    """Defaults are for ordinary broadband."""

    min_bps: int = 150_000
    queue_limit_ns: int = 14 * MILLISECOND_NS  # a standing queue above this is congestion
    base_window_ns: int = 5 * SECOND_NS  # the least delay is that of one or two such windows
    share_of_capacity: float = 0.85  # what is used of a narrow path, so that its queue can drain
    drain_per_queue_ns: float = 1 / (300 * MILLISECOND_NS)  # share given up more while a queue stands
    least_share: float = 0.35
    growth_per_s: float = 0.25  # while the trains say nothing
    fast_growth_per_s: float = 1.0  # while they say that there is room
    hold_after_cut_ns: int = 400 * MILLISECOND_NS
    fastest_pace_bps: int = 1_000_000_000
    pace_over_capacity: float = 2.0  # faster than the narrowest hop, so that a wider one shows
    tolerated_loss: float = 0.10  # above this, loss alone lowers the rate


TRAIN_GAP_NS = 8 * MILLISECOND_NS
TRAIN_PACKETS = 9
TRAINS_KEPT = 5
SIGNIFICANT_GROWTH_NS = 3 * MILLISECOND_NS  # arrival times are to 1 ms
STUCK_NS = 1_500 * MILLISECOND_NS
LOSS_WINDOW_PACKETS = 2000
BURST_WINDOW_LOSSES = 150
FIRST_LOSS_RATE = 0.005
OUTAGE_LOSSES = 200  # lost at once: an outage, which says nothing about the path's losses
IN_FLIGHT_SLACK_NS = 100 * MILLISECOND_NS
IN_FLIGHT_LEAST_BYTES = 65536


@dataclass(slots=True)
class _Train:
    started_ns: int
    last_sent_ns: int
    packets: list[tuple[int, int, int]]  # sent_ns, delay_ns, wire_bytes


class CongestionController:
    """Feed it every report's results; read its attributes whenever they are needed."""

    def __init__(self, ceiling_bps: int, settings: CongestionSettings | None = None) -> None:
        self._settings = settings or CongestionSettings()
        self._ceiling_bps = ceiling_bps
        self.target_bps = ceiling_bps  # whole packets, with UDP and IP
        self.capacity_bps: int | None = None  # of the narrowest hop, where trains showed it
        self.queue_ns = 0  # standing
        self.loss_rate = FIRST_LOSS_RATE
        self.mean_burst_packets = 1.0
        self.cuts = 0
        self._min_rtt_ns = 50 * MILLISECOND_NS
        self._bases: deque[tuple[int, int]] = deque()  # (window's start, least delay in it)
        self._trains: deque[_Train] = deque(maxlen=TRAINS_KEPT)
        self._recent: deque[tuple[int, int]] = deque()  # (arrival_ns, wire_bytes) of the last 200 ms
        self._congested_since_ns: int | None = None
        self._queue_when_congested_ns = 0
        self._cut_ns = 0
        self._updated_ns: int | None = None
        self._last_lost_order = -2

    @property
    def pacing_bps(self) -> int:
        """A little faster than the narrowest hop; without one, so fast that an access unit takes no time."""
        if self.capacity_bps is None:
            return self._settings.fastest_pace_bps
        pace = max(self.capacity_bps, self.target_bps) * self._settings.pace_over_capacity
        return int(min(pace, self._settings.fastest_pace_bps))

    @property
    def in_flight_cap_bytes(self) -> int:
        """More than this unanswered would be a queue."""
        return max(IN_FLIGHT_LEAST_BYTES, self.target_bps * (self._min_rtt_ns + IN_FLIGHT_SLACK_NS) // (8 * SECOND_NS))

    def on_results(self, results: Sequence[PacketResult], now_ns: int, rtt_ns: int | None) -> None:
        """A report came: what it says of the packets, in the order of sending."""
        if rtt_ns is not None:
            self._min_rtt_ns = min(self._min_rtt_ns, rtt_ns) if self._updated_ns else rtt_ns
        arrived = [result for result in results if result.arrival_ns is not None]
        self._note_losses(results)
        if arrived:
            self._note_queue(arrived, now_ns)
            for result in arrived:
                self._note_in_train(result)
            self._adapt(now_ns)

    def forget_delays(self) -> None:
        """Arrival times are of another clock from here on: the receiver began anew."""
        self._bases.clear()
        self._trains.clear()
        self._recent.clear()
        self._congested_since_ns = None
        self.queue_ns = 0

    # --- losses, for FEC ---

    def _note_losses(self, results: Sequence[PacketResult]) -> None:
        lost = sorted(result.order for result in results if result.arrival_ns is None)
        if len(lost) > OUTAGE_LOSSES or self._congested_since_ns is not None:
            return
        weight = 1 / LOSS_WINDOW_PACKETS
        for result in results:
            if result.was_lost:
                self.loss_rate = max(0.0, self.loss_rate - weight)
            else:
                self.loss_rate += weight * ((result.arrival_ns is None) - self.loss_rate)
        for order in lost:
            is_start = order != self._last_lost_order + 1
            self._last_lost_order = order
            # The share of losses that start a run is the inverse of the mean run.
            share = 1 / self.mean_burst_packets
            share += (is_start - share) / BURST_WINDOW_LOSSES
            self.mean_burst_packets = 1 / max(share, 0.02)

    # --- delay ---

    def _note_queue(self, arrived: Sequence[PacketResult], now_ns: int) -> None:
        least_ns = min(result.arrival_ns - result.sent_ns for result in arrived if result.arrival_ns is not None)
        window_ns = self._settings.base_window_ns
        if not self._bases or now_ns - self._bases[-1][0] > window_ns:
            self._bases.append((now_ns, least_ns))
        elif least_ns < self._bases[-1][1]:
            self._bases[-1] = (self._bases[-1][0], least_ns)
        while len(self._bases) > 2:
            self._bases.popleft()
        self.queue_ns = least_ns - min(base for _, base in self._bases)
        for result in arrived:
            assert result.arrival_ns is not None
            self._recent.append((result.arrival_ns, result.wire_bytes))
        while self._recent and self._recent[-1][0] - self._recent[0][0] > 200 * MILLISECOND_NS:
            self._recent.popleft()

    def _received_bps(self) -> int | None:
        """What came in the last 200 ms: the path's rate while a queue stands."""
        if len(self._recent) < TRAIN_PACKETS:
            return None
        span_ns = max(arrival for arrival, _ in self._recent) - min(arrival for arrival, _ in self._recent)
        if span_ns < 50 * MILLISECOND_NS:
            return None
        return sum(size for _, size in self._recent) * 8 * SECOND_NS // span_ns

    def _note_in_train(self, result: PacketResult) -> None:
        assert result.arrival_ns is not None
        packet = (result.sent_ns, result.arrival_ns - result.sent_ns, result.wire_bytes)
        train = self._trains[-1] if self._trains else None
        if train is None or result.sent_ns - train.last_sent_ns > TRAIN_GAP_NS:
            self._trains.append(_Train(result.sent_ns, result.sent_ns, [packet]))
        elif result.sent_ns >= train.started_ns:
            train.packets.append(packet)
            train.last_sent_ns = max(train.last_sent_ns, result.sent_ns)

    def _trains_bps(self) -> int | None:
        """The narrowest hop's rate by the median of the recent trains; None: they were not stretched."""
        rates: list[float] = []
        for train in list(self._trains)[-3:]:
            if len(train.packets) >= TRAIN_PACKETS:
                rates.append(_train_bps(train.packets))
        if not rates:
            return self.capacity_bps
        median = sorted(rates)[len(rates) // 2]
        return None if median == float("inf") else int(median)

    # --- the rate ---

    def _adapt(self, now_ns: int) -> None:
        settings = self._settings
        elapsed_s = min((now_ns - (self._updated_ns or now_ns)) / SECOND_NS, 0.1)
        self._updated_ns = now_ns
        self.capacity_bps = self._trains_bps()
        if self.queue_ns > settings.queue_limit_ns:
            self._cut(now_ns)
        else:
            self._congested_since_ns = None
            self._grow(now_ns, elapsed_s)

    def _cut(self, now_ns: int) -> None:
        settings = self._settings
        if self._congested_since_ns is None:
            self._congested_since_ns, self._queue_when_congested_ns = now_ns, self.queue_ns
            self.cuts += 1
        elif now_ns - self._congested_since_ns > STUCK_NS:
            if self.queue_ns > self._queue_when_congested_ns - settings.queue_limit_ns // 4:
                self._bases.clear()  # however little is sent, it does not drain: the path itself has become longer
            self._congested_since_ns = None
            return
        capacity = min((rate for rate in (self.capacity_bps, self._received_bps()) if rate), default=self.target_bps)
        share = settings.share_of_capacity - self.queue_ns * settings.drain_per_queue_ns
        wanted = int(capacity * max(share, settings.least_share))
        self.target_bps = max(settings.min_bps, min(self.target_bps, wanted))
        self._cut_ns = now_ns

    def _grow(self, now_ns: int, elapsed_s: float) -> None:
        settings = self._settings
        ceiling = self._ceiling_bps
        growth = settings.fast_growth_per_s
        if self.capacity_bps is not None:
            ceiling = min(ceiling, max(int(self.capacity_bps * settings.share_of_capacity), settings.min_bps))
            if ceiling < self.target_bps:
                self.target_bps = ceiling
                self._cut_ns = now_ns
                return
        elif now_ns - self._cut_ns < 2 * SECOND_NS:
            growth = settings.growth_per_s
        if self.loss_rate > settings.tolerated_loss:
            growth = -settings.growth_per_s
        if growth > 0 and now_ns - self._cut_ns < settings.hold_after_cut_ns:
            return
        grown = int(self.target_bps * (1 + growth * elapsed_s))
        self.target_bps = max(settings.min_bps, min(grown, ceiling))


def _train_bps(packets: Sequence[tuple[int, int, int]]) -> float:
    """The rate at which a train came out of the narrowest hop; infinite when it was not stretched.

    Means over the first and the last third of the train make jitter cancel; a queue does not.
    """
    ordered = sorted(packets)
    third = len(ordered) // 3
    head, tail = ordered[:third], ordered[-third:]
    growth_ns = sum(delay for _, delay, _ in tail) / third - sum(delay for _, delay, _ in head) / third
    if growth_ns < SIGNIFICANT_GROWTH_NS:
        return float("inf")
    sent_ns = sum(sent for sent, _, _ in tail) / third - sum(sent for sent, _, _ in head) / third
    between_bytes = sum(size for _, _, size in ordered) * (len(ordered) - third) / len(ordered)
    return between_bytes * 8 * SECOND_NS / (sent_ns + growth_ns)
