"""Keeps one device that chatters from pushing all other events out of sight. Pure."""

BURST = 20
REFILL_NS = 1_000_000_000


class EventLimit:
    """BURST events at once, then one each REFILL_NS; the next one that is told says how many were not."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._last_ns: int | None = None
        self._untold = 0

    def admit(self, now_ns: int) -> str | None:
        """None: not to be told. Else what to add to it, mostly nothing."""
        if self._last_ns is not None:
            self._left = min(BURST, self._left + (now_ns - self._last_ns) / REFILL_NS)
        self._last_ns = now_ns
        if self._left < 1:
            self._untold += 1
            return None
        self._left -= 1
        untold, self._untold = self._untold, 0
        return f" ({untold} like it were not told)" if untold else ""
