"""What raw pictures need to know of a pipe: make it large, and see how much of it is unread."""

import fcntl
import struct
import termios

WISHED_BYTES = (4 << 20, 1 << 20)  # several pictures, or what an ordinary user may have (/proc/sys/fs/pipe-max-size)


def enlarge_pipe(fd: int) -> int:
    """Make it hold as much as it may, never less than before; returns how much that is, in bytes."""
    for wished_bytes in WISHED_BYTES:
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) >= wished_bytes:
            break
        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, wished_bytes)
            break
        except OSError:  # beyond what this user may have
            continue
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def unread_bytes(fd: int) -> int:
    """How much lies in the pipe."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0])
