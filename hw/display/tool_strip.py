"""The small strip of buttons for hands without a keyboard: where each button stands, and which one a touch meets."""

from dataclasses import dataclass

from hw.display.panes import Rect
from hw.overlay import Command, ToolButton

LARGEST_BUTTON = 64  # pixels; a finger needs about 9 mm
GAP = 2
STRIP_WIDTH = LARGEST_BUTTON + GAP


@dataclass(frozen=True, slots=True)
class PlacedButton:
    button: ToolButton
    rect: Rect


def with_tool_strip(room: Rect, buttons: tuple[ToolButton, ...]) -> tuple[Rect, tuple[PlacedButton, ...]]:
    """The buttons one below the other at the room's right border, and the room that they leave to the pictures."""
    if not buttons:
        return room, ()
    side = max(1, min(LARGEST_BUTTON, room.height // len(buttons) - GAP, room.width // 4))
    left = room.left + room.width - side
    placed = tuple(
        PlacedButton(button, Rect(left, room.top + i * (side + GAP), side, side)) for i, button in enumerate(buttons)
    )
    return Rect(room.left, room.top, room.width - side - GAP, room.height), placed


def command_at(placed: tuple[PlacedButton, ...], x: float, y: float) -> Command | None:
    return next((button.button.command for button in placed if button.rect.holds(x, y)), None)
