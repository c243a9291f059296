"""A message pipe between two processes of the appliance: whole messages, bounded, and no writer ever waits for long.

A Unix socket pair of type SEQPACKET keeps message borders, so a process killed in the middle of a write leaves no
half message behind. The kernel's socket buffer is the bound. A message too large for one datagram (a lossless IDR is
a megabyte) travels in a memory file whose descriptor is passed along.
"""

import array
import os
import select
import socket
from typing import Generic, TypeVar

import msgspec

from daemon.errors import ChannelClosedError

IN_LINE_BYTES = 64 * 1024
SOCKET_BUFFER_BYTES = 1024 * 1024  # the kernel may grant less

M = TypeVar("M")


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a new pipe, ready to be handed to two processes."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        end.setblocking(False)
    return ends


class Channel(Generic[M]):
    """One end. `send` may be called from several threads, `receive` from one.

    `messages` is the union of the struct types that may arrive. A message that does not decode is counted in
    `unreadable`, one that found the pipe full in `drops`.
    """

    def __init__(self, end: socket.socket, messages: type[M] | object) -> None:
        self._end = end
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(messages)
        self._buffer = bytearray(IN_LINE_BYTES)
        self.drops = 0
        self.unreadable = 0

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()

    def send(self, message: msgspec.Struct, timeout_s: float = 0.0) -> bool:
        """Hand `message` over. False: the pipe stayed full for `timeout_s` and the message was dropped.

        Raises ChannelClosedError when the other end is gone for good.
        """
        data = self._encoder.encode(message)
        while True:
            try:
                if len(data) <= IN_LINE_BYTES:
                    self._end.send(data)
                else:
                    self._send_memory_file(data)
                return True
            except BlockingIOError:
                if timeout_s <= 0 or not select.select([], [self._end], [], timeout_s)[1]:
                    self.drops += 1
                    return False
                timeout_s = 0.0
            except (BrokenPipeError, ConnectionResetError, OSError) as error:
                raise ChannelClosedError("the process at the other end has gone") from error

    def _send_memory_file(self, data: bytes) -> None:
        memory = os.memfd_create("cathlink-message", os.MFD_CLOEXEC)
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(data)
            socket.send_fds(self._end, [b"\0"], [memory])
        finally:
            os.close(memory)

    def receive(self, timeout_s: float | None = None) -> M | None:
        """The next message, or None when none came within `timeout_s` (None: wait for ever; 0: do not wait).

        Raises ChannelClosedError when the other end is gone for good.
        """
        while True:
            try:
                size, ancillary, _, _ = self._end.recvmsg_into([self._buffer], socket.CMSG_SPACE(4))
            except BlockingIOError:
                if not select.select([self._end], [], [], timeout_s)[0]:
                    return None
                continue
            except OSError as error:
                raise ChannelClosedError("the channel was closed") from error
            if size == 0:
                raise ChannelClosedError("the process at the other end has gone")
            data: memoryview | bytes = memoryview(self._buffer)[:size]
            if ancillary:
                data = _read_memory_file(ancillary[0][2])
            try:
                return self._decoder.decode(data)
            except (msgspec.DecodeError, msgspec.ValidationError):
                self.unreadable += 1


def _read_memory_file(ancillary: bytes) -> bytes:
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[: len(ancillary) - len(ancillary) % descriptors.itemsize])
    with open(descriptors[0], "rb") as file:
        file.seek(0)
        return file.read()
