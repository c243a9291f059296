"""The controller on a simulated path: access units as trains, RFC 8888 feedback every 25 ms, no clock."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from daemon.link.congestion import CongestionController
from daemon.link.feedback import ArrivalLog, SentLog
from daemon.link.rtcp import CongestionFeedback
from tests.link.path_model import MS, Channel, Path, S, bursty_loss

CEILING_BPS = 6_000_000
IMAGE_INTERVAL_NS = S // 30
PACKET_BYTES = 1260
SSRC = 7


class Simulation:
    """30 access units a second, sized by the target; `rates` and `queues` sample the run every image."""

    def __init__(
        self, seconds: float, *, seed: int = 1, skew: float = 0.0, script: Any = (), **conditions: Any
    ) -> None:
        self.controller = CongestionController(CEILING_BPS)
        self.forward = Path(seed, script=script, **conditions)
        # Other packets share the way back, so that a burst takes one or two reports in a row, not five.
        back_conditions = {k: v for k, v in conditions.items() if k in ("delay_ns", "jitter_ns", "reorder", "loss")}
        self._data: Channel[int] = Channel(self.forward)
        self._reports: Channel[CongestionFeedback] = Channel(Path(seed + 1, **back_conditions))
        self._sent, self._arrivals = SentLog(), ArrivalLog()
        self._skew = skew
        self._random = random.Random(seed)
        self.rates: list[tuple[int, int]] = []
        self.unit_delays_ns: list[tuple[int, int]] = []
        self._run(int(seconds * S))

    def _run(self, end_ns: int) -> None:
        now_ns, sequence, next_report_ns = S, 0, S
        for image in range(1, end_ns // IMAGE_INTERVAL_NS):
            image_ns = S + image * IMAGE_INTERVAL_NS
            while (now_ns := min(next_report_ns, self._data.next_ns() or image_ns, image_ns)) < image_ns:
                next_report_ns = self._step(now_ns, next_report_ns)
            share = self._random.uniform(0.7, 1.3)
            count = max(1, round(self.controller.target_bps * share / 30 / 8 / PACKET_BYTES))
            at_ns = image_ns
            for _ in range(count):
                at_ns += PACKET_BYTES * 8 * S // self.controller.pacing_bps
                self._sent.note_sent(SSRC, sequence & 0xFFFF, PACKET_BYTES, at_ns)
                self._data.send(sequence & 0xFFFF, PACKET_BYTES, at_ns)
                sequence += 1
            self.rates.append((image_ns - S, self.controller.target_bps))
            self.unit_delays_ns.append((image_ns - S, at_ns + self.forward.queue_ns - image_ns))

    def _step(self, now_ns: int, next_report_ns: int) -> int:
        receiver_ns = round(now_ns * (1 + self._skew)) + 5 * S
        for arrival_ns, sequence in self._data.receive(now_ns):
            self._arrivals.note(SSRC, sequence, round(arrival_ns * (1 + self._skew)) + 5 * S)
        if now_ns >= next_report_ns:
            for report in self._arrivals.reports(receiver_ns):
                self._reports.send(report, 100, now_ns)
            next_report_ns = now_ns + 25 * MS
        for _, report in self._reports.receive(now_ns):
            resolved = self._sent.resolve(report, now_ns)
            self.controller.on_results(resolved.results, now_ns, resolved.rtt_ns)
        return next_report_ns

    def mean_rate(self, from_s: float, to_s: float) -> float:
        rates = [rate for at_ns, rate in self.rates if from_s * S <= at_ns < to_s * S]
        return sum(rates) / len(rates)

    def delay_quantile_ms(self, quantile: float, from_s: float, to_s: float) -> float:
        delays = sorted(delay for at_ns, delay in self.unit_delays_ns if from_s * S <= at_ns < to_s * S)
        return delays[int(quantile * (len(delays) - 1))] / MS


CLEAN_ENOUGH: dict[str, Mapping[str, Any]] = {
    "RTT 0": {},
    "RTT 20": {"delay_ns": 10 * MS},
    "RTT 200": {"delay_ns": 100 * MS},
    "1 % random": {"delay_ns": 10 * MS, "loss": 0.01},
    "5 % random": {"delay_ns": 10 * MS, "loss": 0.05},
    "3 % in bursts": {"delay_ns": 20 * MS, **bursty_loss(0.03, 5)},
    "jitter": {"delay_ns": 10 * MS, "jitter_ns": 5 * MS},
    "jitter, reordered": {"delay_ns": 10 * MS, "jitter_ns": 5 * MS, "reorder": True},
}


@pytest.mark.parametrize("name", CLEAN_ENOUGH)
def test_a_path_with_room_keeps_the_full_rate(name: str) -> None:
    run = Simulation(15, **CLEAN_ENOUGH[name])
    assert run.mean_rate(1, 15) > 0.97 * CEILING_BPS
    assert run.delay_quantile_ms(0.95, 1, 15) < 6  # the pacer adds next to nothing


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_narrowed_path_builds_no_queue_and_is_found_again(seed: int) -> None:
    run = Simulation(
        11,
        seed=seed,
        delay_ns=10 * MS,
        rate_bps=10e6,
        queue_bytes=131_072,
        script=[(3 * S, {"rate_bps": 3e6}), (7 * S, {"rate_bps": 10e6})],  # the simulation starts at 1 s
    )
    assert run.delay_quantile_ms(0.95, 3, 6) < 70
    assert 0.55 * 3e6 < run.mean_rate(3, 6) < 3e6
    assert run.mean_rate(8, 10) > 0.8 * CEILING_BPS
    assert run.forward.counts.overflowed < 60


def test_losses_are_measured_for_fec() -> None:
    random_loss = Simulation(20, delay_ns=10 * MS, loss=0.02).controller
    assert 0.012 < random_loss.loss_rate < 0.03
    assert random_loss.mean_burst_packets < 1.4
    bursts = Simulation(30, delay_ns=20 * MS, **bursty_loss(0.03, 5)).controller
    assert 0.012 < bursts.loss_rate < 0.06
    assert 2.5 < bursts.mean_burst_packets < 8


def test_an_outage_leaves_rate_and_loss_as_they_were() -> None:
    script = [(4 * S, {"outage": True}), (6 * S, {"outage": False})]
    run = Simulation(8, delay_ns=10 * MS, script=script)
    assert run.mean_rate(6, 7) > 0.8 * CEILING_BPS
    assert run.controller.loss_rate < 0.05


@pytest.mark.parametrize("skew", [100e-6, -100e-6])
def test_clock_skew_is_no_queue(skew: float) -> None:
    run = Simulation(120, delay_ns=10 * MS, skew=skew)
    assert run.mean_rate(10, 120) > 0.97 * CEILING_BPS
    assert run.controller.cuts == 0


@pytest.mark.parametrize("rate_bps", [64e3, 500e3, 2e6, 200e6])
def test_any_capacity_gives_a_sensible_rate(rate_bps: float) -> None:
    run = Simulation(12, delay_ns=10 * MS, rate_bps=rate_bps, queue_bytes=131_072)
    expected = max(150_000.0, min(rate_bps, CEILING_BPS))
    assert 0.4 * expected < run.mean_rate(8, 12) <= expected
    assert run.controller.pacing_bps > 0


def test_a_longer_path_is_not_taken_for_a_queue_for_ever() -> None:
    run = Simulation(16, delay_ns=10 * MS, script=[(5 * S, {"delay_ns": 40 * MS})])
    assert run.mean_rate(12, 16) > 0.9 * CEILING_BPS
