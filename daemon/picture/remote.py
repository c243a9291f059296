"""Picture truth at the operator's end: what the expert sees, as the receiver says it, and how old that word is.

What the sender knows for itself comes first: a silent link, a lost capture. Pure, like `picture.truth`.
"""

from daemon.link.rtcp import SourceStatus, ViewStatus
from daemon.picture.truth import LINK_SILENCE_LIMIT_NS, NO_PICTURE_MS, NOT_KNOWN_MS, Truth
from daemon.states import PictureState, SourceState

VIEW_SILENCE_LIMIT_NS = 300_000_000


class RemoteTruth:
    """Collects what the receiver says; `assess` draws the conclusion."""

    def __init__(self) -> None:
        self._authenticated_ns: int | None = None
        self._link_cause = ""
        self._source: SourceStatus | None = None
        self._view: ViewStatus | None = None
        self._view_heard_ns = 0

    def note_link(self, last_authenticated_ns: int | None, cause: str) -> None:
        self._authenticated_ns, self._link_cause = last_authenticated_ns, cause

    def note_source(self, status: SourceStatus) -> None:
        self._source = status

    def note_view(self, status: ViewStatus, now_ns: int) -> None:
        """Late ones (reordered) are ignored; a restarted receiver counts from the start."""
        previous = self._view
        if previous is not None and status.sent_ns < previous.sent_ns and status.sequence > 1:
            return
        self._view, self._view_heard_ns = status, now_ns

    def assess(self, now_ns: int) -> Truth:
        state, cause = self._state(now_ns)
        view = self._view
        if view is None or view.age_ms == NO_PICTURE_MS:
            return Truth(state, cause, 0, None, None, None)
        knows_latency = view.latency_ms != NOT_KNOWN_MS
        return Truth(
            state,
            cause,
            view.frame_id,
            age_ns=view.age_ms * 1_000_000 + now_ns - self._view_heard_ns,
            latency_ns=view.latency_ms * 1_000_000 if knows_latency else None,
            latency_bound_ns=view.latency_bound_ms * 1_000_000 if knows_latency else None,
        )

    def _state(self, now_ns: int) -> tuple[PictureState, str]:
        if self._authenticated_ns is None:
            return PictureState.LINK_STALLED, self._link_cause or "waiting for the receiver"
        if now_ns - self._authenticated_ns > LINK_SILENCE_LIMIT_NS:
            return PictureState.LINK_STALLED, self._link_cause or "nothing arrives from the receiver"
        if self._source is not None and self._source.state in (SourceState.CAPTURE_LOST, SourceState.STARTING):
            return PictureState.CAPTURE_LOST, self._source.cause
        if self._source is not None and self._source.state == SourceState.MASKED:
            return PictureState.MASKED, self._source.cause
        if self._view is None or now_ns - self._view_heard_ns > VIEW_SILENCE_LIMIT_NS:
            return PictureState.LINK_STALLED, "the receiver does not tell what it shows"
        try:
            return PictureState(self._view.state), self._view.cause
        except ValueError:
            return PictureState.DEGRADED, f"the receiver tells a state that this box does not know ({self._view.state})"
