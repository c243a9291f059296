"""Shapes as triangles: what a renderer fills. A dark rim keeps a stroke visible on white bone and on black air."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hw.display.panes import PanePlace
from hw.overlay import Position, Shape, ShapeKind

Triangles = npt.NDArray[np.float32]
"""Shape (3 n, 2): corners on the screen, three a triangle."""

LINE_SHARE = 1 / 320  # of the pane's height
THINNEST = 2.0  # pixels of the screen: then the pixel under a point of the stroke is always filled
RIM_SHARE = 0.6  # of the line's width, on each side
CIRCLE_CORNERS = 48
JOINT_CORNERS = 8
HEAD_LINES = 6.0  # length of an arrow's head, in widths of the line
FINGER_LINES = 4.0  # radius of the ring around the dot


def line_width(place: PanePlace) -> float:
    return max(THINNEST, place.area.height * LINE_SHARE)


def rim_width(place: PanePlace) -> float:
    return line_width(place) * RIM_SHARE


def triangles(shape: Shape, place: PanePlace, *, wider: float = 0.0) -> Triangles:
    """The shape on the screen, `wider` pixels more on each side.

    Corners are whole pixels: SDL's software renderer would cut their fractions off, and strokes would stand too high.
    """
    return np.rint(_corners(shape, place, wider))


def _corners(shape: Shape, place: PanePlace, wider: float) -> Triangles:
    points = [place.on_screen(point) for point in shape.points]
    width = line_width(place)
    half = width / 2 + wider
    match shape.kind:
        case ShapeKind.FINGER:
            ring = _path(_circle(points[0], FINGER_LINES * width), half)
            return np.concatenate([ring, _disc(points[0], half, JOINT_CORNERS)])
        case ShapeKind.CIRCLE:
            return _path(_circle(points[0], math.dist(points[0], points[-1])), half)
        case ShapeKind.ARROW:
            return np.concatenate([_path(points, half), _head(points[0], points[-1], width, wider)])
        case ShapeKind.PATH:
            return _path(points, half)


def _path(points: list[Position], half: float) -> Triangles:
    parts = [_disc(point, half, JOINT_CORNERS) for point in points]
    parts += [_segment(a, b, half) for a, b in pairwise(points) if a != b]
    return np.concatenate(parts)


def _circle(middle: Position, radius: float) -> list[Position]:
    turns = np.linspace(0, 2 * math.pi, CIRCLE_CORNERS + 1)
    return [(middle[0] + radius * math.cos(turn), middle[1] + radius * math.sin(turn)) for turn in turns]


def _segment(a: Position, b: Position, half: float) -> Triangles:
    length = math.dist(a, b)
    across_x, across_y = -(b[1] - a[1]) * half / length, (b[0] - a[0]) * half / length
    corners = [
        (a[0] + across_x, a[1] + across_y),
        (a[0] - across_x, a[1] - across_y),
        (b[0] + across_x, b[1] + across_y),
        (b[0] - across_x, b[1] - across_y),
    ]
    return np.array([corners[i] for i in (0, 1, 2, 1, 2, 3)], np.float32)


def _disc(middle: Position, radius: float, corners: int) -> Triangles:
    turns = np.linspace(0, 2 * math.pi, corners + 1)
    edge = np.column_stack([middle[0] + radius * np.cos(turns), middle[1] + radius * np.sin(turns)])
    fan = np.empty((corners, 3, 2), np.float32)
    fan[:, 0], fan[:, 1], fan[:, 2] = middle, edge[:-1], edge[1:]
    return fan.reshape(-1, 2)


def _head(start: Position, tip: Position, width: float, wider: float) -> Triangles:
    length = math.dist(start, tip)
    if length == 0:
        return np.empty((0, 2), np.float32)
    along = (tip[0] - start[0]) / length, (tip[1] - start[1]) / length
    back, side = HEAD_LINES * width + wider, HEAD_LINES * width / 2 + wider
    front = tip[0] + along[0] * wider * 2, tip[1] + along[1] * wider * 2
    foot = tip[0] - along[0] * back, tip[1] - along[1] * back
    return np.array(
        [
            front,
            (foot[0] - along[1] * side, foot[1] + along[0] * side),
            (foot[0] + along[1] * side, foot[1] - along[0] * side),
        ],
        np.float32,
    )
