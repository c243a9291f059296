"""What the safe filter leaves of a wire, of a bolus, of the noise: measured on the phantom, no codec."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon.picture.safe_filter import LARGEST_CHANGE_SIGMAS, SafeFilter
from daemon.states import FilterState
from hw.ports import GrayPicture
from tests.bench.pictures import phantom
from tests.bench.pictures.table import Bar, Row, Table
from tests.picture.filter_bound import pixels_over_the_bound

SIGMA = 6.0  # levels
IMAGES = 30
SETTLED = 12  # images after which it is judged
SPEEDS = (1, 2, 5, 10)  # pixels a pulse
ANGLES = (0, 10, 22, 30, 45, 68, 80, 101, 140)  # degrees
ALPHA_BARS = {1: 0.95, 2: 0.97}  # by contrast in sigmas
PIXELS_FOR_THE_BOUND = 10**9
STILL_ANATOMY: dict[str, Any] = {"cardiac_amp": 0, "breath_amp": 0}


@dataclass(frozen=True, slots=True)
class LineFigures:
    alpha: float
    d_ratio: float
    ghost: float


def run() -> Table:
    rows: list[Row] = []
    for contrast, bar in ALPHA_BARS.items():
        rows += _line_rows(contrast, bar)
    rows += _anatomy_rows()
    rows.append(_bolus_row())
    rows.append(_noise_row())
    rows.append(_bound_row())
    return Table("Safe filter alone, no codec", rows)


def filtered(images: npt.NDArray[np.uint8]) -> list[GrayPicture]:
    safe = SafeFilter()
    return [safe.apply(image).copy() for image in images]


def _line_rows(contrast: int, bar: float) -> Iterator[Row]:
    ratios, ghosts = [], []
    for speed in SPEEDS:
        figures = [line_figures(contrast, speed, angle) for angle in ANGLES]
        alpha = float(np.mean([f.alpha for f in figures]))
        worst = min(f.alpha for f in figures)
        note = f"mean of {len(ANGLES)} directions, lowest {worst:.3f}"
        yield Row(f"alpha of a wire of {contrast} sigma, {speed} px/pulse", alpha, "", Bar.AT_LEAST, bar, note)
        ratios += [f.d_ratio for f in figures]
        ghosts += [abs(f.ghost) for f in figures if speed == SPEEDS[-1]]
    note = f"mean over speeds and directions, lowest {min(ratios):.3f}"
    yield Row(f"d' of it, of the input's ({contrast} sigma)", float(np.mean(ratios)), "", Bar.AT_LEAST, 1.0, note)
    note = f"mean, highest {max(ghosts):.3f}"
    yield Row(
        f"ghost where it was ({contrast} sigma, 10 px/pulse)", float(np.mean(ghosts)), "", Bar.AT_MOST, 0.02, note
    )


def line_figures(contrast: float, speed: float, angle: float) -> LineFigures:
    maker, metrics = phantom.load("phantom"), phantom.load("metrics")
    noisy, clean, signal = maker.line_test(
        size=384, n=IMAGES, vel=speed, contrast=SIGMA * contrast, sigma=SIGMA, angle=angle, seed=int(angle) + 1
    )
    out = filtered(noisy)
    with np.errstate(all="ignore"):
        figures = metrics.line_eval(noisy, clean, signal, out, warm=SETTLED)
    return LineFigures(figures["alpha"], figures["d_ratio"], _ghost(noisy, out, signal, clean))


def _ghost(noisy: npt.NDArray[np.uint8], out: list[GrayPicture], signal: npt.NDArray[np.float32], clean: Any) -> float:
    """The share of the wire's contrast that the filter leaves where the wire was a pulse before."""
    left, whole = 0.0, 0.0
    for i in range(SETTLED, len(out)):
        before = np.where(np.abs(signal[i]) < 0.02 * np.abs(signal[i]).max(), signal[i - 1], 0)
        left += float(np.sum((out[i].astype(np.float32) - noisy[i]) * before))
        whole += float(np.sum(before * before))
    return left / whole if whole else float("nan")


def _anatomy_rows() -> Iterator[Row]:
    """The guidewire of the phantom, its body about 4 levels: beating heart, then still anatomy, dose by dose."""
    for quanta in (150, 30):
        yield from _phantom_rows(f"beating heart, quanta={quanta}", {"quanta": quanta, "n": 60, "seed": 1})
    for quanta in (150, 60, 30, 12):
        settings = {"quanta": quanta, "n": 30, "seed": 3, **STILL_ANATOMY}
        yield from _phantom_rows(f"still anatomy, quanta={quanta}", settings)


def _phantom_rows(what: str, settings: dict[str, Any]) -> Iterator[Row]:
    maker, metrics = phantom.load("phantom"), phantom.load("metrics")
    data = maker.make(maker.Cfg(**settings))
    safe, before, after = SafeFilter(), metrics.WireMetric(data), metrics.WireMetric(data)
    errors: list[tuple[float, float]] = []
    for i, image in enumerate(data["noisy"]):
        out = safe.apply(image)
        if i >= SETTLED:
            before.add(i, image)
            after.add(i, out)
            clean = data["clean"][i] / np.float32(256)
            errors.append((float((image - clean).std()), float((out - clean).std())))
    with warnings.catch_warnings(action="ignore"):  # the metric's ghost has no window where the wire is slow
        then, now = before.result(), after.result()
    noise = np.mean([o / i for i, o in errors])
    report = safe.report
    did = "on" if report.state is FilterState.ON else f"suspended ({report.cause})"
    note = f"{did}; sigma {report.typical_sigma_levels:.1f} levels, noise {noise:.2f} of the input's"
    yield Row(f"alpha, of the input's: {what}", now["alpha"] / then["alpha"], "", Bar.AT_LEAST, 0.97, note)
    yield Row(f"d', of the input's: {what}", now["dprime"] / then["dprime"], "", Bar.AT_LEAST, 1.0)


def _bolus_row() -> Row:
    rate_hz = 15.0
    delays_ms = bolus_delays_ms(rate_hz)
    most_ms = np.percentile(delays_ms, 95)
    note = f"median of {delays_ms.size} places along the vessels, at 15 images/s; 95 % within {most_ms:.1f} ms"
    return Row("delay of contrast that arrives", float(np.median(delays_ms)), " ms", Bar.AT_MOST, 5.0, note)


def bolus_delays_ms(rate_hz: float) -> npt.NDArray[np.float64]:
    """When each place of the vessels reaches half of its contrast: after the filter minus before it."""
    maker = phantom.load("phantom")
    settings = {"n": 40, "seed": 2, "quanta": 150, "whip": 0.0, "pulse_fps": rate_hz, **STILL_ANATOMY}
    data = maker.make(maker.Cfg(**settings))
    start = 12  # images: the bolus comes after a second
    truth = data["nowire"].astype(np.float32) / 256
    contrast = truth[start] - truth[start:].min(axis=0)
    out = np.array(filtered(data["noisy"]))
    block = 16
    inside = contrast > 12
    rows, columns = (n // block for n in contrast.shape)
    counts = _blocks(inside, rows, columns, block)
    places = counts > 60

    def courses(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        return np.array([_blocks(image * inside, rows, columns, block)[places] for image in images[start:]]).T

    delays = [
        _half_rise(after) - _half_rise(before)
        for before, after in zip(courses(data["noisy"]), courses(out), strict=True)
    ]
    return np.array(delays) / rate_hz * 1000


def _blocks(values: npt.NDArray[Any], rows: int, columns: int, block: int) -> npt.NDArray[np.float64]:
    inner = values[: rows * block, : columns * block].astype(np.float64)
    return inner.reshape(rows, block, columns, block).sum(axis=(1, 3))


def _half_rise(course: npt.NDArray[np.float64]) -> float:
    """In images from the start: where the contrast first passes its half, between images linearly."""
    half = (course[0] + course.min()) / 2
    first = int(np.argmax(course < half))
    return first - 1 + (course[first - 1] - half) / (course[first - 1] - course[first])


def _noise_row() -> Row:
    noisy, clean, _ = phantom.load("phantom").line_test(size=384, n=IMAGES, vel=1, contrast=0, sigma=SIGMA, seed=9)
    out = filtered(noisy)
    inner = np.s_[12:-12, 12:-12]
    ratio = np.mean(
        [(out[i] - clean[i])[inner].std() / (noisy[i] - clean[i])[inner].std() for i in range(SETTLED, IMAGES)]
    )
    return Row("noise where nothing is, of the input's", float(ratio))


def _bound_row() -> Row:
    """Real motion, noise of both doses, and steps of brightness; counted in floating point by other code."""
    maker = phantom.load("phantom")
    images = [maker.make(maker.Cfg(quanta=quanta, n=60, seed=1))["noisy"] for quanta in (150, 30)]
    safe = SafeFilter()
    over = pixels = turn = 0
    while pixels < PIXELS_FOR_THE_BOUND:
        clip = images[turn % 2]
        for image in clip[:: 1 if turn % 4 < 2 else -1]:
            shifted = np.roll(image, 7 * turn, axis=turn % 2)
            over += pixels_over_the_bound(shifted, safe.apply(shifted), safe)
            pixels += image.size
        turn += 1
    what = f"pixels over {LARGEST_CHANGE_SIGMAS:g} sigma + 0.5 level, of {pixels:.2g}"
    return Row(what, float(over), "", Bar.AT_MOST, 0.0)


def figures(folder: Path) -> None:
    """The pictures of docs/pictures.md."""
    from tests.bench.pictures.filter_figures import draw

    draw(folder)
