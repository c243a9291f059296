"""A network path of bad quality, between two daemons on this machine: `cathlink bench --link` sends the link through
it.

One thread carries datagrams both ways with delay, jitter, random or bursty loss, a bottleneck with a queue, and
outages. Timing is that of a Python thread (a fraction of a millisecond late); it is for comparing conditions, not for
claims about others.
"""

import heapq
import random
import select
import socket
import threading
import time
from dataclasses import dataclass, replace

UDP_IP_BYTES = 28


@dataclass(frozen=True, slots=True)
class PathConditions:
    """Of each direction; the bottleneck only of the one to the receiver."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0  # +-, each packet its own: packets overtake one another
    loss: float = 0.0
    burst_packets: float = 1.0  # mean length of a run of losses (Gilbert model)
    rate_bps: float | None = None
    queue_bytes: int = 131_072
    outage: bool = False


class _Direction:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._in_burst = False
        self._free_s = 0.0
        self._waiting: list[tuple[float, int, bytes]] = []
        self._order = 0

    def take(self, datagram: bytes, now_s: float, conditions: PathConditions, rate_bps: float | None) -> None:
        if conditions.outage or self._is_lost(conditions):
            return
        leaves_s = now_s
        if rate_bps is not None:
            if (self._free_s - now_s) * rate_bps / 8 > conditions.queue_bytes:
                return
            leaves_s = self._free_s = max(now_s, self._free_s) + (len(datagram) + UDP_IP_BYTES) * 8 / rate_bps
        jitter_ms = self._random.uniform(-conditions.jitter_ms, conditions.jitter_ms)
        self._order += 1
        heapq.heappush(self._waiting, (leaves_s + (conditions.delay_ms + jitter_ms) / 1e3, self._order, datagram))

    def _is_lost(self, conditions: PathConditions) -> bool:
        leave = 1 / conditions.burst_packets
        if self._in_burst:
            self._in_burst = self._random.random() >= leave
        else:
            self._in_burst = self._random.random() < leave * conditions.loss / (1 - conditions.loss)
        return self._in_burst

    @property
    def next_s(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def due(self, now_s: float) -> list[bytes]:
        datagrams = []
        while self._waiting and self._waiting[0][0] <= now_s:
            datagrams.append(heapq.heappop(self._waiting)[2])
        return datagrams


class PathRelay:
    """Carries between whoever speaks to `port` and `receiver_port`, until `close`."""

    def __init__(self, receiver_port: int, conditions: PathConditions, seed: int = 1) -> None:
        self._near, self._far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self._near.bind(("127.0.0.1", 0))
        self._receiver = ("127.0.0.1", receiver_port)
        self._far.connect(self._receiver)
        self.port = int(self._near.getsockname()[1])
        self._conditions = conditions
        self._forth, self._back = _Direction(seed), _Direction(seed + 1)
        self._sender: tuple[str, int] | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="path", daemon=True)
        self._thread.start()

    def change(self, **changes: object) -> None:
        """New conditions from now on."""
        self._conditions = replace(self._conditions, **changes)  # type: ignore[arg-type]

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        self._near.close()
        self._far.close()

    def _run(self) -> None:
        while not self._closing:
            due = [at_s for at_s in (self._forth.next_s, self._back.next_s) if at_s is not None]
            wait_s = max(0.0, min(due, default=time.monotonic() + 0.05) - time.monotonic())
            for ready in select.select([self._near, self._far], [], [], min(wait_s, 0.05))[0]:
                self._take(ready)
            now_s = time.monotonic()
            for datagram in self._forth.due(now_s):
                self._send(self._far, datagram, None)
            for datagram in self._back.due(now_s):
                self._send(self._near, datagram, self._sender)

    def _take(self, ready: socket.socket) -> None:
        try:
            datagram, address = ready.recvfrom(2048)
        except OSError:  # the receiver is not there yet
            return
        if ready is self._near:
            self._sender = address
            self._take_forth(datagram)
        else:
            self._back.take(datagram, time.monotonic(), self._conditions, None)

    def _take_forth(self, datagram: bytes) -> None:
        self._forth.take(datagram, time.monotonic(), self._conditions, self._conditions.rate_bps)

    @staticmethod
    def _send(end: socket.socket, datagram: bytes, address: tuple[str, int] | None) -> None:
        try:
            if address is None:
                end.send(datagram)
            else:
                end.sendto(datagram, address)
        except OSError:
            return
