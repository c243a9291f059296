"""What raw pictures need to know of a pipe: make it large, and see how much of it is unread."""

import fcntl
import struct
import termios

WISHED_BYTES = (4 << 20, 1 << 20)  # several pictures, or what an ordinary user may have (/proc/sys/fs/pipe-max-size)
PARTLY_FILLED_BYTES = 16 << 10  # of pages in the pipe that end with a picture


def enlarge_pipe(fd: int) -> None:
    """Make it hold as much as it may, never less than before."""
    for wished_bytes in WISHED_BYTES:
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) >= wished_bytes:
            break
        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, wished_bytes)
            break
        except OSError:  # beyond what this user may have
            continue


def has_room_for(fd: int, picture_bytes: int) -> bool:
    """For the whole picture, if the pipe can hold one. The reader is at most one picture behind in any case."""
    waiting_bytes, pipe_bytes = unread_bytes(fd), fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    if waiting_bytes == 0 or picture_bytes > pipe_bytes:
        return waiting_bytes <= picture_bytes
    return waiting_bytes <= picture_bytes <= pipe_bytes - waiting_bytes - PARTLY_FILLED_BYTES


def unread_bytes(fd: int) -> int:
    """How much lies in the pipe."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0])
