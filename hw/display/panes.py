"""Where the live and the frozen picture stand below the banner, and which pixel of them a point of the screen is.

Without a frozen picture the live one is as large as it can be, centred. With one, the large of the two stands at the
left, and the small one in the lower right corner, where it covers as little of the large one as it can. Labels stand
above their pictures, never on them.
"""

from dataclasses import dataclass

from hw.overlay import Pane, Position

SMALL_SHARE = 0.42  # of the room's width and height, at least
LABEL_SHARE = 0.055  # of the room's height
MIN_LABEL_HEIGHT = 26
BORDER = 4  # around the frozen picture

Size = tuple[int, int]
"""Width, height."""


@dataclass(frozen=True, slots=True)
class Rect:
    left: int
    top: int
    width: int
    height: int

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x < self.left + self.width and self.top <= y < self.top + self.height


@dataclass(frozen=True, slots=True)
class PanePlace:
    """A picture's place on the screen; `label`: the strip above it, of no height when there is none."""

    picture_size: Size
    area: Rect
    label: Rect

    def on_screen(self, position: Position) -> Position:
        """A position in the picture as one on the screen."""
        width, height = self.picture_size
        return (
            self.area.left + position[0] * self.area.width / width,
            self.area.top + position[1] * self.area.height / height,
        )

    def in_picture(self, x: float, y: float) -> Position:
        """The other way; (x, y) may be outside. The middle of a screen's pixel is half a pixel from its corner."""
        width, height = self.picture_size
        return (x - self.area.left) * width / self.area.width, (y - self.area.top) * height / self.area.height


@dataclass(frozen=True, slots=True)
class Places:
    """In the order of drawing, the small one last."""

    panes: tuple[tuple[Pane, PanePlace], ...]

    def of(self, pane: Pane) -> PanePlace | None:
        return next((place for name, place in self.panes if name is pane), None)

    def at(self, x: float, y: float) -> Pane | None:
        """The pane whose picture is seen at a point of the screen."""
        return next((name for name, place in reversed(self.panes) if place.area.holds(x, y)), None)


def places(room: Rect, live: Size | None, frozen: Size | None, *, frozen_is_large: bool) -> Places:
    """`live`, `frozen`: the pictures' sizes, None for one that is not there."""
    sizes = {Pane.LIVE: live, Pane.FROZEN: frozen}
    if frozen is None or live is None:
        alone = [
            (pane, PanePlace(size, *_with_label(room, size, pane is Pane.FROZEN, align_right=None)))
            for pane, size in sizes.items()
            if size is not None
        ]
        return Places(tuple(alone))
    large, small = (Pane.FROZEN, Pane.LIVE) if frozen_is_large else (Pane.LIVE, Pane.FROZEN)
    large_size, small_size = sizes[large], sizes[small]
    assert large_size is not None
    assert small_size is not None
    area, label = _with_label(room, large_size, large is Pane.FROZEN, align_right=False)
    beside = room.left + room.width - area.left - area.width
    box_width = min(room.width, max(beside, round(SMALL_SHARE * room.width)))
    box_height = round(SMALL_SHARE * room.height) if box_width > beside else room.height
    box = Rect(
        room.left + room.width - box_width + BORDER,
        room.top + room.height - box_height + BORDER,
        max(1, box_width - 2 * BORDER),
        max(1, box_height - 2 * BORDER),
    )
    small_place = PanePlace(small_size, *_with_label(box, small_size, True, align_right=True))
    return Places(((large, PanePlace(large_size, area, label)), (small, small_place)))


def _with_label(room: Rect, size: Size, has_label: bool, *, align_right: bool | None) -> tuple[Rect, Rect]:
    """The picture's area, and its label's. `align_right`: to the lower right, to the left, or (None) centred."""
    label_height = 0
    if has_label:
        label_height = min(room.height // 2, max(MIN_LABEL_HEIGHT, round(LABEL_SHARE * room.height)))
    rest = Rect(room.left, room.top + label_height, room.width, max(1, room.height - label_height))
    area = fitted(size, rest, align_right=align_right)
    return area, Rect(area.left, area.top - label_height, area.width, label_height)


def fitted(size: Size, room: Rect, *, align_right: bool | None = None) -> Rect:
    """As large as it can be in `room`, with its shape kept."""
    scale = min(room.width / size[0], room.height / size[1])
    width, height = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    spare_width, spare_height = room.width - width, room.height - height
    if align_right is None:
        return Rect(room.left + spare_width // 2, room.top + spare_height // 2, width, height)
    if align_right:
        return Rect(room.left + spare_width, room.top + spare_height, width, height)
    return Rect(room.left, room.top + spare_height // 2, width, height)
