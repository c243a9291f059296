"""The one UDP socket of the link. Nothing else in the daemon touches the network's datagrams."""

import contextlib
import errno
import socket

from daemon.errors import LinkError
from daemon.link.transport import Address

BUFFER_BYTES = 4 * 1024 * 1024  # the kernel may grant less
MAX_DATAGRAM_BYTES = 2048
RECEIVE_AT_ONCE = 64
DSCP_EXPEDITED = 46 << 2


class UdpSocket:
    """Not blocking. Network trouble is not an error here: what cannot be sent counts as lost."""

    def __init__(self, bind: Address | None, family: int) -> None:
        """Raises LinkError when the address cannot be had."""
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        if family == socket.AF_INET:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, DSCP_EXPEDITED)
        self._socket.setblocking(False)
        self.unsent = 0
        if bind is not None:
            try:
                self._socket.bind(bind)
            except OSError as error:
                self._socket.close()
                remedy = (
                    "another program has it; stop that or choose another port"
                    if error.errno == errno.EADDRINUSE
                    else ""
                )
                raise LinkError(f"link.listen: {bind[0]}:{bind[1]}: {error.strerror}", remedy) from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[tuple[bytes, Address]]:
        """What has come, at most RECEIVE_AT_ONCE."""
        datagrams: list[tuple[bytes, Address]] = []
        while len(datagrams) < RECEIVE_AT_ONCE:
            try:
                datagram, address = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of an earlier datagram: the peer is not there yet
                continue
            datagrams.append((datagram, address[:2]))
        return datagrams

    def send(self, datagram: bytes, address: Address) -> None:
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            self.unsent += 1

    def close(self) -> None:
        self._socket.close()


def resolve(host: str, port: int, where: str) -> tuple[int, Address]:
    """(family, address) of a name or number. Raises LinkError naming the key `where`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise LinkError(
            f"{where}: {host} does not resolve ({error.strerror})", "check the name, or give a number"
        ) from error
    return family, (str(address[0]), int(address[1]))
