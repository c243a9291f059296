"""What the page draws over its picture, and what people do on it, in the words of the page (JSON)."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from hw.overlay import Command, CommandInput, Input, Overlay, Pane, Phase, PointerInput, Shape, ToolButton

INPUTS_KEPT: Final = 256

Coordinate = Annotated[float, msgspec.Meta(ge=-20_000, le=20_000)]


class FrozenUpdate(msgspec.Struct, frozen=True):
    """The frozen picture; its JPEG is at /frozen/NUMBER.jpg."""

    number: int
    is_here: bool
    age_ms: int
    note: str
    is_large: bool
    shapes: Sequence[Shape]


class OverlayUpdate(msgspec.Struct, frozen=True):
    shapes: Sequence[Shape]
    frozen: FrozenUpdate | None
    tools: Sequence[ToolButton]

    @classmethod
    def of(cls, overlay: Overlay) -> "OverlayUpdate":
        frozen = overlay.frozen
        return cls(
            overlay.shapes,
            None
            if frozen is None
            else FrozenUpdate(
                frozen.number, frozen.pixels is not None, frozen.age_ms, frozen.note, frozen.is_large, frozen.shapes
            ),
            overlay.tools,
        )


class PagePointer(msgspec.Struct, frozen=True, tag="pointer", forbid_unknown_fields=True):
    phase: Phase
    pane: Pane
    x: Coordinate
    y: Coordinate


class PageCommand(msgspec.Struct, frozen=True, tag="command", forbid_unknown_fields=True):
    command: Command


_decoder: msgspec.json.Decoder[list[PagePointer | PageCommand]] = msgspec.json.Decoder(list[PagePointer | PageCommand])


def parse_inputs(text: str) -> list[Input]:
    """Raises ValueError for anything that the page does not send."""
    return [
        CommandInput(item.command)
        if isinstance(item, PageCommand)
        else PointerInput(item.phase, item.pane, (item.x, item.y))
        for item in _decoder.decode(text)
    ]
