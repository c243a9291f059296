"""When is a case under way? Then nothing disruptive is done. Pure.

A case begins with the first live picture and ends AFTER_LAST_LIVE_NS after the last: X-ray is off for minutes in the
middle of a procedure, and a link that is down is the worst time for a restart from afar.
"""

from daemon.states import PictureState

AFTER_LAST_LIVE_NS = 10 * 60 * 1_000_000_000


class CaseWatch:
    """Told the picture's state every second or so."""

    def __init__(self) -> None:
        self._began_ns: int | None = None
        self._last_live_ns: int | None = None

    def note(self, state: PictureState, now_ns: int) -> None:
        if state is not PictureState.LIVE:
            return
        if not self.is_active(now_ns):
            self._began_ns = now_ns
        self._last_live_ns = now_ns

    def is_active(self, now_ns: int) -> bool:
        return self._last_live_ns is not None and now_ns - self._last_live_ns < AFTER_LAST_LIVE_NS

    def for_s(self, now_ns: int) -> int | None:
        """Seconds since the case began, or since the last one ended; None: there was none."""
        if self._began_ns is None or self._last_live_ns is None:
            return None
        since_ns = self._began_ns if self.is_active(now_ns) else self._last_live_ns + AFTER_LAST_LIVE_NS
        return (now_ns - since_ns) // 1_000_000_000
