"""A stretch of network between the two appliances that can be cut, delayed and made lossy while datagrams flow."""

import heapq
import random
import select
import socket
import threading
import time
from itertools import count

Address = tuple[str, int]
IDLE_WAIT_S = 0.05


class Relay:
    """Forwards UDP between `address`, where senders come in, and `target`, where the receiver listens.

    `is_cut`, `delay_s` and `loss` (a probability, drawn from `seed`) may be changed at any time.
    """

    def __init__(self, target: Address, *, seed: int = 1) -> None:
        self.is_cut = False
        self.delay_s = 0.0
        self.loss = 0.0
        self._target = target
        self._random = random.Random(seed)
        self._front = _udp_socket()
        self._front.bind(("127.0.0.1", 0))
        self.address: Address = self._front.getsockname()
        self._ways: dict[Address, socket.socket] = {}  # one socket a sender, so that the answers find their way back
        self._senders: dict[socket.socket, Address] = {}
        self._waiting: list[tuple[float, int, socket.socket, bytes, Address]] = []
        self._order = count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        for end in (self._front, *self._senders):
            end.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = IDLE_WAIT_S
            if self._waiting:
                wait_s = min(wait_s, max(0.0, self._waiting[0][0] - time.monotonic()))
            readable, _, _ = select.select([self._front, *self._senders], [], [], wait_s)
            for end in readable:
                self._take_all(end)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, way, datagram, address = heapq.heappop(self._waiting)
                _send(way, datagram, address)

    def _take_all(self, end: socket.socket) -> None:
        while True:
            try:
                datagram, origin = end.recvfrom(4096)
            except BlockingIOError:
                return
            except OSError:  # the receiver is not there: an ICMP error of an earlier datagram
                continue
            if self.is_cut or self._random.random() < self.loss:
                continue
            if end is self._front:
                way, address = self._way_of(origin), self._target
            else:
                way, address = self._front, self._senders[end]
            if self.delay_s:
                heapq.heappush(
                    self._waiting, (time.monotonic() + self.delay_s, next(self._order), way, datagram, address)
                )
            else:
                _send(way, datagram, address)

    def _way_of(self, sender: Address) -> socket.socket:
        if sender not in self._ways:
            way = self._ways[sender] = _udp_socket()
            self._senders[way] = sender
        return self._ways[sender]


def _udp_socket() -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.setblocking(False)
    return end


def _send(way: socket.socket, datagram: bytes, address: Address) -> None:
    try:
        way.sendto(datagram, address)
    except OSError:
        return  # a network loses what it cannot carry
