"""The stretch of network between the two daemons: bad as the bench can make it, and it can be cut, moved and tapped."""

import socket
from collections import deque

from daemon.path_relay import PathConditions, PathRelay

CAPTURED_KEPT = 500


class Relay(PathRelay):
    """Carries datagrams to `receiver_port` and back until `close`."""

    def __init__(self, receiver_port: int) -> None:
        self.captured: deque[bytes] = deque(maxlen=CAPTURED_KEPT)  # what the sender sent
        self._left: list[socket.socket] = []
        super().__init__(receiver_port, PathConditions())

    def close(self) -> None:
        super().close()
        for left in self._left:
            left.close()

    @property
    def is_cut(self) -> bool:
        return self._conditions.outage

    @is_cut.setter
    def is_cut(self, is_cut: bool) -> None:
        self.change(outage=is_cut)

    def rebind(self) -> None:
        """From now on the receiver sees the sender at another port, as after a NAT rebinding."""
        moved = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        moved.connect(self._receiver)
        self._left.append(self._far)  # the thread may be waiting on it: it stays open until `close`
        self._far = moved

    def _take_forth(self, datagram: bytes) -> None:
        self.captured.append(datagram)
        super()._take_forth(datagram)
