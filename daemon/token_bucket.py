"""So much at once, then one each REFILL_NS: what keeps a flood from pushing out what matters. Pure."""

REFILL_NS = 1_000_000_000


class TokenBucket:
    """`burst` at once. What is not taken is counted in `untaken`, until its owner has told of it."""

    def __init__(self, burst: int) -> None:
        self._burst = burst
        self._tokens = float(burst)
        self._last_ns: int | None = None
        self.untaken = 0

    def take(self, now_ns: int) -> bool:
        if self._last_ns is not None:
            self._tokens = min(self._burst, self._tokens + (now_ns - self._last_ns) / REFILL_NS)
        self._last_ns = now_ns
        if self._tokens < 1:
            self.untaken += 1
            return False
        self._tokens -= 1
        return True
