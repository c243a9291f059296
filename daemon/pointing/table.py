"""One end of the table at which two people look at pictures: their hands, the board, what is drawn over the picture.

Inputs of the display and words of the peer come in with `now_ns`; small messages and the overlay come out. The same at
both ends; only the sender's end knows when the picture has moved on. Pure: no thread, socket or clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.errors import PointingError
from daemon.link.message_kinds import MessageKind
from daemon.pointing.board import Board
from daemon.pointing.drawing import Drawing, Image
from daemon.pointing.history import ImageHistory, KeptImage
from daemon.pointing.shapes import TOOL_OF_COMMAND, finger_shape, length_of, mark_shape, tool_buttons
from daemon.pointing.words import (
    Author,
    BoardWord,
    Colour,
    Finger,
    Mark,
    Tool,
    decode_board_word,
    decode_finger,
    encode,
    is_earlier,
    pack_points,
)
from hw.overlay import Command, CommandInput, FrozenPicture, Input, Overlay, Pane, Phase, PointerInput, Shape

TELL_EVERY_NS: Final = 16_000_000
SUMMARY_EVERY_NS: Final = 1_000_000_000
FINGER_AGAIN_NS: Final = 500_000_000  # a finger that rests is told again, ...
FINGER_LIMIT_NS: Final = 1_500_000_000  # ... and one that was not for so long is taken off
FADE_NS: Final = 1_500_000_000
IMAGE_WAIT_NS: Final = 1_500_000_000  # for an image to freeze that this end does not have yet
BUSY_NS: Final = 2_000_000_000  # after an input the display is asked for more sooner

Outgoing = tuple[MessageKind, bytes]

_FIRST_COLOURS = {Author.SENDER: Colour.CYAN, Author.RECEIVER: Colour.YELLOW}


@dataclass(slots=True)
class _Frozen:
    frame_id: int
    since_ns: int
    image: KeptImage | None = None


class PointingTable:
    def __init__(self, author: Author, history: ImageHistory, *, catheter_french: float) -> None:
        self._author = author
        self._history = history
        self._catheter_french = catheter_french
        self._board = Board(author)
        self._drawing = Drawing(self._board, _FIRST_COLOURS[author])
        self._outgoing: list[Outgoing] = []
        self._shown: Image | None = None
        self._frozen: _Frozen | None = None
        self._frozen_is_large = False
        self._own_finger: Finger | None = None
        self._is_finger_told = True
        self._finger_told_ns = 0
        self._told_ns = 0
        self._summary_ns = 0
        self._peer_finger: Finger | None = None
        self._peer_finger_ns = 0
        self._scene_seen: tuple[int, int] | None = None  # its stamp, and when a picture of it was first shown
        self._last_input_ns = -BUSY_NS
        self.unreadable = 0  # words of the peer
        self.notices: list[str] = []  # for the log, for the owner to take

    # --- what comes in ---

    def note_shown(self, frame_id: int, width: int, height: int) -> None:
        """The live picture that stands on this end's screen now."""
        self._shown = Image(frame_id, width, height)

    def take_message(self, kind: int, payload: bytes, now_ns: int) -> None:
        """A small message of the peer, of kind POINTER or BOARD."""
        try:
            if kind == MessageKind.POINTER:
                finger = decode_finger(payload)
                if finger.author != self._author:
                    self._peer_finger, self._peer_finger_ns = finger, now_ns
            elif kind == MessageKind.BOARD:
                self._say(self._board.take(decode_board_word(payload)))
                self._follow_freeze(now_ns)
        except PointingError:
            self.unreadable += 1

    def take_inputs(self, inputs: Sequence[Input], now_ns: int) -> None:
        for item in inputs:
            self._last_input_ns = now_ns
            if isinstance(item, CommandInput):
                self._obey(item.command, now_ns)
            else:
                self._point(item)

    def _point(self, pointer: PointerInput) -> None:
        image = self._image_in(pointer.pane)
        if image is None or pointer.phase is Phase.LEAVE:
            self._own_finger = _without_position(self._own_finger)
            self._is_finger_told = False
            return
        self._own_finger = Finger(
            self._author,
            self._drawing.colour,
            image.frame_id,
            image.width,
            image.height,
            pointer.pane is Pane.FROZEN,
            pack_points([pointer.position], image.width, image.height),
        )
        self._is_finger_told = False
        match pointer.phase:
            case Phase.PRESS:
                self._say(self._drawing.press(image, pointer.position))
            case Phase.DRAG:
                self._say(self._drawing.drag(pointer.position))
            case Phase.RELEASE:
                self._say(self._drawing.release(pointer.position))

    def _image_in(self, pane: Pane) -> Image | None:
        if pane is Pane.LIVE:
            return self._shown
        if self._frozen is None or self._frozen.image is None:
            return None
        height, width = self._frozen.image.pixels.shape
        return Image(self._frozen.frame_id, width, height)

    def _obey(self, command: Command, now_ns: int) -> None:
        board, drawing = self._board, self._drawing
        if command in TOOL_OF_COMMAND:
            drawing.tool = TOOL_OF_COMMAND[command]
            return
        match command:
            case Command.COLOUR:
                drawing.next_colour()
            case Command.UNDO:
                drawing.abandon()
                self._say(board.remove(board.newest_stroke()))
            case Command.CLEAR:
                drawing.abandon()
                self._say(board.clear())
            case Command.PIN:
                newest = board.newest_stroke()
                pinned = not all(mark.is_pinned for mark in newest)
                self._say([mark for old in newest if (mark := board.change(old, is_pinned=pinned))])
            case Command.SCALE:
                self._set_scale()
            case Command.SWAP:
                self._frozen_is_large = not self._frozen_is_large
            case Command.FREEZE:
                self._toggle_freeze(now_ns)

    def _toggle_freeze(self, now_ns: int) -> None:
        if self._board.freeze.frame_id is not None:
            self._say([self._board.set_freeze(None)])
        elif self._shown is not None:
            self._frozen_is_large = True  # who freezes wants to draw on it
            self._say([self._board.set_freeze(self._shown.frame_id)])
        self._follow_freeze(now_ns)

    def _set_scale(self) -> None:
        """The newest line of our own lies across a catheter."""
        lines = [mark for mark in self._board.newest_stroke() if mark.tool is Tool.LINE]
        if lines and (length := length_of(lines[-1])) > 0:
            self._say([self._board.set_scale(length / self._catheter_french)])

    # --- time ---

    def poll(self, now_ns: int) -> list[Outgoing]:
        """Do what is due; the messages to send."""
        self._follow_freeze(now_ns)
        self._note_scene(now_ns)
        self._remove_faded(now_ns)
        if now_ns - self._told_ns >= TELL_EVERY_NS and (words := self._drawing.tell()):
            self._told_ns = now_ns
            self._say(words)
        self._tell_finger(now_ns)
        if now_ns - self._summary_ns >= SUMMARY_EVERY_NS:
            self._summary_ns = now_ns
            self._say([self._board.summary()])
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def is_busy(self, now_ns: int) -> bool:
        """Somebody works at this end: ask the display often."""
        return now_ns - self._last_input_ns < BUSY_NS

    def _say(self, words: Sequence[BoardWord]) -> None:
        self._outgoing += [(MessageKind.BOARD, encode(word)) for word in words]

    def _tell_finger(self, now_ns: int) -> None:
        finger = self._own_finger
        if finger is None:
            return
        is_due = now_ns - self._finger_told_ns >= (FINGER_AGAIN_NS if self._is_finger_told else TELL_EVERY_NS)
        if is_due and (finger.position or not self._is_finger_told):
            self._is_finger_told, self._finger_told_ns = True, now_ns
            self._outgoing.append((MessageKind.POINTER, encode(finger)))

    def _follow_freeze(self, now_ns: int) -> None:
        """What the board says is frozen, with its image from this end's history."""
        wanted = self._board.freeze.frame_id
        if wanted is None:
            self._frozen = None
            self._frozen_is_large = False
            return
        if self._frozen is None or self._frozen.frame_id != wanted:
            self._frozen = _Frozen(wanted, now_ns)
            self._frozen_is_large &= self._board.freeze.author == self._author
        kept = self._history.get(wanted)
        if kept is not None:  # again, as its doubt may have come later
            self._frozen.image = kept
        elif self._frozen.image is None and now_ns - self._frozen.since_ns > IMAGE_WAIT_NS:
            self.notices.append("the image to freeze is not here any more; freezing ended")
            self._say([self._board.set_freeze(None)])
            self._frozen = None

    # --- strokes that fade ---

    def set_scene(self, frame_id: int) -> None:
        """The picture has moved on with this image (the sender's end alone finds it)."""
        self._say([self._board.set_scene(frame_id)])

    def _note_scene(self, now_ns: int) -> None:
        scene, shown = self._board.scene, self._shown
        if scene is None or shown is None or is_earlier(shown.frame_id, scene.frame_id):
            return
        if self._scene_seen is None or self._scene_seen[0] != scene.stamp:
            self._scene_seen = (scene.stamp, now_ns)

    def _opacity(self, mark: Mark, now_ns: int) -> float:
        scene, seen = self._board.scene, self._scene_seen
        if mark.is_pinned or self._is_on_frozen(mark) or scene is None or seen is None:
            return 1.0
        if seen[0] != scene.stamp or not is_earlier(mark.frame_id, scene.frame_id):
            return 1.0
        return max(0.0, 1.0 - (now_ns - seen[1]) / FADE_NS)

    def _remove_faded(self, now_ns: int) -> None:
        own = [mark for mark in self._board.marks() if mark.author == self._author]
        faded = [mark for mark in own if self._opacity(mark, now_ns) == 0]
        if faded:
            self._say(self._board.remove(faded))

    def _is_on_frozen(self, mark: Mark) -> bool:
        return self._board.freeze.frame_id == mark.frame_id

    # --- what is drawn ---

    def overlay(self, now_ns: int) -> Overlay:
        """What this end's display draws over the picture that was shown last."""
        marks = [(mark, self._opacity(mark, now_ns)) for mark in self._board.marks()]
        live, frozen = self._shown, self._image_in(Pane.FROZEN)
        scale = self._board.scale.pixels_per_french
        live_shapes = [
            mark_shape(mark, live, opacity, scale)
            for mark, opacity in marks
            if live is not None and opacity > 0 and not self._is_on_frozen(mark)
        ]
        frozen_shapes = [
            mark_shape(mark, frozen, 1.0, scale) for mark, _ in marks if frozen and self._is_on_frozen(mark)
        ]
        finger = self._finger_of_peer(now_ns)
        if finger is not None and finger.is_on_frozen and frozen is not None and finger.frame_id == frozen.frame_id:
            frozen_shapes.append(finger_shape(finger, frozen))
        elif finger is not None and not finger.is_on_frozen and live is not None:
            live_shapes.append(finger_shape(finger, live))
        return Overlay(
            tuple(live_shapes),
            self._frozen_picture(tuple(frozen_shapes), now_ns),
            tool_buttons(self._drawing, is_frozen=self._frozen is not None, catheter_french=self._catheter_french),
        )

    def _finger_of_peer(self, now_ns: int) -> Finger | None:
        """Our own is where our mouse or finger is: drawing it too would only cost time."""
        if now_ns - self._peer_finger_ns > FINGER_LIMIT_NS:
            return None
        return self._peer_finger if self._peer_finger and self._peer_finger.position else None

    def _frozen_picture(self, shapes: tuple[Shape, ...], now_ns: int) -> FrozenPicture | None:
        frozen = self._frozen
        if frozen is None:
            return None
        image = frozen.image
        return FrozenPicture(
            number=frozen.frame_id,
            pixels=image.pixels if image else None,
            age_ms=_steady_age_ms(now_ns - image.born_ns) if image else 0,
            note=image.doubt if image else "",
            shapes=shapes,
            is_large=self._frozen_is_large,
        )


def _without_position(finger: Finger | None) -> Finger | None:
    if finger is None:
        return None
    return Finger(finger.author, finger.colour, finger.frame_id, finger.width, finger.height, False, b"")


def _steady_age_ms(age_ns: int) -> int:
    """Rounded up to what the words show, so that equal words need no new drawing."""
    step_ns = 100_000_000 if age_ns < 10_000_000_000 else 1_000_000_000
    return -(-max(0, age_ns) // step_ns) * (step_ns // 1_000_000)
