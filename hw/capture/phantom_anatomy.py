"""What the phantom is made of: layers of tissue, the left coronary tree, the catheter and the guidewire, all at rest.

Lengths and places are in units of the picture's shorter side ("side"), (0, 0) at the upper left corner of the central
square. Attenuation is -ln(transmission).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

POINT_STEP = 0.004
OSTIUM = (0.43, 0.29)
LEFT_MAIN_END = (0.50, 0.325)
CATHETER = ((0.20, -0.05), (0.215, 0.08), (0.26, 0.19), (0.335, 0.26), (0.39, 0.285), OSTIUM)
Branch = tuple[str, str, float, float, tuple[tuple[float, float], ...]]
# name, the branch that it begins on, radius at its beginning and at its end, control points
BRANCHES: tuple[Branch, ...] = (
    ("main", "", 0.0115, 0.0105, (OSTIUM, (0.46, 0.315), LEFT_MAIN_END)),
    ("anterior", "main", 0.0092, 0.0028, (
        LEFT_MAIN_END, (0.57, 0.325), (0.65, 0.375), (0.70, 0.46),
        (0.735, 0.56), (0.745, 0.67), (0.73, 0.78), (0.70, 0.85),
    )),
    ("circumflex", "main", 0.0086, 0.0030, (
        LEFT_MAIN_END, (0.515, 0.40), (0.49, 0.48), (0.45, 0.555), (0.42, 0.63), (0.415, 0.70),
    )),
    ("diagonal 1", "anterior", 0.0058, 0.0020, (
        (0.57, 0.325), (0.67, 0.33), (0.76, 0.385), (0.825, 0.46), (0.86, 0.55),
    )),
    ("diagonal 2", "anterior", 0.0046, 0.0018, ((0.70, 0.46), (0.77, 0.52), (0.82, 0.61), (0.84, 0.69))),
    ("marginal 1", "circumflex", 0.0060, 0.0020, (
        (0.515, 0.40), (0.555, 0.47), (0.60, 0.56), (0.62, 0.66), (0.615, 0.74),
    )),
    ("marginal 2", "circumflex", 0.0048, 0.0018, ((0.45, 0.555), (0.50, 0.62), (0.53, 0.71), (0.53, 0.79))),
)  # fmt: skip
TWIGS_PER_BRANCH = 5


@dataclass(frozen=True, slots=True)
class Path:
    """A curve: points (n, 2) as x, y; radius (n,); `arc` (n,), the way of the blood or of the wire to each point."""

    points: FloatArray
    radius: FloatArray
    arc: FloatArray


def coronary_tree(rng: np.random.Generator) -> list[Path]:
    """The branches above with some irregularity and twigs; `arc` counts from the ostium."""
    paths: dict[str, Path] = {}
    twigs: list[Path] = []
    for name, parent, radius, end_radius, controls in BRANCHES:
        points = _wriggled(_smooth(controls), rng)
        start_arc = 0.0
        if parent:
            nearest = int(np.argmin(np.hypot(*(paths[parent].points - points[0]).T)))
            start_arc = float(paths[parent].arc[nearest])
            points += (paths[parent].points[nearest] - points[0]) * np.linspace(1, 0, len(points))[:, None] ** 4
        paths[name] = _path(points, radius, end_radius, start_arc)
        if name != "main":
            twigs += [_twig(paths[name], rng) for _ in range(TWIGS_PER_BRANCH)]
    return [*paths.values(), *twigs]


def joined(paths: list[Path]) -> Path:
    """All of them in one. A radius of 0 ends each, so that the next is not tied to it."""
    radii = [np.append(path.radius[:-1], np.float32(0)) for path in paths]
    return Path(
        np.concatenate([path.points for path in paths]), np.concatenate(radii), np.concatenate([p.arc for p in paths])
    )


def catheter() -> Path:
    return _path(_smooth(CATHETER), 0.0062, 0.0058, 0.0)


def wire_way(tube: Path, tree: list[Path]) -> Path:
    """Where the guidewire can go: through the catheter, the left main and the anterior branch."""
    points = np.vstack([tube.points, tree[0].points, tree[1].points])
    return _path(_resampled(points), 0.0, 0.0, 0.0)


def _twig(branch: Path, rng: np.random.Generator) -> Path:
    at = int(rng.uniform(0.15, 0.85) * (len(branch.points) - 1))
    ahead = branch.points[min(at + 3, len(branch.points) - 1)] - branch.points[max(at - 3, 0)]
    angle = np.arctan2(ahead[1], ahead[0]) + rng.choice((-1, 1)) * rng.uniform(0.5, 1.1)
    angles = angle + np.cumsum(rng.normal(0, 0.25, 6))
    steps = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(0.012, 0.026)
    controls = np.vstack([branch.points[at], branch.points[at] + np.cumsum(steps, axis=0)])
    return _path(_smooth(controls), min(0.0034, 0.6 * float(branch.radius[at])), 0.0012, float(branch.arc[at]))


def _path(points: npt.NDArray[np.floating], radius: float, end_radius: float, start_arc: float) -> Path:
    arc = start_arc + _arc(points)
    radii = np.linspace(radius, end_radius, len(points))
    return Path(*(np.ascontiguousarray(a, np.float32) for a in (points, radii, arc)))


def _arc(points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def _smooth(controls: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A Catmull-Rom curve through the control points, POINT_STEP apart."""
    c = np.asarray(controls, np.float64)
    p = np.vstack([2 * c[0] - c[1], c, 2 * c[-1] - c[-2]])
    t = np.linspace(0, 1, 40, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return _resampled(np.vstack([*pieces, c[-1:]]))


def _resampled(points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    arc = _arc(points)
    wanted = np.linspace(0, arc[-1], max(2, round(arc[-1] / POINT_STEP) + 1))
    return np.column_stack([np.interp(wanted, arc, points[:, axis]) for axis in (0, 1)])


def _wriggled(points: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Vessels are never quite smooth; the ends stay where they are."""
    along = np.linspace(0, 1, len(points))
    amplitude = 0.017 * float(_arc(points)[-1])
    offset = sum(rng.normal(0, amplitude / k**0.75) * np.sin(np.pi * k * along) for k in range(2, 11))
    tangent = np.gradient(points, axis=0)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]]) / np.hypot(*tangent.T)[:, None]
    return np.asarray(points + normal * np.asarray(offset)[:, None])


# --- tissue ---


def still_tissue(u: FloatArray, v: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Body, spine and the collimator's edges, which do not move. u, v: the place of each pixel, (height, width)."""
    body = 0.22 + 0.5 * ((u - 0.5) ** 2 + (v - 0.5) ** 2)
    across = (u - (0.24 + 0.02 * np.sin(3 * v))) / 0.075
    vertebrae = 1 + 0.16 * np.cos(2 * np.pi * v * 6.5)
    spine = 0.55 * _bar(across) * vertebrae
    left, up = np.abs(u - 0.5), np.abs(v - 0.5)
    blades = _sigmoid((np.maximum(np.maximum(left, up), (left + up) * 0.575) - 0.485) * 240)
    return np.asarray(body + spine + 0.045 * _texture(u.shape, rng, 3.0) + 4.5 * blades, np.float32)


def breathing_tissue(u: FloatArray, v: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Ribs, lung and diaphragm, which move up and down."""
    ribs = np.zeros_like(u)
    for i in range(6):
        middle = -0.10 + 0.21 * i + 0.30 * (u - 0.15) ** 2
        across = (v - middle) / 0.026
        ribs += 0.24 * (_bar(across) - 0.45 * _bar(across * 1.7))
    diaphragm = 0.75 * _sigmoid((v - (0.90 - 0.12 * np.exp(-(((u - 0.42) / 0.3) ** 2)))) * 55)
    return np.asarray(ribs + diaphragm + 0.05 * _texture(u.shape, rng, 2.6), np.float32)


def heart_shadow(u: FloatArray, v: FloatArray) -> FloatArray:
    """The heart at rest, smooth enough to be drawn on a coarse grid."""
    x, y = (u - 0.58) / 0.31, (v - 0.55) / 0.34
    distance = np.sqrt(np.maximum(x * x + y * y - 0.5 * x * y, 0))
    return np.asarray(0.80 * _sigmoid((1 - distance) * 12) * (1 - 0.2 * np.minimum(distance, 1)), np.float32)


def _bar(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """1 in the middle, 0 beyond 1.5 to either side."""
    square = x * x
    return np.asarray(np.exp(-square * square))


def _sigmoid(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))))


def _texture(shape: tuple[int, ...], rng: np.random.Generator, slope: float) -> npt.NDArray[np.floating]:
    """Power-law noise of zero mean and unit deviation: the clutter of soft tissue."""
    height, width = shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None] * width)
    amplitude = np.where(frequency < 2, 0, np.maximum(frequency, 1) ** (-slope / 2))
    phases = np.exp(2j * np.pi * rng.random(frequency.shape))
    field = np.fft.irfft2(amplitude * phases, s=(height, width))
    return np.asarray((field - field.mean()) / field.std())
