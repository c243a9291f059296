"""The supervisor's view of voice: what both ends said last, for the status, and the way of a person's wish."""

import time
from collections.abc import Callable

from daemon.errors import UsageError
from daemon.link.voice_status import VoiceStatus
from daemon.messages import VoiceCommand, VoiceReport, VoiceWish
from daemon.voice.view import call_words

REPORT_LIMIT_NS = 1_000_000_000


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
        if own is None or time.monotonic_ns() - self._own_heard_ns > REPORT_LIMIT_NS:
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
