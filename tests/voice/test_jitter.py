"""The jitter buffer over scripted paths, on clocks of ours: nothing is lost that came, and no delay beyond need."""

import heapq
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.voice.jitter import CAP_NS, CONCEAL_SAMPLES, MARGIN_NS, Conceal, JitterBuffer, Play, TimestampUnwrapper
from hw.audio.ports import PLAYED_SAMPLES, RATE_HZ

MS = 1_000_000
S = 1_000_000_000
PACKET = 960


@dataclass
class Room:
    """A talker with a clock `talk_ppm` fast, a path, and a speaker with a clock `play_ppm` fast."""

    talk_ppm: float = 0.0
    play_ppm: float = 0.0
    delay_ns: int = 10 * MS
    jitter_ns: int = 0
    loss: float = 0.0
    copies: int = 1
    seed: int = 1
    block: int = PLAYED_SAMPLES
    outage: tuple[int, int] = (0, 0)
    buffer: JitterBuffer = field(default_factory=JitterBuffer)
    played: list[int] = field(default_factory=list)
    delays_ns: list[int] = field(default_factory=list)  # from said to played, for each block
    concealed: int = 0

    def run(self, duration_ns: int) -> None:
        draw = random.Random(self.seed)
        self._on_the_way: list[tuple[int, int]] = []
        packet_ns = PACKET * S / RATE_HZ / (1 + self.talk_ppm / 1e6)
        block_ns = self.block * S / RATE_HZ / (1 + self.play_ppm / 1e6)
        said = played = 0
        waiting = 0.0
        base = 10_000_000  # of media time
        while (now_ns := round(played * block_ns)) < duration_ns:
            while (said_ns := round((said + 1) * packet_ns)) <= now_ns:
                if draw.random() >= self.loss and not self.outage[0] <= said_ns < self.outage[1]:
                    due_ns = said_ns + self.delay_ns + draw.randint(-self.jitter_ns, self.jitter_ns)
                    heapq.heappush(self._on_the_way, (due_ns, said))
                said += 1
            while self._on_the_way and self._on_the_way[0][0] <= now_ns:
                at_ns, number = heapq.heappop(self._on_the_way)
                for copy in range(min(self.copies, number), -1, -1):
                    media = base + (number - copy) * PACKET
                    self.buffer.put(media, str(number - copy).encode(), PACKET, at_ns)
            speed = self.buffer.speed(waiting, now_ns)
            while waiting < self.block * speed:
                step = self.buffer.take(now_ns)
                if step is None:
                    waiting += CONCEAL_SAMPLES
                    continue
                waiting += step.samples
                if isinstance(step, Play):
                    number = int(step.packet)
                    self.played.append(number)
                    said_ns = number * packet_ns
                    self.delays_ns.append(round(now_ns - said_ns + (waiting - step.samples) * 1e9 / RATE_HZ))
                else:
                    assert isinstance(step, Conceal)
                    self.concealed += 1
            waiting -= self.block * speed
            played += 1


def test_a_clean_path_loses_nothing_and_waits_little() -> None:
    room = Room()
    room.run(30 * S)
    assert room.played == list(range(room.played[0], room.played[-1] + 1))
    assert room.concealed == 0
    # a packet of 20 ms, the path, the margin, and what a block's grain costs
    assert max(room.delays_ns[500:]) < 20 * MS + 10 * MS + MARGIN_NS + 6 * MS


def test_jitter_is_waited_for_and_not_more() -> None:
    room = Room(jitter_ns=8 * MS, delay_ns=30 * MS)
    room.run(60 * S)
    assert room.concealed <= 0.02 * len(room.played)
    late = sorted(room.delays_ns[500:])
    assert late[-1] < 20 * MS + 38 * MS + MARGIN_NS + 10 * MS


@pytest.mark.parametrize(("loss", "copies"), [(0.01, 1), (0.05, 3), (0.1, 3)])
def test_what_redundancy_saves_is_played(loss: float, copies: int) -> None:
    room = Room(loss=loss, copies=copies, seed=5)
    room.run(120 * S)
    missing = set(range(room.played[0], room.played[-1])) - set(room.played)
    assert len(missing) <= 1 + 3 * len(room.played) * loss ** (copies + 1)
    assert room.played == sorted(set(room.played))


def test_without_redundancy_a_lost_packet_is_concealed_once_and_costs_no_delay() -> None:
    room = Room(loss=0.05, copies=0)
    room.run(60 * S)
    lost = room.played[-1] - room.played[0] + 1 - len(room.played)
    assert room.concealed == pytest.approx(lost * PACKET / CONCEAL_SAMPLES, rel=0.15)
    assert sorted(room.delays_ns[500:])[-1] < 70 * MS


def test_after_an_outage_voice_is_back_at_once_and_no_later_than_before() -> None:
    room = Room(outage=(20 * S, 23 * S))
    room.run(40 * S)
    before = room.delays_ns[len(room.delays_ns) // 3]
    assert room.delays_ns[-1] < before + 5 * MS
    first_after = next(number for number in room.played if number * PACKET / RATE_HZ >= 23)
    assert first_after * PACKET / RATE_HZ < 23.1
    after = room.delays_ns[room.played.index(first_after) :]
    assert max(after) < before + 70 * MS


@pytest.mark.parametrize("ppm", [200, -200])
def test_drift_over_ten_minutes(ppm: float) -> None:
    room = Room(talk_ppm=ppm, play_ppm=-ppm, jitter_ns=2 * MS)
    room.run(600 * S)
    assert room.concealed == 0
    settled = room.delays_ns[1000:]
    assert max(settled) - min(settled) < 10 * MS


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [200, -200])
def test_drift_over_four_hours(ppm: float) -> None:
    """No under-run, and the delay within 10 ms of its start."""
    room = Room(talk_ppm=ppm, jitter_ns=2 * MS)
    room.run(4 * 3600 * S)
    assert room.concealed == 0
    start = sorted(room.delays_ns[1000:2000])[500]
    assert max(abs(delay - start) for delay in room.delays_ns[1000:]) < 10 * MS


def test_voice_that_waited_too_long_is_left_out() -> None:
    """The speaker stood still for a while: what waited meanwhile is not played late for ever."""
    buffer = JitterBuffer()
    now_ns = 10 * S
    for number in range(100):
        buffer.put(number * PACKET, b"", PACKET, now_ns)
        now_ns += 20 * MS
    assert isinstance(buffer.take(now_ns), Play)
    for number in range(100, 100 + 50):
        buffer.put(number * PACKET, b"", PACKET, now_ns)
        now_ns += 20 * MS
    assert buffer.skipped > 0
    played = 0
    while isinstance(buffer.take(now_ns), Play):
        played += 1
    assert played * 20 * MS <= CAP_NS + 20 * MS


def test_a_talker_that_begins_anew_is_heard() -> None:
    buffer = JitterBuffer()
    now_ns = 10 * S
    for base in (1_000_000_000, 5_000):
        for number in range(20):
            buffer.put(base + number * PACKET, str(base).encode(), PACKET, now_ns)
            now_ns += 20 * MS
        step = buffer.take(now_ns)
        assert isinstance(step, Play)
        assert step.packet == str(base).encode()
    assert buffer.restarts == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.sampled_from([120, 480, 960, 2880]), st.booleans()), max_size=60))
def test_whatever_comes_time_goes_on_and_memory_does_not_grow(arrivals: list[tuple[int, int, bool]]) -> None:
    buffer = JitterBuffer()
    now_ns = 10 * S
    for media_time, samples, takes in arrivals:
        buffer.put(media_time, b"x", samples, now_ns)
        assert len(buffer._packets) <= 3000
        if takes:
            step = buffer.take(now_ns)
            assert step is None or step.samples > 0
        now_ns += 5 * MS


def test_timestamps_go_on_over_their_wrap() -> None:
    unwrapper = TimestampUnwrapper()
    first = unwrapper.unwrap(0xFFFF_FF00)
    assert unwrapper.unwrap(0x100) == first + 0x200
    assert unwrapper.unwrap(0xFFFF_FF80) == first + 0x80
