"""The phantom's inner loops. Attenuation is in fixed point, STEPS_PER_UNIT to one unit of -ln(transmission)."""

import math

import numpy as np
from numba import njit

STEPS_PER_UNIT = 512
LEVELS = 4096  # of the table from attenuation to grey: 8 units
GRAY_BITS = 7  # fraction bits of a grey level in the table
CELL = 16  # side of a cell of the coarse grid, in pixels

# 32 bits all through: a plain Python number would make 64 of them
BLACK, WHITE = np.int32(0), np.int32(255)
LOWEST_LEVEL, HIGHEST_LEVEL = np.int32(0), np.int32(LEVELS - 1)
EIGHT, SIXTEEN, GRAY_SHIFT, LOWER_HALF = np.int32(8), np.int32(16), np.int32(GRAY_BITS), np.int32(0xFFFF)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def draw_path(target, points, radii, peaks, thin):  # type: ignore[no-untyped-def]
    """Draws a tube of round section along `points` into `target`: the strongest wins where its parts overlap.

    target (height, width) uint16; points (n, 2) float32 as x, y; radii and peaks (n,) float32, pixels and steps.
    `thin`: a soft profile that does not flicker when it is a pixel wide; else that of a cylinder.
    """
    height, width = target.shape
    for k in range(points.shape[0] - 1):
        peak = peaks[k]
        if peak < 1.0:
            continue
        x0, y0, radius = points[k, 0], points[k, 1], radii[k]
        dx, dy = points[k + 1, 0] - x0, points[k + 1, 1] - y0
        length2 = max(dx * dx + dy * dy, np.float32(1e-6))
        left = max(0, int(min(x0, x0 + dx) - radius))
        right = min(width - 1, int(max(x0, x0 + dx) + radius) + 1)
        top = max(0, int(min(y0, y0 + dy) - radius))
        bottom = min(height - 1, int(max(y0, y0 + dy) + radius) + 1)
        inverse2 = 1.0 / (radius * radius)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x - x0, y - y0
                along = min(1.0, max(0.0, (px * dx + py * dy) / length2))
                ex, ey = px - along * dx, py - along * dy
                inside = 1.0 - (ex * ex + ey * ey) * inverse2
                if inside > 0.0:
                    value = np.uint16(peak * (inside * inside if thin else math.sqrt(inside)))
                    if value > target[y, x]:
                        target[y, x] = value


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def compose(out, still, moving, shift, coarse, vessels, devices, table, noise_a, noise_b, offsets):  # type: ignore[no-untyped-def]
    """One image: adds the layers' attenuation, looks up grey and noise, and writes `out` (height, width) uint8.

    still: (height, width) int16. moving: (more rows, width) int16, of which row `shift` (with fraction) comes first.
    coarse: int16, one value a CELL, interpolated. vessels, devices: (height, width) uint16. table: as `display_table`.
    noise_a, noise_b: (rows, more columns) int8, added from `offsets` (row a, column a, row b, column b) on.
    """
    height, width = out.shape
    first_row = int(shift)
    lower_weight = np.int32((shift - first_row) * 256)
    upper_weight = np.int32(256) - lower_weight
    smooth = np.empty(width + CELL, np.int32)
    levels = np.empty(width, np.uint16)
    for y in range(height):
        _interpolate(coarse, y, smooth)
        still_row, upper, lower = still[y], moving[y + first_row], moving[y + first_row + 1]
        vessel_row, device_row, out_row = vessels[y], devices[y], out[y]
        grain_a = noise_a[(y + offsets[0]) % noise_a.shape[0], offsets[1] : offsets[1] + width]
        grain_b = noise_b[(y + offsets[2]) % noise_b.shape[0], offsets[3] : offsets[3] + width]
        # two short loops: the first becomes vector code, which the table's look-up in the second would prevent
        for x in range(width):
            breathing = (np.int32(upper[x]) * upper_weight + np.int32(lower[x]) * lower_weight) >> EIGHT
            level = np.int32(still_row[x]) + smooth[x] + breathing + np.int32(vessel_row[x]) + np.int32(device_row[x])
            levels[x] = np.uint16(min(max(level, LOWEST_LEVEL), HIGHEST_LEVEL))
        for x in range(width):
            entry = table[levels[x]]
            grain = np.int32(grain_a[x]) + np.int32(grain_b[x])
            gray = ((entry >> SIXTEEN) + (((entry & LOWER_HALF) * grain) >> EIGHT)) >> GRAY_SHIFT
            out_row[x] = np.uint8(min(max(gray, BLACK), WHITE))


@njit(cache=True, nogil=True, error_model="numpy")
def _interpolate(coarse, y, row):  # type: ignore[no-untyped-def]
    """Row `y` of the coarse grid at full size, into `row` (whole cells) int32."""
    cell_y, in_y = y // CELL, y % CELL
    for cell_x in range(row.shape[0] // CELL):
        left = np.int32(coarse[cell_y, cell_x] * (CELL - in_y) + coarse[cell_y + 1, cell_x] * in_y)
        right = np.int32(coarse[cell_y, cell_x + 1] * (CELL - in_y) + coarse[cell_y + 1, cell_x + 1] * in_y)
        for i in range(CELL):
            row[cell_x * CELL + i] = (left * np.int32(CELL - i) + right * np.int32(i)) >> EIGHT
