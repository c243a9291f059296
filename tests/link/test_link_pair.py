"""Both ends over scripted paths: pictures come once, in order, intact, in time, or are reported lost."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.rtcp import Nack
from daemon.link.rtp import MAX_VIDEO_PAYLOAD_BYTES
from tests.link.link_pair import SENDER_ADDRESS, START_NS, LinkPair
from tests.link.path_model import MS, S, bursty_loss

RTT_20 = {"delay_ns": 10 * MS}

CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "delay_ns": st.integers(0, 80 * MS),
        "jitter_ns": st.integers(0, 10 * MS),
        "reorder": st.booleans(),
        "loss": st.floats(0, 0.4),
        "enter_burst": st.floats(0, 0.03),
        "leave_burst": st.floats(0.05, 1),
        "duplicate": st.floats(0, 1),
        "rate_bps": st.sampled_from([None, 700_000, 3_000_000, 10_000_000, 100_000_000]),
        "queue_bytes": st.sampled_from([16_000, 131_072]),
        "outage": st.booleans(),
    },
)
SCRIPTS = st.lists(st.tuples(st.integers(100, 1500), CONDITIONS), max_size=4)


def scripted(script: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """Conditions, each for so many milliseconds."""
    at_ns, phases = START_NS, []
    for for_ms, conditions in script:
        phases.append((at_ns, {"delay_ns": 5 * MS, "outage": False, **conditions}))
        at_ns += for_ms * MS
    return {"script": phases}


def any_path(
    forward: list[tuple[int, dict[str, Any]]], backward: list[tuple[int, dict[str, Any]]], seed: int, drift_ppm: float
) -> None:
    pair = LinkPair(
        seed=seed,
        forward=scripted(forward),
        backward=scripted(backward),
        drift_ppm=drift_ppm,
        unit_bytes=3000 if seed % 3 else 30_000,
    )
    pair.run(2 * S)
    # A path that holds packets in its queue is slow by that; jitter that does not reorder holds later ones back.
    pair.check(slack_ns=2 * S)


@settings(max_examples=40)
@given(SCRIPTS, SCRIPTS, st.integers(0, 1 << 20), st.floats(-100, 100))
def test_once_in_order_intact_in_time_or_reported_lost(
    forward: list[tuple[int, dict[str, Any]]], backward: list[tuple[int, dict[str, Any]]], seed: int, drift: float
) -> None:
    any_path(forward, backward, seed, drift)


@pytest.mark.slow
@settings(max_examples=600)
@given(SCRIPTS, SCRIPTS, st.integers(0, 1 << 20), st.floats(-100, 100))
def test_the_same_over_many_more_paths(
    forward: list[tuple[int, dict[str, Any]]], backward: list[tuple[int, dict[str, Any]]], seed: int, drift: float
) -> None:
    any_path(forward, backward, seed, drift)


@settings(max_examples=30)
@given(st.integers(0, 1 << 20), st.integers(0, 80), st.floats(0, 0.25))
def test_nothing_is_delivered_after_its_deadline(seed: int, delay_ms: int, loss: float) -> None:
    pair = LinkPair(seed=seed, forward={"delay_ns": delay_ms * MS, "loss": loss}, unit_bytes=8000)
    pair.run(2 * S)
    pair.check(slack_ns=delay_ms * MS)


def test_every_copy_twice_is_every_picture_once() -> None:
    pair = LinkPair(seed=2, forward={**RTT_20, "jitter_ns": 5 * MS, "reorder": True, "duplicate": 1.0, "loss": 0.05})
    pair.run(4 * S)
    pair.check()
    assert pair.receiver.video.units_lost == 0
    assert len(pair.arrivals) >= 115


def test_a_new_numbering_of_pictures_is_no_loss() -> None:
    """The sender's video process began anew: its frame_ids jump, by ever so much."""
    for jump in (5_000, -5_000, 1 << 30, -(1 << 30)):
        pair = LinkPair(forward=RTT_20)
        pair.run(2 * S)
        delivered = len(pair.arrivals)
        pair.encoder.frame_id = pair.encoder.frame_id + jump & 0xFFFF_FFFF
        pair.encoder.wants_idr = True
        pair.run(2 * S)
        assert pair.receiver.video.units_lost == 0
        assert len(pair.arrivals) >= delivered + 59


@pytest.mark.parametrize("loss", [0.0, 0.02])
def test_after_an_outage_no_flood_no_old_picture_and_the_first_in_time(loss: float) -> None:
    begin_ns, end_ns = START_NS + 2 * S, START_NS + 4 * S
    script = [(begin_ns, {"outage": True}), (end_ns, {"outage": False})]
    pair = LinkPair(forward={**RTT_20, "loss": loss, "script": script})
    pair.run(2 * S)
    before = pair.forward.path.counts.died + pair.forward.path.counts.carried
    pair.run(2 * S)
    during = pair.forward.path.counts.died + pair.forward.path.counts.carried - before
    assert during < before / 2 + 200  # half the rate, so that the first packets through say that it is over
    pair.run(60 * MS)
    assert pair.forward.path.counts.carried - before < 120  # what waited is not sent
    pair.run(2 * S)
    after = [arrival for arrival in pair.arrivals if arrival.at_ns > end_ns]
    assert after[0].at_ns <= end_ns + 60 * MS + 20 * MS
    assert all(arrival.delivery.capture_ns >= end_ns - 1 * S // 30 - 1 for arrival in after)
    pair.check(slack_ns=10 * MS)
    assert len(after) >= 57


def resumes(pair: LinkPair, restart: Callable[[], None]) -> None:
    """The picture is back within a second, with all of its quality, and nothing counts as lost."""
    pair.run(2 * S)
    delivered, restarted_ns = len(pair.arrivals), pair.now_ns
    restart()
    pair.run_until(lambda: len(pair.arrivals) > delivered, limit_ns=1 * S)
    pair.run(4 * S)
    assert pair.arrivals[delivered].delivery.capture_ns >= restarted_ns - 40 * MS
    assert len(pair.arrivals) >= delivered + 119
    assert pair.receiver.video.units_lost == 0
    assert pair.encoder.bitrate_bps > 4_000_000
    assert pair.sender._sent.in_flight_bytes(pair.now_ns) < 100_000


def test_a_sender_that_restarts_is_known_again() -> None:
    pair = LinkPair(forward={**RTT_20, "loss": 0.01})
    resumes(pair, pair.restart_sender)


@pytest.mark.parametrize("clock_jump_s", [-6000, -10, 0, 10, 40_000])
def test_a_receiver_that_restarts_is_found_again_whatever_its_clock_says(clock_jump_s: int) -> None:
    pair = LinkPair(forward={**RTT_20, "loss": 0.01})
    resumes(pair, lambda: pair.restart_receiver(clock_jump_s * S))


def test_a_new_address_of_the_sender_changes_nothing_else() -> None:
    pair = LinkPair(forward=RTT_20)
    pair.run(2 * S)
    delivered, sessions = len(pair.arrivals), pair.receiver.transport.sessions
    for port in (50_000, 50_001, 50_002):
        pair.sender_address = (SENDER_ADDRESS[0], port)
        pair.run(1 * S)
        assert pair.receiver.transport.peer_address == pair.sender_address
        assert pair.receiver.transport.is_confirmed
    pair.check(slack_ns=10 * MS)
    assert pair.receiver.transport.sessions == sessions
    assert pair.sender.transport.sessions == sessions
    assert len(pair.arrivals) >= delivered + 89
    assert pair.receiver.video.units_lost == 0
    assert pair.latencies_ms()[-1] < 15


def rekeyed(lost: int | None) -> tuple[LinkPair, int]:
    """A link whose keys are renewed, with the handshake's datagram number `lost` missing; and how many there were."""
    pair = LinkPair(forward=RTT_20, rekey_after_ns=1 * S)
    pair.run(500 * MS)
    handshake = [0]

    def carries(end: str, datagram: bytes) -> bool:
        if 20 <= datagram[0] <= 63 and pair.now_ns < START_NS + 1500 * MS:
            handshake[0] += 1
            return handshake[0] - 1 != lost
        return True

    pair.carries = carries
    pair.run(2500 * MS)
    return pair, handshake[0]


def test_new_keys_leave_no_gap_whatever_datagram_of_the_handshake_is_lost() -> None:
    _, datagrams = rekeyed(None)
    assert datagrams >= 6
    for lost in range(datagrams):
        pair, _ = rekeyed(lost)
        pair.check(slack_ns=10 * MS)
        assert pair.sender.transport.sessions >= 3, lost  # at first, after 1 s, after 2 s
        assert pair.sender.transport.not_authentic == 0, lost  # nothing was sealed with keys that it had not yet
        assert pair.receiver.video.units_lost == 0, lost
        assert len(pair.arrivals) >= 86, lost
        assert pair.latencies_ms()[-1] < 15, lost


@pytest.mark.parametrize(
    ("capacity_bps", "burst_packets", "wanted", "copies"),
    [
        (None, 1.0, 1, 3),
        (None, 5.0, 1, 11),
        (None, 50.0, 1, 12),
        (None, 5.0, 40, 2),
        (3_000_000, 5.0, 8, 2),
        (3_000_000, 5.0, 9, 1),
    ],
)
def test_answers_outlast_bursts_but_not_a_narrow_path(
    capacity_bps: int | None, burst_packets: float, wanted: int, copies: int
) -> None:
    pair = LinkPair()
    pair.run(500 * MS)
    sender = pair.sender
    sender.controller.capacity_bps, sender.controller.mean_burst_packets = capacity_bps, burst_packets
    newest = sender.video._sequence
    numbers = tuple(newest - 1 - n & 0xFFFF for n in range(wanted))
    before = sender.video.rtx_packets
    sender._receive_rtcp(Nack(sender.video.ssrc, numbers), pair.now_ns)
    assert sender.video.rtx_packets - before == wanted * copies


def fec_share(loss: float) -> tuple[float, LinkPair]:
    """Of what goes out, repair symbols in relation to source packets, once the loss is known."""
    pair = LinkPair(seed=5, forward={**RTT_20, "loss": loss}, unit_bytes=25_000)
    pair.run(10 * S)
    video = pair.sender.video
    repairs, sources = video.repair_packets, video.source_packets
    pair.run(20 * S)
    return (video.repair_packets - repairs) / (video.source_packets - sources), pair


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "limit"), [(0.0, 0.06), (0.01, 0.12), (0.05, 0.35)])
def test_repair_symbols_cost_no_more_than_the_loss_asks_for(loss: float, limit: float) -> None:
    share, pair = fec_share(loss)
    latencies = pair.latencies_ms(since_ns=START_NS + S)
    assert share < limit
    assert pair.receiver.video.units_lost == 0
    assert latencies[len(latencies) * 99 // 100] < 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_bursts_lose_next_to_nothing_and_cost_one_round_trip_at_most(seed: int) -> None:
    pair = LinkPair(seed=seed, forward={"delay_ns": 20 * MS, **bursty_loss(0.03, 5)})
    pair.run(30 * S)
    pair.check(slack_ns=20 * MS)
    latencies = pair.latencies_ms(since_ns=START_NS + 2 * S)
    assert latencies[len(latencies) // 2] < 21
    assert latencies[len(latencies) * 99 // 100] < 66
    assert pair.receiver.video.units_lost <= 0.005 * len(latencies)


@pytest.mark.slow
@pytest.mark.parametrize("drift_ppm", [-100.0, 100.0])
def test_four_hours_leave_no_trace(drift_ppm: float) -> None:
    """Latency, as it is and as the receiver reckons it, is that of the first minute; every buffer keeps its bound."""
    hours = 4
    pair = LinkPair(
        forward={**RTT_20, "jitter_ns": 2 * MS, "loss": 0.01},
        drift_ppm=drift_ppm,
        image_rate_hz=2,
        unit_bytes=MAX_VIDEO_PAYLOAD_BYTES // 2,
        heartbeat_ns=1 * S,
    )
    minute_ns = 60 * S
    pair.run(minute_ns)
    first = pair.arrivals
    for _ in range(60 * hours - 2):
        pair.arrivals = []
        pair.sent.clear()
        pair.run(minute_ns)
    pair.arrivals = []
    pair.run(minute_ns)
    last = pair.arrivals
    assert len(last) >= 115
    for medians in ([median_true_ms(arrivals) for arrivals in (first, last)], [median_ms(a) for a in (first, last)]):
        assert abs(medians[1] - medians[0]) < 2
    assert pair.receiver.video.units_lost < 0.001 * 2 * 3600 * hours


def median_ms(arrivals: list[Any]) -> float:
    reckoned = sorted(arrival.latency_ns for arrival in arrivals if arrival.latency_ns is not None)
    return float(reckoned[len(reckoned) // 2]) / MS


def median_true_ms(arrivals: list[Any]) -> float:
    delays = sorted(arrival.at_ns - arrival.delivery.capture_ns for arrival in arrivals)
    return float(delays[len(delays) // 2]) / MS
