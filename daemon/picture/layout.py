"""What a console's screen looks like: where the X-ray image is, where identity stands, how to know the screen again.

A layout belongs to one size of the source's picture. A source without identity has a layout too, which says so over a
person's name; it alone may be for any size.
"""

import datetime
import re
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from daemon.picture.area import Area
from hw.address import LARGEST_SIDE, SMALLEST_SIDE
from hw.ports import GrayPicture

ANY_SIZE = "any"
CELLS = 16  # a landmark's fingerprint has at most so many means, both ways
SMALLEST_LANDMARK = 8  # pixels, both ways
CELL_TOLERANCE_LEVELS = 4.0  # of a cell's mean: capture noise of +-2 levels moves it by less
FOREIGN_CELLS = 0.10  # share of the cells that a mouse pointer may cover
LEAST_CONTRAST_LEVELS = 8.0  # standard deviation of the cells: a flat area would match another flat one

_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.ASCII)
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Landmark(Area, frozen=True, forbid_unknown_fields=True):
    """A small part of the screen that always looks the same in this layout. `levels`: means of its cells, in hex."""

    levels: Annotated[str, msgspec.Meta(min_length=2, max_length=2 * CELLS * CELLS)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.width, self.height) < SMALLEST_LANDMARK:
            raise ValueError(f"a landmark is at least {SMALLEST_LANDMARK} pixels wide and high")
        rows, columns = _cell_count(self)
        try:
            cells = bytes.fromhex(self.levels)
        except ValueError:
            raise ValueError("levels are not hexadecimal") from None
        if len(cells) != rows * columns:
            raise ValueError(f"levels hold {len(cells)} cells, {rows * columns} belong to this size")
        if np.frombuffer(cells, np.uint8).std() < LEAST_CONTRAST_LEVELS:
            raise ValueError("a landmark needs structure, such as fixed words or a logo")

    @classmethod
    def seen_in(cls, picture: GrayPicture, area: Area) -> "Landmark":
        """The landmark that `area` of the whole source picture is. Raises ValueError when it is no good as one."""
        cells = np.rint(_cell_means(area.view(picture))).astype(np.uint8)
        landmark = cls(area.x, area.y, area.width, area.height, cells.tobytes().hex())
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            x, y = area.x + dx, area.y + dy
            part = picture[max(y, 0) : y + area.height, max(x, 0) : x + area.width]
            if part.shape == (area.height, area.width) and landmark.matches(part):
                raise ValueError(
                    "a screen that moved by a pixel would match this landmark: draw it tighter around words"
                )
        return landmark

    def matches(self, part: GrayPicture) -> bool:
        """Whether `part`, this landmark's area of a picture, still looks the same."""
        stored = np.frombuffer(bytes.fromhex(self.levels), np.uint8).reshape(_cell_count(self))
        foreign = np.abs(_cell_means(part) - stored) > CELL_TOLERANCE_LEVELS
        return float(foreign.mean()) <= FOREIGN_CELLS


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One look of the source's screen. Areas are in the pixels of the source's whole picture."""

    size: str  # "1920x1080", or "any"
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""
    image: Area | None = None  # where the X-ray image is; None: everywhere
    identity: Annotated[tuple[Area, ...], msgspec.Meta(max_length=64)] = ()
    landmarks: Annotated[tuple[Landmark, ...], msgspec.Meta(max_length=16)] = ()
    no_identity: bool = False
    signed_off_by: Text | None = None
    signed_off_on: datetime.date | None = None

    def __post_init__(self) -> None:
        if self.no_identity:
            self._check_without_identity()
        else:
            self._check_with_identity()
        if self.is_for_any_size:
            return
        if self.image is not None and min(self.image.width, self.image.height) < SMALLEST_SIDE:
            raise ValueError(f"the image area {self.image} is under {SMALLEST_SIDE} pixels wide or high")
        whole = self._whole()
        for area in (*([self.image] if self.image else []), *self.identity, *self.landmarks):
            if not area.is_inside(whole):
                raise ValueError(f"the area {area} is not inside {self.size}")

    def _check_without_identity(self) -> None:
        if self.identity:
            raise ValueError("a layout with no_identity has no identity areas: leave out one of them")
        if self.signed_off_by is None or self.signed_off_on is None:
            raise ValueError("no_identity needs signed_off_by and signed_off_on: who answers for it, since when")
        if self.is_for_any_size and (self.image is not None or self.landmarks):
            raise ValueError('a layout for size "any" has neither image nor landmarks')

    def _check_with_identity(self) -> None:
        if not self.identity:
            raise ValueError("there is no identity area: draw one, or set no_identity = true and sign it off")
        if not self.landmarks:
            raise ValueError("there is no landmark: without one a changed screen would not be noticed")
        if self.is_for_any_size:
            raise ValueError('size "any" is for no_identity alone')
        if any(landmark.meets(box) for landmark in self.landmarks for box in self.identity):
            raise ValueError("a landmark overlaps an identity area, which does not stay the same")

    def _whole(self) -> Area:
        match = _SIZE.fullmatch(self.size)
        sides = (int(match[1]), int(match[2])) if match else (0, 0)
        if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
            raise ValueError(f"size {self.size!r} is not good: write WIDTHxHEIGHT, for example 1920x1080")
        return Area(0, 0, *sides)

    @property
    def is_for_any_size(self) -> bool:
        return self.size == ANY_SIZE

    def is_for(self, width: int, height: int) -> bool:
        return self.is_for_any_size or self.size == f"{width}x{height}"

    def image_area(self, width: int, height: int) -> Area:
        """Where the X-ray image is in a source picture of that size."""
        return self.image or Area(0, 0, width, height)


@dataclass(frozen=True, slots=True)
class LayoutBook:
    """The layouts of a source. An empty book knows no screen, so nothing is let through."""

    layouts: tuple[Layout, ...] = ()

    def __post_init__(self) -> None:
        for layout in self.layouts:
            if layout.landmarks or len(self.layouts) == 1:
                continue
            if layout.is_for_any_size or sum(other.size == layout.size for other in self.layouts) > 1:
                raise ValueError(
                    f"a layout without identity and without landmarks for size {layout.size} would let through "
                    "whatever the others do not know: take it out"
                )

    def for_size(self, width: int, height: int) -> tuple[Layout, ...]:
        """The layouts to try."""
        return tuple(layout for layout in self.layouts if layout.is_for(width, height))


def without_identity(signed_off_by: str, signed_off_on: datetime.date) -> LayoutBook:
    """A source that shows no identity at any size."""
    layout = Layout(ANY_SIZE, no_identity=True, signed_off_by=signed_off_by, signed_off_on=signed_off_on)
    return LayoutBook((layout,))


def _cell_count(area: Area) -> tuple[int, int]:
    """(rows, columns)."""
    return min(CELLS, area.height), min(CELLS, area.width)


def _cell_means(part: GrayPicture) -> npt.NDArray[np.float64]:
    """Mean levels of the cells that `part` is divided into, as evenly as whole pixels allow."""
    height, width = part.shape
    rows, columns = min(CELLS, height), min(CELLS, width)
    tops, lefts = np.arange(rows) * height // rows, np.arange(columns) * width // columns
    sums = np.add.reduceat(np.add.reduceat(part, tops, axis=0, dtype=np.uint32), lefts, axis=1, dtype=np.uint32)
    heights, widths = np.diff([*tops, height]), np.diff([*lefts, width])
    means: npt.NDArray[np.float64] = sums / np.outer(heights, widths)
    return means
