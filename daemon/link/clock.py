"""The peer's clock, from four-timestamp exchanges (the scheme of RFC 5905, section 8).

Each exchange gives a round trip and an offset that is wrong by at most half of it. The exchanges with the shortest
round trips are the least wrong; a line through those also follows the skew of the two crystals. Pure: `now_ns` is
passed in.
"""

from collections import deque
from dataclasses import dataclass

ASK_EVERY_NS = 250_000_000
ASK_EVERY_AT_FIRST_NS = 40_000_000
FIRST_EXCHANGES = 6
EXCHANGES_KEPT = 80  # 20 s at 4 Hz
ANSWER_LIMIT = 16  # questions remembered; older ones count as lost
SKEW_AFTER_NS = 5_000_000_000
MAX_SKEW = 500e-6  # crystals differ by less; a steeper line is noise
NEAR_BEST_NS = 500_000


@dataclass(frozen=True, slots=True)
class _Exchange:
    at_ns: int
    rtt_ns: int
    offset_ns: int


class PeerClock:
    """Asks, listens, and translates the peer's monotonic time into ours."""

    def __init__(self) -> None:
        self._asked: dict[int, int] = {}
        self._next_id = 1
        self._next_ask_ns = 0
        self._exchanges: deque[_Exchange] = deque(maxlen=EXCHANGES_KEPT)
        self._estimate: tuple[int, int, float] | None = None  # at_ns, offset_ns, skew
        self.rtt_ns: int | None = None  # the last round trip
        self.smoothed_rtt_ns: int | None = None

    def question_due(self, now_ns: int) -> bool:
        return now_ns >= self._next_ask_ns

    def next_timer_ns(self) -> int:
        return self._next_ask_ns

    def ask(self, now_ns: int) -> tuple[int, int]:
        """(id, t1_ns) of a new question, to be sent at once."""
        identifier, self._next_id = self._next_id, (self._next_id + 1) & 0xFFFF_FFFF
        self._asked[identifier] = now_ns
        while len(self._asked) > ANSWER_LIMIT:
            del self._asked[next(iter(self._asked))]
        known = len(self._exchanges) >= FIRST_EXCHANGES
        self._next_ask_ns = now_ns + (ASK_EVERY_NS if known else ASK_EVERY_AT_FIRST_NS)
        return identifier, now_ns

    def note_reply(self, identifier: int, t1_ns: int, t2_ns: int, t3_ns: int, now_ns: int) -> bool:
        """Take a reply in. False when it answers no open question of ours or cannot be true."""
        if self._asked.pop(identifier, None) != t1_ns:
            return False
        rtt_ns = (now_ns - t1_ns) - (t3_ns - t2_ns)
        if rtt_ns < 0 or t3_ns < t2_ns:
            return False
        offset_ns = ((t2_ns - t1_ns) + (t3_ns - now_ns)) // 2
        self._exchanges.append(_Exchange(now_ns, rtt_ns, offset_ns))
        self.rtt_ns = rtt_ns
        previous = self.smoothed_rtt_ns
        self.smoothed_rtt_ns = rtt_ns if previous is None else (7 * previous + rtt_ns) // 8
        self._estimate = self._fit()
        return True

    @property
    def min_rtt_ns(self) -> int | None:
        return min((e.rtt_ns for e in self._exchanges), default=None)

    @property
    def bound_ns(self) -> int:
        """The offset is wrong by at most this: half of the shortest round trip."""
        return (self.min_rtt_ns or 0) // 2

    def offset_ns(self, now_ns: int) -> int | None:
        """The peer's clock minus ours, or None before the first exchange."""
        if self._estimate is None:
            return None
        at_ns, offset_ns, skew = self._estimate
        return offset_ns + round((now_ns - at_ns) * skew)

    def _fit(self) -> tuple[int, int, float]:
        best_rtt_ns = min(e.rtt_ns for e in self._exchanges)
        near = [e for e in self._exchanges if e.rtt_ns <= best_rtt_ns + max(best_rtt_ns // 10, NEAR_BEST_NS)]
        best = min(near, key=lambda e: (e.rtt_ns, -e.at_ns))
        if len(near) < 8 or near[-1].at_ns - near[0].at_ns < SKEW_AFTER_NS:
            return best.at_ns, best.offset_ns, 0.0
        mid_ns = sum(e.at_ns for e in near) // len(near)
        mean_ns = sum(e.offset_ns - best.offset_ns for e in near) / len(near)
        spread = sum((e.at_ns - mid_ns) ** 2 for e in near)
        lean = sum((e.at_ns - mid_ns) * (e.offset_ns - best.offset_ns - mean_ns) for e in near)
        skew = max(-MAX_SKEW, min(MAX_SKEW, lean / spread))
        return mid_ns, best.offset_ns + round(mean_ns), skew
