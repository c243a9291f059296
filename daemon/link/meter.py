"""Path statistics that need a memory: rates and jitter."""

from daemon.link.rtp import send_time_difference_ns


class RateMeter:
    """Bytes since the last reading, as a rate."""

    def __init__(self) -> None:
        self._bytes = 0
        self._read_ns: int | None = None

    def add(self, size_bytes: int) -> None:
        self._bytes += size_bytes

    def read_kbps(self, now_ns: int) -> float:
        elapsed_ns = now_ns - self._read_ns if self._read_ns is not None else 0
        rate = self._bytes * 8e6 / elapsed_ns if elapsed_ns else 0.0
        self._bytes, self._read_ns = 0, now_ns
        return rate


class LossMeter:
    """Which share of all that came to its end since the last reading was lost, of two totals that only grow."""

    def __init__(self) -> None:
        self._lost = self._delivered = 0

    def read_percent(self, lost: int, delivered: int) -> float:
        new_lost, new_delivered = lost - self._lost, delivered - self._delivered
        self._lost, self._delivered = lost, delivered
        return 100.0 * new_lost / (new_lost + new_delivered) if new_lost else 0.0


class JitterMeter:
    """Interarrival jitter (RFC 3550, section 6.4.1), from abs-send-time."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self.jitter_ns = 0.0

    def note(self, send_time: int, arrival_ns: int) -> None:
        if self._last is not None:
            sent_ns = send_time_difference_ns(send_time, self._last[0])
            difference_ns = abs(arrival_ns - self._last[1] - sent_ns)
            self.jitter_ns += (difference_ns - self.jitter_ns) / 16
        self._last = send_time, arrival_ns
