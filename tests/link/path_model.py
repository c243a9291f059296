"""A scripted network path, one direction, for tests: a queue with a rate, then delay and jitter; loss in front of both.

Nothing runs: `Path.carry` says at once when a packet will arrive, since all that will change is in the script. Random
draws are a fixed number per packet, from the seed, so packet k meets the same fate whatever else is changed.

    path = Path(seed=1, delay_ns=10 * MS, rate_bps=10e6, queue_bytes=131_072, script=[(2 * S, {"rate_bps": 3e6})])
    arrival_ns = path.carry(wire_bytes, now_ns)     # None: lost
    channel = Channel(path)                         # the same with things on it
    channel.send(datagram, wire_bytes, now_ns); channel.next_ns(); channel.receive(now_ns)
"""

import heapq
import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

MS = 1_000_000
S = 1_000_000_000
UDP_OVERHEAD_BYTES = 28  # IPv4 and UDP headers, part of every `wire_bytes`

T = TypeVar("T")
Script = Iterable[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class Conditions:
    """What a path is like from some time on. Rates count everything on the wire."""

    delay_ns: int = 0
    jitter_ns: int = 0  # one uniform draw in +- this holds for `jitter_hold_ns`: a burst shares it ...
    jitter_hold_ns: int = 5 * MS
    reorder: bool = False  # ... or each packet has its own, and may overtake
    loss: float = 0.0
    enter_burst: float = 0.0  # Gilbert-Elliott: probability per packet of entering ...
    leave_burst: float = 1.0  # ... and of leaving the bad state, in which
    burst_loss: float = 1.0  # ... this share of packets is lost
    rate_bps: float | None = None  # None: no bottleneck
    queue_bytes: int | None = None  # including the packet in service; None: without bound
    outage: bool = False
    duplicate: float = 0.0  # share of packets of which a second copy is sent at once


def bursty_loss(loss: float, mean_burst_packets: float) -> dict[str, float]:
    """The Gilbert-Elliott parameters for a share of lost packets and the mean number of them in a row."""
    leave = 1.0 / mean_burst_packets
    return {"enter_burst": leave * loss / (1.0 - loss), "leave_burst": leave}


@dataclass
class PathCounts:
    carried: int = 0
    lost: int = 0
    overflowed: int = 0
    died: int = 0  # in an outage


class Path:
    """`script`: (from when, changes) in ascending order, on the same clock as `now_ns`; `now_ns` never goes back."""

    def __init__(self, seed: int = 1, *, script: Script = (), **conditions: Any) -> None:
        self._random = random.Random(seed).random
        self._duplicate_random = random.Random(~seed).random
        self._phases: list[tuple[int, Conditions]] = [(0, Conditions(**conditions))]
        for at_ns, changes in script:
            self._phases.append((at_ns, replace(self._phases[-1][1], **changes)))
        self.counts = PathCounts()
        self.queue_ns = 0  # how long the last packet waited and was served in the queue
        self._queue: deque[tuple[int, int]] = deque()  # when it leaves the queue, bytes
        self._queued_bytes = 0
        self._server_free_ns = 0
        self._last_due_ns = 0
        self._in_burst = False
        self._jitter = 0.0
        self._jitter_drawn_ns: int | None = None
        self._phase = 0

    def conditions(self, at_ns: int) -> Conditions:
        phases = self._phases
        while self._phase + 1 < len(phases) and phases[self._phase + 1][0] <= at_ns:
            self._phase += 1
        current = self._phase
        while current and phases[current][0] > at_ns:
            current -= 1
        return phases[current][1]

    def copies(self, now_ns: int) -> int:
        """How often a packet that is sent now sets out."""
        share = self.conditions(now_ns).duplicate
        return 2 if share and self._duplicate_random() < share else 1

    def carry(self, wire_bytes: int, now_ns: int) -> int | None:
        """When a packet that is sent now arrives, or None when it is lost."""
        burst_draw, loss_draw, jitter_draw = self._random(), self._random(), self._random()
        now = self.conditions(now_ns)
        if now.reorder or self._jitter_drawn_ns is None or now_ns - self._jitter_drawn_ns >= now.jitter_hold_ns:
            self._jitter, self._jitter_drawn_ns = 2 * jitter_draw - 1, now_ns
        self._in_burst = burst_draw >= now.leave_burst if self._in_burst else burst_draw < now.enter_burst
        if now.outage:
            self.counts.died += 1
            return None
        if loss_draw < (now.burst_loss if self._in_burst else now.loss):
            self.counts.lost += 1
            return None
        left_ns = self._serve(wire_bytes, now_ns, now)
        if left_ns is None:
            self.counts.overflowed += 1
            return None
        self.counts.carried += 1
        self.queue_ns = left_ns - now_ns
        due_ns = left_ns + now.delay_ns + int(self._jitter * now.jitter_ns)
        if not now.reorder:
            due_ns = max(due_ns, self._last_due_ns)
        self._last_due_ns = max(due_ns, self._last_due_ns)
        return due_ns

    def _serve(self, wire_bytes: int, now_ns: int, now: Conditions) -> int | None:
        """When it leaves the queue; None: it did not fit. The rate is that at the start of service."""
        queue = self._queue
        while queue and queue[0][0] <= now_ns:
            self._queued_bytes -= queue.popleft()[1]
        if not queue and now.rate_bps is None:
            return now_ns
        if now.queue_bytes is not None and self._queued_bytes + wire_bytes > now.queue_bytes:
            return None
        start_ns = max(now_ns, self._server_free_ns)
        rate_bps = self.conditions(start_ns).rate_bps
        self._server_free_ns = start_ns + (int(wire_bytes * 8e9 / rate_bps) if rate_bps else 0)
        queue.append((self._server_free_ns, wire_bytes))
        self._queued_bytes += wire_bytes
        return self._server_free_ns


class Channel(Generic[T]):
    """A path with things under way on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._under_way: list[tuple[int, int, T]] = []
        self._order = 0

    def send(self, item: T, wire_bytes: int, now_ns: int) -> None:
        for _ in range(self.path.copies(now_ns)):
            arrival_ns = self.path.carry(wire_bytes, now_ns)
            if arrival_ns is not None:
                heapq.heappush(self._under_way, (arrival_ns, self._order, item))
                self._order += 1

    def next_ns(self) -> int | None:
        """When the next thing arrives; None: nothing is under way."""
        return self._under_way[0][0] if self._under_way else None

    def receive(self, now_ns: int) -> list[tuple[int, T]]:
        """(arrival_ns, thing) of all that arrived up to now, in order of arrival."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_ns:
            arrival_ns, _, item = heapq.heappop(self._under_way)
            arrived.append((arrival_ns, item))
        return arrived
