"""The supervisor's view of voice: what both ends said last, for the status, and the way of a person's wish."""

import time
from collections.abc import Callable

from daemon.errors import UsageError
from daemon.link.voice_status import VoiceStatus
from daemon.messages import VoiceCommand, VoiceReport, VoiceWish
from daemon.panel_view import PanelCall
from daemon.voice.call import CallState
from daemon.voice.view import call_words
from hw.serial.ports import ButtonPressed, PanelEvent

REPORT_LIMIT_NS = 1_000_000_000
_PANEL_CALLS: dict[int, PanelCall] = {
    CallState.CALLING: PanelCall.CALLING,
    CallState.RINGING: PanelCall.RINGING,
    CallState.IN_CALL: PanelCall.CONNECTED,
}


class VoiceDesk:
    """`tell` hands a command to the voice process; None: this box has none."""

    def __init__(self, tell: Callable[[VoiceCommand], object] | None) -> None:
        self._tell = tell
        self._own: VoiceStatus | None = None
        self._peer: VoiceStatus | None = None
        self._own_heard_ns = 0

    def note(self, report: VoiceReport) -> None:
        if report.is_peers:
            self._peer = report.status
        else:
            self._own, self._own_heard_ns = report.status, time.monotonic_ns()

    def wish(self, wish: VoiceWish) -> None:
        """Raises UsageError when there is nobody to fulfil it."""
        if self._tell is None:
            raise UsageError("this box has no voice", "set voice.device in its configuration")
        self._tell(VoiceCommand(wish))

    def press(self, event: PanelEvent) -> None:
        """The panel's one button: it calls, answers, and ends."""
        if not isinstance(event, ButtonPressed) or self._tell is None:
            return
        is_calling = self._own is not None and self._own.call in (CallState.CALLING, CallState.IN_CALL)
        self.wish(VoiceWish.END if is_calling else VoiceWish.CALL)

    @property
    def panel_call(self) -> PanelCall:
        """How the call stands, for the panel."""
        return _PANEL_CALLS.get(self._own.call, PanelCall.NONE) if self._is_heard and self._own else PanelCall.NONE

    @property
    def _is_heard(self) -> bool:
        return time.monotonic_ns() - self._own_heard_ns <= REPORT_LIMIT_NS

    def obey(self, words: str) -> None:
        """The status socket's "voice WISH". Raises UsageError."""
        try:
            wish = VoiceWish(words)
        except ValueError:
            raise UsageError(f"voice {words!r} is unknown", f"one of: {', '.join(VoiceWish)}") from None
        self.wish(wish)

    def snapshot(self) -> dict[str, object] | None:
        """None: this box has no voice."""
        if self._tell is None:
            return None
        own, peer = self._own, self._peer
        if own is None or not self._is_heard:
            return {"call": "the voice process does not answer"}
        return {
            "call": call_words(own.call),
            "muted": own.muted,
            "microphone": not own.no_microphone,
            "speaker": not own.no_speaker,
            "level_dbfs": own.level_dbfs,
            "loss_percent": own.loss_percent,
            "peer_call": call_words(peer.call) if peer else None,
            "peer_muted": peer.muted if peer else None,
            "peer_microphone": not peer.no_microphone if peer else None,
            "peer_level_dbfs": peer.level_dbfs if peer else None,
            "peer_loss_percent": peer.loss_percent if peer else None,
        }


def describe_voice(voice: dict[str, object]) -> list[str]:
    """For a person."""
    lines = [f"  voice               {voice['call']}" + (", muted" if voice.get("muted") else "")]
    if voice.get("peer_call"):
        lines.append(f"  voice of the peer   {voice['peer_call']}" + (", muted" if voice.get("peer_muted") else ""))
    return lines
