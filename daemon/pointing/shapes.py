"""From marks and fingers to the shapes that a display draws over a picture, whatever size that picture has now."""

import math
from functools import lru_cache
from typing import Final

from daemon.pointing.board import MARKS_PER_AUTHOR
from daemon.pointing.drawing import Drawing, Image
from daemon.pointing.words import Colour, Finger, Mark, Tool, unpack_points
from hw.overlay import Command, Position, Rgb, Shape, ShapeKind, ToolButton

TOOL_OF_COMMAND: Final = {
    Command.FREEHAND: Tool.FREEHAND,
    Command.ARROW: Tool.ARROW,
    Command.CIRCLE: Tool.CIRCLE,
    Command.LINE: Tool.LINE,
}

_RGB: dict[Colour, Rgb] = {
    Colour.YELLOW: (255, 214, 10),
    Colour.CYAN: (64, 210, 255),
    Colour.GREEN: (92, 224, 120),
    Colour.MAGENTA: (255, 110, 220),
}
_KINDS = {
    Tool.FREEHAND: ShapeKind.PATH,
    Tool.ARROW: ShapeKind.ARROW,
    Tool.CIRCLE: ShapeKind.CIRCLE,
    Tool.LINE: ShapeKind.PATH,
}


@lru_cache(maxsize=2 * MARKS_PER_AUTHOR)
def mark_shape(mark: Mark, image: Image, opacity: float, pixels_per_french: float) -> Shape:
    points = positions(mark.points, mark.width, mark.height, image)
    label = length_words(length_of(mark), pixels_per_french) if mark.tool is Tool.LINE else ""
    return Shape(_KINDS[mark.tool], points, _RGB[mark.colour], opacity, label)


def finger_shape(finger: Finger, image: Image) -> Shape:
    points = positions(finger.position, finger.width, finger.height, image)
    return Shape(ShapeKind.FINGER, points, _RGB[finger.colour])


def positions(packed: bytes, width: int, height: int, image: Image) -> tuple[Position, ...]:
    """Points of an image of `width` times `height` in `image`, which may have come to another resolution since."""
    points = unpack_points(packed)
    if (width, height) == (image.width, image.height):
        return tuple(points)
    return tuple((x * image.width / width, y * image.height / height) for x, y in points)


def length_of(mark: Mark) -> float:
    """In pixels of its image, from its first point to its last."""
    points = unpack_points(mark.points)
    return math.dist(points[0], points[-1])


def length_words(pixels: float, pixels_per_french: float) -> str:
    words = f"{pixels:.1f} px"
    return f"{words}, {pixels / pixels_per_french:.1f} F" if pixels_per_french > 0 else words


def tool_buttons(drawing: Drawing, *, is_frozen: bool, catheter_french: float) -> tuple[ToolButton, ...]:
    """The strip for hands without a keyboard."""
    tools = [ToolButton(command, command.value, drawing.tool is tool) for command, tool in TOOL_OF_COMMAND.items()]
    return (
        ToolButton(Command.FREEZE, "freeze", is_frozen),
        ToolButton(Command.SWAP, "swap"),
        *tools,
        ToolButton(Command.COLOUR, "colour", colour=_RGB[drawing.colour]),
        ToolButton(Command.PIN, "pin"),
        ToolButton(Command.SCALE, f"= {catheter_french:g} F"),
        ToolButton(Command.UNDO, "undo"),
        ToolButton(Command.CLEAR, "clear"),
    )
