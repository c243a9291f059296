"""The jitter buffer: which packet is played when, and how long voice waits for packets that are late. Pure.

Media time is counted in samples (the RTP timestamp without its wrap). A packet's *delay* is when it came, itself or as
a redundant copy, less its media time: the clocks' offset is in it and cancels. The play-out delay, how far the
playhead is behind, is steered to the delay that 99 % of the recent packets had, and a margin. The steering is done by
the caller, who plays a little faster or slower (`speed`); here it is only told by how much.

A packet that is not there when it is due is concealed. When a newer one is there it is lost, and media time goes on.
When none is, it may be late: media time is held for at most HOLD_LIMIT, which makes the play-out delay longer at once.
"""

from collections import deque
from dataclasses import dataclass

from hw.audio.ports import RATE_HZ

CONCEAL_SAMPLES = RATE_HZ // 100
HOLD_LIMIT_SAMPLES = 6 * CONCEAL_SAMPLES
FIRST_SPREAD_NS = 15_000_000  # of delays, before any is known
MARGIN_NS = 7_000_000  # a block of 5 ms is asked for as a whole, and not to the millisecond
WINDOW_PACKETS = 256
QUANTILE = 0.99
CAP_NS = 200_000_000  # of buffered voice: more is never played late, but left out
RESTART_SAMPLES = 2 * RATE_HZ  # a leap in media time by more: the sender began anew
GAIN_PER_S = 1.0  # speed per second of error
SLOWEST, FASTEST = 0.97, 1.05
SMOOTHING = 0.05  # of the error, a block


@dataclass(frozen=True, slots=True)
class Play:
    """Decode this packet."""

    packet: bytes
    samples: int


@dataclass(frozen=True, slots=True)
class Conceal:
    """Nothing is there for so many samples."""

    samples: int


class JitterBuffer:
    def __init__(self) -> None:
        self._packets: dict[int, tuple[bytes, int]] = {}  # by media time: the packet and its samples
        self._delays: deque[int] = deque(maxlen=WINDOW_PACKETS)
        self._seen: deque[int] = deque(maxlen=WINDOW_PACKETS)
        self._due: int | None = None  # media time of what is decoded next
        self._held = 0
        self._error_ns = 0.0
        self.target_ns = 0  # the play-out delay to have, on the scale of the packets' delays
        self.concealed_samples = 0
        self.late = 0
        self.skipped = 0
        self.restarts = 0

    def put(self, media_time: int, packet: bytes, samples: int, now_ns: int) -> None:
        """A packet came, itself or as a copy; only the first of these counts."""
        if self._due is not None and abs(media_time - self._due) > RESTART_SAMPLES:
            self._restart()
        if media_time in self._seen:
            return
        self._seen.append(media_time)
        self._delays.append(now_ns - _ns(media_time))
        self.target_ns = self._find_target_ns()
        if self._due is not None and media_time < self._due:
            self.late += 1
            return
        self._packets[media_time] = packet, samples
        self._keep_cap(now_ns)

    def _find_target_ns(self) -> int:
        ordered = sorted(self._delays)
        spread_ns = FIRST_SPREAD_NS if len(ordered) < WINDOW_PACKETS // 8 else 0
        return ordered[min(int(QUANTILE * len(ordered)), len(ordered) - 1)] + MARGIN_NS + spread_ns

    def _restart(self) -> None:
        self.restarts += 1
        self._packets.clear()
        self._delays.clear()
        self._seen.clear()
        self._due = None

    def _keep_cap(self, now_ns: int) -> None:
        if self._due is None:
            return
        newest = max(self._packets)
        if _ns(newest - self._due) > CAP_NS:
            wanted = media_time_at(now_ns - self.target_ns)
            left = sorted(time for time in self._packets if time >= min(wanted, newest))
            self.skipped += len(self._packets) - len(left)
            self._packets = {time: self._packets[time] for time in left}
            self._due = left[0]

    def take(self, now_ns: int) -> Play | Conceal | None:
        """What to decode next; None: nothing has come yet, or it is too early to begin."""
        if self._due is None:
            if not self._packets or now_ns - _ns(min(self._packets)) < self.target_ns:
                return None
            self._due = min(self._packets)
            self._error_ns = 0.0
        following = self._following()
        if following is not None and self._held:
            self._due += min(self._held, following - self._due)  # it is lost: what was concealed was its place
            self._held = 0
        if following == self._due:
            packet, samples = self._packets.pop(self._due)
            self._due += samples
            return Play(packet, samples)
        missing = CONCEAL_SAMPLES
        if following is not None:
            missing = min(missing, following - self._due)
            self._due += missing
        elif self._held >= HOLD_LIMIT_SAMPLES:
            self._due += missing  # an outage: time goes on
        else:
            self._held += missing
        self.concealed_samples += missing
        return Conceal(missing)

    def _following(self) -> int | None:
        """Media time of the first packet that is not yet due; what overlaps the one before is left out."""
        assert self._due is not None
        while self._packets:
            following = min(self._packets)
            if following >= self._due:
                return following
            del self._packets[following]
            self.skipped += 1
        return None

    def speed(self, decoded_samples: float, now_ns: int) -> float:
        """Input samples for each output sample; call once a block. `decoded_samples` are decoded and not yet played."""
        if self._due is None:
            return 1.0
        delay_ns = now_ns - _ns(self._due) + decoded_samples * 1e9 / RATE_HZ
        self._error_ns += SMOOTHING * (delay_ns - self.target_ns - self._error_ns)
        return min(max(1.0 + GAIN_PER_S * self._error_ns / 1e9, SLOWEST), FASTEST)

    def delay_ns(self, decoded_samples: float, now_ns: int) -> int | None:
        """How far the playhead is behind the newest packet's arrival at its best; None while nothing is played."""
        if self._due is None or not self._delays:
            return None
        return round(now_ns - _ns(self._due) + decoded_samples * 1e9 / RATE_HZ) - min(self._delays)


def _ns(samples: int) -> int:
    return samples * 1_000_000_000 // RATE_HZ


def media_time_at(time_ns: int) -> int:
    """Samples."""
    return time_ns * RATE_HZ // 1_000_000_000


class TimestampUnwrapper:
    """RTP timestamps (32 bits) counted on without end, never negative."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, timestamp: int) -> int:
        if self._last is None:
            self._last = (1 << 32) + timestamp
        else:
            self._last += (timestamp - self._last + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        return self._last
