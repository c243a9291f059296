"""A call: who rings, who answers, when it is over. Pure.

Each end tells its state again and again (`daemon.link.voice_status`); there is nothing to acknowledge, and what is
lost heals with the next. A call has an identity, chosen by who rings, so that the late word of a call that is over
rings nobody. If both ring at once, both want the same: the call stands, under the larger identity.

A call outlasts what happens to the link and to the processes: only a person ends it, or the peer's word, or the
peer's not knowing of it any more for FORGOTTEN_NS.
"""

import secrets
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from daemon.link.voice_status import VoiceStatus
from daemon.messages import VoiceWish

RING_LIMIT_NS = 45_000_000_000
FORGOTTEN_NS = 10_000_000_000
EVENTS_KEPT = 16


class CallState(IntEnum):
    """As on the wire."""

    IDLE = 0
    CALLING = 1  # this end rings the other
    RINGING = 2  # the other rings this end
    IN_CALL = 3

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")


class Call:
    """One end. `take_events` gives (what, cause) for people."""

    def __init__(
        self, *, auto_answer: bool = False, new_id: Callable[[], int] = lambda: secrets.randbits(31) + 1
    ) -> None:
        self._auto_answer = auto_answer
        self._new_id = new_id
        self.state = CallState.IDLE
        self.id = 0
        self._since_ns = 0
        self._peer: VoiceStatus | None = None
        self._forgotten_since_ns: int | None = None
        self._events: deque[tuple[str, str]] = deque(maxlen=EVENTS_KEPT)

    def take_events(self) -> list[tuple[str, str]]:
        events = list(self._events)
        self._events.clear()
        return events

    @property
    def peer(self) -> VoiceStatus | None:
        """The newest word of the peer."""
        return self._peer

    # --- what a person wants ---

    def wish(self, wish: VoiceWish, now_ns: int) -> None:
        """A wish that means nothing now is ignored: the button was pressed twice. CALL answers a call that rings."""
        if wish is VoiceWish.END and self.state is not CallState.IDLE:
            self._change(CallState.IDLE, now_ns, "call ended", "here")
        elif wish in (VoiceWish.ACCEPT, VoiceWish.CALL) and self.state is CallState.RINGING:
            self._change(CallState.IN_CALL, now_ns, "call answered", "here")
        elif wish is VoiceWish.CALL and self.state is CallState.IDLE:
            self.id = self._new_id()
            self._change(CallState.CALLING, now_ns, "calling", "")

    def resume(self, call_id: int, now_ns: int) -> None:
        """This process began anew in the middle of a call."""
        if self.state is CallState.IDLE:
            self.id = call_id
            self._change(CallState.IN_CALL, now_ns, "call goes on", "the voice process began anew")

    # --- what the peer says ---

    def note_peer(self, status: VoiceStatus, now_ns: int) -> None:
        """Words that were overtaken by newer ones are ignored; a peer that began anew counts from the start."""
        last = self._peer
        if last is not None and status.sequence > 1 and status.sent_ns < last.sent_ns:
            return
        self._peer = status
        if status.call == CallState.CALLING:
            self._note_peer_calls(status.call_id, now_ns)
        elif status.call == CallState.IN_CALL:
            self._note_peer_in_call(status.call_id, now_ns)
        elif status.call == CallState.IDLE:
            self._note_peer_idle(status.call_id, now_ns)
        if status.call_id == self.id:
            self._forgotten_since_ns = None

    def _note_peer_calls(self, call_id: int, now_ns: int) -> None:
        if self.state is CallState.IDLE and call_id != self.id:
            self.id = call_id
            self._change(CallState.RINGING, now_ns, "call rings", "")
            if self._auto_answer:
                self._change(CallState.IN_CALL, now_ns, "call answered", "by itself, as configured")
        elif self.state is CallState.CALLING:  # both ring at once
            self.id = max(self.id, call_id)
            self._change(CallState.IN_CALL, now_ns, "call answered", "both ends rang")
        elif self.state is CallState.IN_CALL and call_id != self.id:
            self._note_unknown_to_peer(now_ns)

    def _note_peer_in_call(self, call_id: int, now_ns: int) -> None:
        if self.state is CallState.CALLING:
            self.id = max(self.id, call_id)
            self._change(CallState.IN_CALL, now_ns, "call answered", "at the other end")
        elif self.state is CallState.IN_CALL and call_id != self.id:
            self.id = max(self.id, call_id)  # both rang at once, and this end heard the answer first

    def _note_peer_idle(self, call_id: int, now_ns: int) -> None:
        if self.state is CallState.IDLE:
            return
        if call_id != self.id:
            if self.state is CallState.RINGING:
                self._change(CallState.IDLE, now_ns, "missed call", "the other end rings no more")
            elif self.state is CallState.IN_CALL:
                self._note_unknown_to_peer(now_ns)
        elif self.state is CallState.RINGING:
            self._change(CallState.IDLE, now_ns, "missed call", "the other end gave up")
        elif self.state is CallState.CALLING:
            self._change(CallState.IDLE, now_ns, "call ended", "declined at the other end")
        else:
            self._change(CallState.IDLE, now_ns, "call ended", "at the other end")

    def _note_unknown_to_peer(self, now_ns: int) -> None:
        if self._forgotten_since_ns is None:
            self._forgotten_since_ns = now_ns
        elif now_ns - self._forgotten_since_ns > FORGOTTEN_NS:
            self._change(CallState.IDLE, now_ns, "call ended", "the other end knows nothing of it any more")

    # --- time ---

    def poll(self, now_ns: int) -> None:
        """Call it ten times a second or so."""
        if now_ns - self._since_ns <= RING_LIMIT_NS:
            return
        if self.state is CallState.CALLING:
            self._change(CallState.IDLE, now_ns, "call not answered", "")
        elif self.state is CallState.RINGING:
            self._change(CallState.IDLE, now_ns, "missed call", "nobody answered here")

    def _change(self, state: CallState, now_ns: int, what: str, cause: str) -> None:
        self.state, self._since_ns = state, now_ns
        self._forgotten_since_ns = None
        self._events.append((what, cause))
