"""Video sender and receiver joined over scripted paths: what comes out is in order, intact, in time, or told lost."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.link.rtp import PacketError, parse_rtp
from daemon.link.video_receiver import MAX_ASSEMBLIES, MAX_DEADLINE_NS, MAX_SPAN, Delivery, VideoReceiver
from daemon.link.video_sender import VideoSender
from daemon.messages import AccessUnit
from tests.link.path_model import MS, Channel, Path, S, bursty_loss

IMAGE_INTERVAL_NS = S // 30
PACE_BPS = 1_000_000_000
SAMPLE_NAL = b"\0\0\0\1\x41"
IDR_NAL = b"\0\0\0\1\x65"


@dataclass
class Run:
    """What a simulated run gave."""

    sent: dict[int, AccessUnit] = field(default_factory=dict)
    delivered: list[tuple[int, Delivery]] = field(default_factory=list)
    receiver: VideoReceiver = field(default_factory=VideoReceiver)
    sender: VideoSender = field(default_factory=VideoSender)

    def delays_ms(self) -> list[float]:
        return sorted((at_ns - delivery.capture_ns) / MS for at_ns, delivery in self.delivered)


def simulate(
    units: int, *, seed: int, unit_bytes: int = 9000, fec_loss: float = 0.01, fec_burst: float = 1.0, **conditions: Any
) -> Run:
    """`units` images at 30 a second through a path, feedback through another of the same kind."""
    draw, run = random.Random(seed), Run()
    forward: Channel[bytes] = Channel(Path(seed, **conditions))
    backward: Channel[tuple[tuple[int, ...], bool]] = Channel(Path(seed + 1, **conditions))
    rtt_ns = 2 * int(conditions.get("delay_ns", 0))
    idr_wanted, now_ns = True, S
    for number in range(1, units + 1):
        capture_ns = S + number * IMAGE_INTERVAL_NS
        while now_ns < capture_ns:
            now_ns += MS // 2
            _step(run, forward, backward, rtt_ns, now_ns)
            for _, (nacks, pli) in backward.receive(now_ns):
                run.sender.retransmit(nacks, now_ns, rtt_ns=rtt_ns, copies=1)
                idr_wanted |= pli and run.sender.note_picture_loss(now_ns, rtt_ns)
        size = draw.randrange(20, 2 * unit_bytes)
        data = (IDR_NAL if idr_wanted else SAMPLE_NAL) + bytes(draw.choices(range(3, 256), k=size))
        unit = AccessUnit(number, capture_ns, idr_wanted, data)
        idr_wanted = False
        taken = run.sender.send_unit(
            unit, now_ns, loss_rate=fec_loss, burst_packets=fec_burst, rtt_ns=rtt_ns, target_bps=100_000_000
        )
        assert taken
        run.sent[number] = unit
    for _ in range(1000):
        now_ns += MS
        _step(run, forward, backward, rtt_ns, now_ns)
    return run


def _step(
    run: Run, forward: Channel[bytes], backward: Channel[tuple[tuple[int, ...], bool]], rtt_ns: int, now_ns: int
) -> None:
    for packet in run.sender.pacer.release(now_ns, PACE_BPS, 1 << 40):
        forward.send(bytes(packet.data), packet.wire_bytes, now_ns)
    for arrival_ns, data in forward.receive(now_ns):
        run.receiver.receive(parse_rtp(data), max(arrival_ns, now_ns - MS))
    nacks, pli = run.receiver.poll(now_ns, rtt_ns)
    if nacks or pli:
        backward.send((nacks, pli), 100, now_ns)
    run.delivered += [(now_ns, delivery) for delivery in run.receiver.deliveries]
    run.receiver.deliveries.clear()
    assert len(run.receiver._assemblies) <= MAX_ASSEMBLIES
    assert len(run.receiver._received) <= MAX_SPAN + 1


def check(run: Run, one_way_ns: int) -> None:
    """The rules of `daemon.link.video_receiver`."""
    last = 0
    for at_ns, delivery in run.delivered:
        unit = run.sent[delivery.frame_id]
        assert delivery.data == unit.data  # intact
        assert delivery.capture_ns == unit.capture_ns
        assert delivery.frame_id > last  # once, in order
        assert delivery.is_idr or delivery.frame_id == last + 1  # refers to what was delivered, or to nothing
        # A unit has its deadline from when it was first known of, at the latest with the next one.
        assert at_ns - delivery.capture_ns < one_way_ns + MAX_DEADLINE_NS + 2 * IMAGE_INTERVAL_NS + 5 * MS
        last = delivery.frame_id


PATHS = st.fixed_dictionaries(
    {"delay_ns": st.integers(0, 60 * MS)},
    optional={
        "jitter_ns": st.integers(0, 8 * MS),
        "reorder": st.booleans(),
        "loss": st.floats(0, 0.3),
        "enter_burst": st.floats(0, 0.02),
        "leave_burst": st.floats(0.1, 1),
    },
)


@settings(max_examples=60)
@given(PATHS, st.integers(0, 1 << 20), st.sampled_from([600, 9000, 120_000]))
def test_in_order_intact_in_time_or_lost(path: dict[str, Any], seed: int, unit_bytes: int) -> None:
    run = simulate(5 if unit_bytes > 9000 else 25, seed=seed, unit_bytes=unit_bytes, **path)
    check(run, path["delay_ns"] + path.get("jitter_ns", 0) + 100 * MS)


@pytest.mark.parametrize("loss", [0.01, 0.02, 0.05])
def test_random_loss_loses_no_picture(loss: float) -> None:
    run = simulate(300, seed=4, unit_bytes=25_000, fec_loss=loss, delay_ns=10 * MS, loss=loss)
    check(run, 10 * MS)
    assert len(run.delivered) == 300
    assert run.delays_ms()[297] < 45


def test_bursts_lose_next_to_nothing() -> None:
    run = simulate(300, seed=4, unit_bytes=25_000, fec_loss=0.03, fec_burst=5, delay_ns=20 * MS, **bursty_loss(0.03, 5))
    check(run, 20 * MS)
    assert len(run.delivered) >= 298


@pytest.mark.parametrize("reorder", [False, True])
def test_jitter_and_reordering_are_no_loss(reorder: bool) -> None:
    run = simulate(200, seed=3, unit_bytes=25_000, delay_ns=10 * MS, jitter_ns=5 * MS, reorder=reorder)
    check(run, 15 * MS)
    assert len(run.delivered) == 200
    assert run.receiver.units_lost == 0
    assert run.receiver.nacked_packets < run.sender.source_packets * 0.02


def test_after_an_outage_no_old_pictures() -> None:
    script = [(3 * S, {"outage": True}), (5 * S, {"outage": False})]
    run = simulate(200, seed=3, unit_bytes=25_000, delay_ns=10 * MS, script=script)
    check(run, 10 * MS)
    after = [(at_ns, delivery) for at_ns, delivery in run.delivered if at_ns > 5 * S]
    assert after[0][0] < 5 * S + 120 * MS
    assert after[0][1].is_idr
    assert all(delivery.capture_ns > 5 * S - IMAGE_INTERVAL_NS - 20 * MS for _, delivery in after)


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 1 << 30))
def test_garbage_that_parses_is_harmless(data: bytes, seed: int) -> None:
    receiver, draw = VideoReceiver(), random.Random(seed)
    sender = VideoSender()
    sender.send_unit(
        AccessUnit(1, S, True, IDR_NAL + bytes(3000)), S, loss_rate=0.01, burst_packets=1, rtt_ns=0, target_bps=10**6
    )
    for packet in sender.pacer.release(S, 10**9, 1 << 40):
        mutated = bytearray(packet.data)
        for at in range(0, len(data), 3):
            mutated[draw.randrange(len(mutated))] = data[at]
        try:
            receiver.receive(parse_rtp(bytes(mutated)), S)
        except PacketError:
            continue
    receiver.poll(2 * S, 0)
