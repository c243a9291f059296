"""The figures on the safe filter in docs/pictures.md, all of the phantom."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from daemon.picture.safe_filter import RECURSION, SafeFilter
from hw.ports import GrayPicture
from tests.bench.pictures import phantom
from tests.bench.pictures.table_filter import IMAGES, SETTLED, SIGMA, STILL_ANATOMY, filtered

CONTRASTS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
SHOWN = 24  # the image of the side by side
CROP = 256  # pixels, both ways


def draw(folder: Path) -> None:
    _noise_curve(folder / "filter-noise-curve.png")
    _wire_kept(folder / "filter-wire-kept.png")
    _side_by_side(folder / "filter-side-by-side.png")


def _noise_curve(path: Path) -> None:
    maker = phantom.load("phantom")
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for quanta, colour in ((150, "C0"), (30, "C1")):
        data = maker.make(maker.Cfg(quanta=quanta, n=60, seed=1))
        safe = SafeFilter()
        for image in data["noisy"]:
            safe.apply(image)
        true, counts = maker.true_sigma(data, 16)
        seen = counts > 1e-4 * counts.sum()
        greys = (np.arange(16)[seen] + 0.5) * 16
        span = np.arange(int(greys[0]), int(greys[-1]))
        dose = "cine" if quanta == 150 else "low-dose fluoroscopy"
        axes.plot(greys, true[seen], "o", color=colour, label=f"true, {dose} (quanta={quanta})")
        axes.plot(span, safe.noise.sigma_by_grey[span], color=colour, label="measured by the filter")
    axes.set(xlabel="grey level", ylabel="noise, levels (1 sigma)", ylim=(0, None))
    axes.legend(fontsize=8)
    _save(figure, path)


def _wire_kept(path: Path) -> None:
    """Against plain recursion with the same share of the past, which has no test for motion."""
    kept = np.array([[_alpha(contrast, filtered), _alpha(contrast, _plain_recursion)] for contrast in CONTRASTS])
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    axes.plot(CONTRASTS, 100 * kept[:, 0], "o-", label="safe filter")
    axes.plot(CONTRASTS, 100 * kept[:, 1], "s--", color="C3", label="plain recursion, same share of the past")
    axes.axhline(100, color="0.7", linewidth=0.8)
    axes.set(xlabel="contrast of a moving wire, in sigmas of the noise", ylabel="contrast kept, %", ylim=(40, 105))
    axes.legend(fontsize=8)
    _save(figure, path)


def _alpha(contrast: float, run: Any) -> float:
    maker, metrics = phantom.load("phantom"), phantom.load("metrics")
    values = []
    for speed, angle in ((2, 10), (3, 30), (5, 68), (10, 101)):
        noisy, clean, signal = maker.line_test(
            size=384, n=IMAGES, vel=speed, contrast=SIGMA * contrast, sigma=SIGMA, angle=angle, seed=angle
        )
        with np.errstate(all="ignore"):
            values.append(metrics.line_eval(noisy, clean, signal, run(noisy), warm=SETTLED)["alpha"])
    return float(np.mean(values))


def _plain_recursion(images: npt.NDArray[np.uint8]) -> list[GrayPicture]:
    past = images[0].astype(np.float32)
    out = []
    for image in images:
        past = image + RECURSION * (past - image)
        out.append(np.rint(past).astype(np.uint8))
    return out


def _side_by_side(path: Path) -> None:
    """A crop around the tip of the wire: before, after, and what was taken away, eight times stronger."""
    maker = phantom.load("phantom")
    data = maker.make(maker.Cfg(n=30, seed=3, quanta=60, **STILL_ANATOMY))
    image, out = data["noisy"][SHOWN], filtered(data["noisy"][: SHOWN + 1])[-1]
    x, y = (int(v) for v in np.clip(data["wires"][SHOWN][-40] - CROP // 2, 0, image.shape[0] - CROP))
    part = np.s_[y : y + CROP, x : x + CROP]
    taken = np.clip(128 + 8.0 * (image[part].astype(np.float32) - out[part]), 0, 255)
    low, high = np.percentile(image[part], [0.5, 99.5])
    figure, all_axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
    shown = ((image[part], "before", low, high), (out[part], "after", low, high), (taken, "taken away, x8", 0, 255))
    for axes, (picture, title, darkest, lightest) in zip(all_axes, shown, strict=True):
        axes.imshow(picture, cmap="gray", vmin=darkest, vmax=lightest, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
