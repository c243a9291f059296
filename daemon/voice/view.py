"""Voice as it stands beside the picture: one line from what both ends say. Pure."""

from daemon.link.voice_status import VoiceStatus
from daemon.messages import VoiceReport
from daemon.voice.call import CallState

SILENCE_LIMIT_NS = 1_500_000_000


def call_words(call: int) -> str:
    try:
        return CallState(call).words
    except ValueError:  # a newer peer
        return f"UNKNOWN ({call})"


class VoiceView:
    """Collects the reports of both ends; `words` is the line."""

    def __init__(self) -> None:
        self._own: VoiceStatus | None = None
        self._peer: VoiceStatus | None = None
        self._own_heard_ns = 0
        self._peer_heard_ns = 0

    def note(self, report: VoiceReport, now_ns: int) -> None:
        if report.is_peers:
            self._peer, self._peer_heard_ns = report.status, now_ns
        else:
            self._own, self._own_heard_ns = report.status, now_ns

    def words(self, now_ns: int) -> str:
        """Empty when this box has no voice, or no call."""
        own = self._own
        if own is None:
            return ""
        if now_ns - self._own_heard_ns > SILENCE_LIMIT_NS:
            return "VOICE LOST" if own.call == CallState.IN_CALL else ""
        if own.call == CallState.IDLE:
            return ""
        if own.call != CallState.IN_CALL:
            return call_words(own.call)
        return ", ".join(["IN CALL", *self._flaws(own, now_ns)])

    def _flaws(self, own: VoiceStatus, now_ns: int) -> list[str]:
        peer = self._peer
        is_heard = peer is not None and now_ns - self._peer_heard_ns < SILENCE_LIMIT_NS
        flaws = [
            (own.muted, "MUTED HERE"),
            (own.no_microphone, "NO MICROPHONE"),
            (own.no_speaker, "NO SPEAKER"),
            (not is_heard, "THE OTHER END IS SILENT"),
        ]
        if peer is not None and is_heard:
            flaws += [
                (peer.muted, "MUTED THERE"),
                (peer.no_microphone, "NO MICROPHONE THERE"),
                (peer.no_speaker, "NOT HEARD THERE"),
            ]
        return [words for applies, words in flaws if applies]
