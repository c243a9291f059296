"""Reference features: what the receiver checks a decoded picture by, computed at both ends by this one file.

The sender computes them from the picture that it encodes, and they travel in the access unit (picture.sei). The
receiver computes them from what its decoder gave. Three of them, for each cell of a coarse grid, each for one fault:

- mean: another picture, or this one moved or with a part missing, has other means;
- gradient, between the means of neighbouring macroblocks: a wrong block has edges that were not there;
- line, the strength of the strongest thin dark lines: a picture that was smoothed until the wire is gone has lost them.
  Only cells count whose line stands well above what the noise alone gives, for coding may take away the noise.

The limits are so wide that coding at a low bit rate does not reach them, and are measured by `make bench-pictures`,
table "integrity". A picture that is one image old, or a wire that was weak in the noise, may pass.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from daemon.errors import CodecError
from daemon.picture.blocks import BlockContent
from daemon.picture.kernel import kernel

GRID = 7  # cells, both ways; a picture of fewer macroblocks has a cell for each
STRONGEST = 4  # macroblocks of a cell, whose lines are averaged

MEAN_LIMIT = 2.5  # grey levels
GRADIENT_LIMIT = 1.2  # grey levels from macroblock to macroblock
LINE_FLOOR = 0.6  # of the strength that was sent
LINE_ABOVE_NOISE = 3.0  # times the median line of the picture: a line that counts
LINE_CELLS = 2  # fewer of them tell nothing

Cells = npt.NDArray[np.float64]
"""Shape (rows, columns) of the grid, in grey levels."""

_MAP = types.Array(types.float32, 2, "C")
_CELLS = types.Array(types.float64, 3, "C")

_LAYOUT = 1
_HEADER = Struct("!BBBxH")  # layout, rows, columns, median line
_MEAN_STEPS = 256  # of the numbers on the wire, a grey level
_GRADIENT_STEPS = 4
_LINE_STEPS = 4
_GRADIENT_MOST = 255 / _GRADIENT_STEPS  # that the wire tells


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    mean: Cells
    gradient: Cells
    line: Cells
    line_noise: float  # median line of all macroblocks, in grey levels


def features_of(content: BlockContent) -> Features:
    """0.1 ms for a picture of 1024x1024."""
    rows, columns = (min(size, GRID) for size in content.mean.shape)
    cells = np.zeros((3, rows, columns))
    _fill_cells(content.mean, content.line, cells)
    mean, gradient, line = cells
    return Features(mean, gradient, line, line_noise=float(np.median(content.line)))


@kernel(_MAP, _MAP, _CELLS)
def _fill_cells(mean: Any, line: Any, cells: Any) -> None:
    rows, columns = cells.shape[1:]
    for row in range(rows):
        top, bottom = row * mean.shape[0] // rows, (row + 1) * mean.shape[0] // rows
        for column in range(columns):
            left, right = column * mean.shape[1] // columns, (column + 1) * mean.shape[1] // columns
            total, steps, step_count = 0.0, 0.0, 0
            strongest = np.zeros(STRONGEST)
            for y in range(top, bottom):
                for x in range(left, right):
                    total += mean[y, x]
                    if y > top:
                        steps += abs(mean[y, x] - mean[y - 1, x])
                        step_count += 1
                    if x > left:
                        steps += abs(mean[y, x] - mean[y, x - 1])
                        step_count += 1
                    weakest = np.argmin(strongest)
                    strongest[weakest] = max(strongest[weakest], line[y, x])
            block_count = (bottom - top) * (right - left)
            cells[0, row, column] = total / block_count
            cells[1, row, column] = steps / max(step_count, 1)
            cells[2, row, column] = strongest.sum() / min(STRONGEST, block_count)


def doubt(sent: Features, decoded: Features) -> str:
    """Why the decoded picture is not good enough for what was sent, with the figure; empty when it is."""
    if sent.mean.shape != decoded.mean.shape:
        return "the decoded picture has another size than the one sent"
    brightness = float(np.abs(sent.mean - decoded.mean).max())
    if brightness > MEAN_LIMIT:
        return f"not the picture that was sent: brightness differs by {brightness:.1f} levels, limit {MEAN_LIMIT:g}"
    gradient = float(np.abs(sent.gradient - np.minimum(decoded.gradient, _GRADIENT_MOST)).max())
    if gradient > GRADIENT_LIMIT:
        return f"a part of the picture is wrong: edges differ by {gradient:.1f} levels, limit {GRADIENT_LIMIT:g}"
    counts = sent.line > LINE_ABOVE_NOISE * sent.line_noise
    if counts.sum() >= LINE_CELLS:
        left = float(np.minimum(decoded.line, sent.line)[counts].sum() / sent.line[counts].sum())
        if left < LINE_FLOOR:
            return f"thin lines are lost: {left:.0%} of their contrast is left, floor {LINE_FLOOR:.0%}"
    return ""


def serialize_features(features: Features) -> bytes:
    """At most 202 bytes."""
    rows, columns = features.mean.shape
    return b"".join(
        (
            _HEADER.pack(_LAYOUT, rows, columns, min(round(features.line_noise * _MEAN_STEPS), 0xFFFF)),
            _to_steps(features.mean, _MEAN_STEPS, ">u2"),
            _to_steps(features.gradient, _GRADIENT_STEPS, ">u1"),
            _to_steps(features.line, _LINE_STEPS, ">u1"),
        )
    )


def parse_features(data: bytes) -> Features:
    """Raises CodecError for what `serialize_features` does not give."""
    if len(data) < _HEADER.size:
        raise CodecError("reference features shorter than their header")
    layout, rows, columns, line_noise = _HEADER.unpack_from(data)
    if layout != _LAYOUT:
        raise CodecError(f"reference features of layout {layout}, known is {_LAYOUT}")
    cells = rows * columns
    if not (1 <= rows <= GRID and 1 <= columns <= GRID) or len(data) != _HEADER.size + 4 * cells:
        raise CodecError(f"{len(data)} bytes of reference features for {rows}x{columns} cells")
    position = _HEADER.size
    mean = _from_steps(data, position, (rows, columns), _MEAN_STEPS, ">u2")
    gradient = _from_steps(data, position + 2 * cells, (rows, columns), _GRADIENT_STEPS, ">u1")
    line = _from_steps(data, position + 3 * cells, (rows, columns), _LINE_STEPS, ">u1")
    return Features(mean, gradient, line, line_noise / _MEAN_STEPS)


def _to_steps(cells: Cells, steps: int, dtype: str) -> bytes:
    return np.rint(cells * steps).clip(0, np.iinfo(dtype).max).astype(dtype).tobytes()


def _from_steps(data: bytes, position: int, shape: tuple[int, int], steps: int, dtype: str) -> Any:
    return np.frombuffer(data, dtype, shape[0] * shape[1], position).reshape(shape) / steps
