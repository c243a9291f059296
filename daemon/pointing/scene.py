"""When the picture has moved on, so that what was drawn on it fades: a new run of X-ray, another size, or a pan.

A pan moves all that stands still: tiles of the picture, made coarse, are compared with those at the scene's beginning
by phase correlation (Kuglin and Hines, "The phase correlation image alignment method", IEEE Int. Conf. on Cybernetics
and Society, 1975). The heart moves its own tiles, each in its own way; a pan moves all alike. Pure; used by one thread.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hw.ports import Picture, luma_of

RUN_GAP_NS: Final = 1_000_000_000  # without a new image for longer, the next one begins a run
LOOK_EVERY_NS: Final = 60_000_000
SIDE: Final = 64  # cells of the coarse picture, both ways
SHARE: Final = 0.7  # of the picture, in its middle: a collimator's edge stands still when the patient moves
PAN_CELLS: Final = 3.0  # of SIDE: 3 % of the picture's side
CONFIRMATIONS: Final = 2  # looks in a row that find it
TILES: Final = 3  # both ways; they overlap
TILE: Final = 32  # cells
AGREEMENT_CELLS: Final = 1
AGREEING_TILES: Final = 4  # of nine, that have moved alike
SAMPLES: Final = 8  # pixels averaged in a cell, both ways

Coarse = npt.NDArray[np.float32]
"""Shape (SIDE, SIDE)."""


class SceneWatch:
    """`note` each image that is encoded, in order."""

    def __init__(self) -> None:
        self._spectrum: npt.NDArray[Any] | None = None  # of the scene's first image
        self._shape: tuple[int, ...] = ()
        self._captured_ns = 0
        self._looked_ns = 0
        self._moved = 0

    def note(self, pixels: Picture, capture_ns: int) -> bool:
        """True when a scene begins with this image; the first image begins none."""
        since_ns, self._captured_ns = capture_ns - self._captured_ns, capture_ns
        if self._spectrum is None or pixels.shape != self._shape or since_ns > RUN_GAP_NS:
            is_first = self._spectrum is None
            self._begin(pixels)
            return not is_first
        if capture_ns - self._looked_ns < LOOK_EVERY_NS:
            return False
        self._looked_ns = capture_ns
        self._moved = self._moved + 1 if self._has_moved(pixels) else 0
        if self._moved < CONFIRMATIONS:
            return False
        self._begin(pixels)
        return True

    def _begin(self, pixels: Picture) -> None:
        self._spectrum = _spectrum(coarse(pixels))
        self._shape = pixels.shape
        self._looked_ns = self._captured_ns
        self._moved = 0

    def _has_moved(self, pixels: Picture) -> bool:
        assert self._spectrum is not None
        shifts = _shifts(_spectrum(coarse(pixels)), self._spectrum)
        agreeing = [int((np.abs(shifts - shift).max(axis=1) <= AGREEMENT_CELLS).sum()) for shift in shifts]
        best = int(np.argmax(agreeing))
        return agreeing[best] >= AGREEING_TILES and float(np.hypot(*shifts[best])) >= PAN_CELLS


def coarse(pixels: Picture) -> Coarse:
    """The middle of the picture in SIDE times SIDE cells, each the mean of some of its pixels."""
    luma = luma_of(pixels)
    rows, columns = (_samples(side) for side in luma.shape)
    taken = luma[rows[:, None], columns[None, :]].astype(np.float32)
    cells: Coarse = taken.reshape(SIDE, SAMPLES, SIDE, SAMPLES).mean(axis=(1, 3))
    return cells


def _samples(side: int) -> npt.NDArray[np.intp]:
    count = SIDE * SAMPLES
    return ((1 - SHARE) / 2 * side + (np.arange(count) + 0.5) * SHARE * side / count).astype(np.intp)


def _spectrum(cells: Coarse) -> npt.NDArray[Any]:
    """Of each tile: without slow shades, which do not move with the patient, and without a border."""
    detail = cells - _smoothed(_smoothed(_smoothed(cells)))
    starts = np.linspace(0, SIDE - TILE, TILES).astype(int)
    tiles = np.array([detail[r : r + TILE, c : c + TILE] for r in starts for c in starts])
    window = np.hanning(TILE + 2)[1:-1]
    return np.fft.rfft2(tiles * np.outer(window, window))


def _shifts(now: npt.NDArray[Any], before: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """By how many (rows, columns) each tile has moved; shape (TILES * TILES, 2)."""
    cross = now * np.conj(before)
    surfaces = _smoothed(np.fft.irfft2(cross / (np.abs(cross) + 1e-9), (TILE, TILE)))
    peaks = surfaces.reshape(len(surfaces), -1).argmax(axis=1)
    rows, columns = np.divmod(peaks, TILE)
    moved = np.column_stack([rows, columns])
    return np.where(moved >= TILE // 2, moved - TILE, moved)


def _smoothed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Over three by three cells of the last two axes, wrapped around."""
    rows = values + np.roll(values, 1, -2) + np.roll(values, -1, -2)
    return np.asarray((rows + np.roll(rows, 1, -1) + np.roll(rows, -1, -1)) / 9)
