"""A hand at work: from presses and drags to marks of our own. Pure: no clock."""

import math
from dataclasses import dataclass
from typing import Final

from daemon.pointing.board import Board
from daemon.pointing.words import POINTS_PER_MARK, BoardWord, Colour, Mark, Point, Tool, pack_points

SMALLEST_STEP: Final = 1.5  # pixels between two points of a freehand stroke


@dataclass(frozen=True, slots=True)
class Image:
    """The image under the hand."""

    frame_id: int
    width: int
    height: int


class Drawing:
    """The stroke that is being drawn, and the tools in the hand."""

    def __init__(self, board: Board, colour: Colour) -> None:
        self._board = board
        self.tool = Tool.FREEHAND
        self.colour = colour
        self._image: Image | None = None  # while a stroke is being drawn
        self._points: list[Point] = []  # of the mark that is being drawn
        self._mark: Mark | None = None  # as it was last told to the board
        self._stroke: int | None = None
        self._is_told = True

    @property
    def is_busy(self) -> bool:
        return self._image is not None

    def press(self, image: Image, point: Point) -> list[BoardWord]:
        self._image, self._points, self._mark, self._stroke = image, [point], None, None
        self._is_told = False
        return []

    def drag(self, point: Point) -> list[BoardWord]:
        """What is full must be told; the rest waits for `tell`."""
        if self._image is None:
            return []
        if self.tool is not Tool.FREEHAND:
            self._points = [self._points[0], point]
        elif math.dist(self._points[-1], point) < SMALLEST_STEP:
            return []
        else:
            self._points.append(point)
        self._is_told = False
        if len(self._points) < POINTS_PER_MARK:
            return []
        words = self.tell()
        self._points, self._mark = [point], None
        return words

    def release(self, point: Point) -> list[BoardWord]:
        words = self.drag(point) + self.tell()
        self._image, self._mark = None, None
        return words

    def tell(self) -> list[BoardWord]:
        """The mark as it is now, if the board does not know it."""
        if self._is_told or self._image is None:
            return []
        self._is_told = True
        image = self._image
        packed = pack_points(self._points, image.width, image.height)
        if self._mark is None:
            size = (image.width, image.height)
            self._mark = self._board.new_mark(self.tool, self.colour, image.frame_id, size, packed, stroke=self._stroke)
            self._stroke = self._mark.stroke
            return [self._mark]
        changed = self._board.change(self._mark, points=packed)
        if changed is None:  # cleared by the other end meanwhile
            self._image = None
            return []
        self._mark = changed
        return [changed]

    def abandon(self) -> None:
        """The picture under the hand has gone."""
        self._image, self._mark = None, None

    def next_colour(self) -> None:
        self.colour = Colour(self.colour % len(Colour) + 1)
