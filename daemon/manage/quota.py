"""How many notes of strangers' knocking the audit log takes: a flood must not push out what matters. Pure."""

BURST = 50
PER_S = 1.0


class Quota:
    """BURST at once, then PER_S. What is not taken is counted in `untaken` until the next that is."""

    def __init__(self) -> None:
        self._tokens = float(BURST)
        self._at_ns: int | None = None
        self.untaken = 0

    def take(self, now_ns: int) -> bool:
        if self._at_ns is not None:
            self._tokens = min(BURST, self._tokens + (now_ns - self._at_ns) / 1e9 * PER_S)
        self._at_ns = now_ns
        if self._tokens < 1:
            self.untaken += 1
            return False
        self._tokens -= 1
        return True
