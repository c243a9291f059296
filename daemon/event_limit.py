"""Keeps one device that chatters from pushing all other events out of sight. Pure."""

from daemon.token_bucket import TokenBucket

BURST = 20


class EventLimit:
    """BURST events at once, then as a TokenBucket gives them; the next one that is told says how many were not."""

    def __init__(self) -> None:
        self._bucket = TokenBucket(BURST)

    def admit(self, now_ns: int) -> str | None:
        """None: not to be told. Else what to add to it, mostly nothing."""
        if not self._bucket.take(now_ns):
            return None
        untold, self._bucket.untaken = self._bucket.untaken, 0
        return f" ({untold} like it were not told)" if untold else ""
