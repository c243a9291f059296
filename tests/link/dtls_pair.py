"""A client and a server of DTLS joined in memory, on a clock that the test turns."""

import heapq
from collections.abc import Callable, Sequence

from daemon.link.dtls import DtlsAssociation, DtlsListener, DtlsState
from provisioning.identity import Identity

ADDRESS = ("192.0.2.7", 40123)
SENDER = "sender.test.cathlink"
RECEIVER = "receiver.test.cathlink"

ON_TIME = (10_000_000,)
LOST: tuple[int, ...] = ()
Fate = Callable[[str, int, bytes], Sequence[int]]


class DtlsPair:
    """`fate(sender, n, datagram)`: after how many ns each copy of the n-th datagram of "client" or "server" arrives."""

    def __init__(
        self,
        client_identity: Identity,
        server_identity: Identity,
        fate: Fate = lambda sender, n, datagram: ON_TIME,
    ) -> None:
        self.client = DtlsAssociation(client_identity, peer_name=RECEIVER)
        self.listener = DtlsListener(server_identity, peer_name=SENDER)
        self.server: DtlsAssociation | None = None
        self.now_ns = 0
        self.sent: dict[str, list[bytes]] = {"client": [], "server": []}
        self.messages: dict[str, list[bytes]] = {"client": [], "server": []}  # by who received them
        self.fate = fate
        self._under_way: list[tuple[int, int, str, bytes]] = []  # a heap: when, order, from whom, what
        self._order = 0

    def handshake(self) -> None:
        """Run until both ends have left HANDSHAKING and nothing is under way."""
        self.client.start(self.now_ns)
        self.run()

    def run(self) -> None:
        """Carry datagrams and call timers, each at its time, until there are neither."""
        self._send()
        while (due_ns := self._next_ns()) is not None:
            self.now_ns = max(self.now_ns, due_ns)
            if self._under_way and self._under_way[0][0] <= self.now_ns:
                _, _, sender, datagram = heapq.heappop(self._under_way)
                self.deliver(sender, datagram)
            for end in self._ends():
                end.handle_timeout(self.now_ns)
            self._send()

    def deliver(self, sender: str, datagram: bytes) -> None:
        if sender == "server":
            self.messages["client"] += self.client.receive(datagram, self.now_ns)
        elif self.server is None:
            self.server = self.listener.receive(datagram, ADDRESS, self.now_ns)
        else:
            self.messages["server"] += self.server.receive(datagram, self.now_ns)

    def _ends(self) -> list[DtlsAssociation]:
        return [self.client, self.server] if self.server else [self.client]

    def _next_ns(self) -> int | None:
        due = [end.next_timer_ns for end in self._ends() if end.state is DtlsState.HANDSHAKING]
        arrivals = [self._under_way[0][0]] if self._under_way else []
        return min([*(when for when in due if when is not None), *arrivals], default=None)

    def _send(self) -> None:
        from_server = self.listener.datagrams_to_send() + (self.server.datagrams_to_send() if self.server else [])
        for sender, datagrams in (("client", self.client.datagrams_to_send()), ("server", from_server)):
            for datagram in datagrams:
                for delay_ns in self.fate(sender, len(self.sent[sender]), datagram):
                    heapq.heappush(self._under_way, (self.now_ns + delay_ns, self._order, sender, datagram))
                    self._order += 1
                self.sent[sender].append(datagram)
