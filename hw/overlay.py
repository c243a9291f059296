"""What a display draws over its picture, and what people do on it. All positions are pixels of the picture.

(0.0, 0.0) is the upper left corner of the first pixel, (0.5, 0.5) its middle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the ports speak of overlays
    from hw.ports import Picture

Rgb = tuple[int, int, int]
Position = tuple[float, float]


class ShapeKind(StrEnum):
    PATH = "path"  # through all points
    ARROW = "arrow"  # from the first point, head at the last
    CIRCLE = "circle"  # around the first point, through the last
    FINGER = "finger"  # somebody points at the first point


@dataclass(frozen=True, slots=True)
class Shape:
    kind: ShapeKind
    points: tuple[Position, ...]
    colour: Rgb
    opacity: float = 1.0
    label: str = ""


class Pane(StrEnum):
    """Where on a display: the live picture, or the frozen one beside it."""

    LIVE = "live"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class FrozenPicture:
    """A picture that stays while the live one goes on."""

    number: int  # another one for another picture
    pixels: Picture | None = field(compare=False)  # None: this end does not have it (yet)
    age_ms: int  # stands above it in large letters, with FROZEN
    note: str  # what else must be known of it; may be empty
    shapes: tuple[Shape, ...]
    is_large: bool  # it has most of the room, and the live picture the corner


class Command(StrEnum):
    """What a key or a button of the tool strip asks for."""

    FREEZE = "freeze"  # or end it
    SWAP = "swap"  # the frozen picture large and the live one small, or the other way round
    FREEHAND = "freehand"
    ARROW = "arrow"
    CIRCLE = "circle"
    LINE = "line"
    COLOUR = "colour"
    PIN = "pin"
    SCALE = "scale"
    UNDO = "undo"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class ToolButton:
    command: Command
    label: str
    is_active: bool = False
    colour: Rgb | None = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """Everything over the live picture; it never reaches the banner."""

    shapes: tuple[Shape, ...] = ()
    frozen: FrozenPicture | None = None
    tools: tuple[ToolButton, ...] = ()


NOTHING_OVER = Overlay()


class Phase(StrEnum):
    HOVER = "hover"  # moved without being pressed
    PRESS = "press"
    DRAG = "drag"
    RELEASE = "release"
    LEAVE = "leave"  # of the picture, or the window


@dataclass(frozen=True, slots=True)
class PointerInput:
    """A mouse, a finger on a touch screen or a pen. A drag stays with its pane and may leave the picture's edge."""

    phase: Phase
    pane: Pane
    position: Position


@dataclass(frozen=True, slots=True)
class CommandInput:
    command: Command


Input = PointerInput | CommandInput
