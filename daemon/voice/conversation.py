"""What this end's voice is doing: the call, muting and push-to-talk, the cues, and what is told to the peer. Pure."""

from daemon.link.voice_status import VoiceStatus
from daemon.messages import PathReport, VoiceWish
from daemon.voice.call import Call, CallState
from daemon.voice.cue import Cue, CuePlayer

TELL_EVERY_NS = 200_000_000
REPEATS = 2  # of a change, at once: one may be lost
LOST_AFTER_NS = 1_000_000_000  # without a packet of the peer's: a cue says so
ENDING_NS = 500_000_000  # the speaker stays open for the last cue

_RINGING = {CallState.CALLING: Cue.RING_BACK, CallState.RINGING: Cue.RING}


class Conversation:
    def __init__(self, call: Call, *, push_to_talk: bool) -> None:
        self.call = call
        self.cues = CuePlayer()
        self._push_to_talk = push_to_talk
        self._is_pressed = False
        self._mutes = False
        self._state = call.state
        self._opened_ns = 0
        self._is_ending = False
        self._ended_ns = 0
        self._is_lost = False
        self._path: PathReport | None = None
        self._told: tuple[CallState, int, bool] | None = None
        self._repeats = 0
        self._next_tell_ns = 0
        self._sequence = -1

    @property
    def is_open(self) -> bool:
        """Voice flows."""
        return self.call.state is CallState.IN_CALL

    @property
    def needs_speaker(self) -> bool:
        return self.call.state is not CallState.IDLE or self._is_ending

    @property
    def is_muted(self) -> bool:
        return self._mutes or (self._push_to_talk and not self._is_pressed)

    @property
    def is_lost(self) -> bool:
        """In a call, and nothing of the peer's voice arrives."""
        return self._is_lost

    def wish(self, wish: VoiceWish, now_ns: int) -> None:
        match wish:
            case VoiceWish.MUTE:
                self._mutes = True
            case VoiceWish.UNMUTE:
                self._mutes = False
            case VoiceWish.TALK:
                self._is_pressed = True
            case VoiceWish.RELEASE:
                self._is_pressed = False
            case _:
                self.call.wish(wish, now_ns)

    def note_peer(self, status: VoiceStatus, now_ns: int) -> None:
        self.call.note_peer(status, now_ns)

    def note_path(self, path: PathReport) -> None:
        self._path = path

    def resume(self, own: VoiceStatus, now_ns: int) -> None:
        """The last word of this end before its voice process began anew."""
        if own.call == CallState.IN_CALL:
            self._mutes = own.muted and not self._push_to_talk
            self.call.resume(own.call_id, now_ns)

    def poll(self, now_ns: int, peer_heard_ns: int | None) -> None:
        """`peer_heard_ns`: when the last packet of the peer's voice came."""
        self.call.poll(now_ns)
        if self.call.state is not self._state:
            self._note_change(now_ns)
        self._is_ending = self._is_ending and now_ns - self._ended_ns < ENDING_NS
        if self.is_open:
            self._watch_loss(now_ns, max(peer_heard_ns or 0, self._opened_ns))

    def _note_change(self, now_ns: int) -> None:
        was, self._state = self._state, self.call.state
        self.cues.repeat(_RINGING.get(self._state))
        if self._state is CallState.IN_CALL:
            self._opened_ns, self._is_lost = now_ns, False
            self.cues.play(Cue.CONNECTED)
        elif was is CallState.IN_CALL:
            self._is_lost = False
            self._is_ending, self._ended_ns = True, now_ns
            self.cues.play(Cue.ENDED)

    def _watch_loss(self, now_ns: int, heard_ns: int) -> None:
        is_lost = now_ns - heard_ns > LOST_AFTER_NS
        if is_lost != self._is_lost:
            self._is_lost = is_lost
            self.cues.play(Cue.LOST if is_lost else Cue.BACK)

    # --- what is told ---

    def wants_to_tell(self, now_ns: int) -> bool:
        """At every change, with repeats, and every TELL_EVERY_NS."""
        told = (self.call.state, self.call.id, self.is_muted)
        if told != self._told:
            self._told, self._repeats = told, REPEATS
            return True
        return self._repeats > 0 or now_ns >= self._next_tell_ns

    def status(
        self, now_ns: int, *, loss_percent: int, level_dbfs: int, no_microphone: bool, no_speaker: bool
    ) -> VoiceStatus:
        """The next word to the peer."""
        self._repeats = max(0, self._repeats - 1)
        self._next_tell_ns = now_ns + TELL_EVERY_NS
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        return VoiceStatus(
            self._sequence,
            now_ns,
            self.call.id,
            self.call.state,
            self.is_muted,
            no_microphone,
            no_speaker,
            loss_percent,
            level_dbfs,
        )

    def take_events(self) -> list[tuple[str, str]]:
        return self.call.take_events()
