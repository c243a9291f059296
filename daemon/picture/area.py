"""A rectangle of pixels."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt


class Area(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns x .. x + width - 1 and rows y .. y + height - 1 of a picture. Sizes are at least 1."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.x < 0 or self.y < 0 or self.width < 1 or self.height < 1:
            raise ValueError(f"an area of {self.width}x{self.height} at {self.x},{self.y} is not possible")

    @classmethod
    def of(cls, picture: npt.NDArray[Any]) -> "Area":
        """The whole picture."""
        return cls(0, 0, picture.shape[1], picture.shape[0])

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row after it."""
        return self.y + self.height

    def is_inside(self, other: "Area") -> bool:
        return other.x <= self.x and other.y <= self.y and self.right <= other.right and self.bottom <= other.bottom

    def meets(self, other: "Area") -> bool:
        """They share a pixel."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def overlap(self, other: "Area") -> "Area | None":
        """What they share."""
        if not self.meets(other):
            return None
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Area(x, y, min(self.right, other.right) - x, min(self.bottom, other.bottom) - y)

    def moved(self, dx: int, dy: int) -> "Area":
        return Area(self.x + dx, self.y + dy, self.width, self.height)

    def view(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The part of `picture`, not copied. Raises ValueError when the area reaches beyond it."""
        if not self.is_inside(Area.of(picture)):
            raise ValueError(f"{self} is not inside a picture of {picture.shape[1]}x{picture.shape[0]}")
        return picture[self.y : self.bottom, self.x : self.right]

    def __str__(self) -> str:
        return f"{self.width}x{self.height}+{self.x}+{self.y}"
