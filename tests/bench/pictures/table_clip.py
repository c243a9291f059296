"""A real angiogram with a wire drawn in, at twice the noise: the rate that keeps it, and whether its blocks are found.

The wire runs across the picture, bends and moves as the heart would move it, 1 to 5 pixels an image, while contrast
comes and goes and the table pans. Its contrast, two standard deviations of the noise, is measured from the differences
of consecutive images. The truth is the clip as it is, noise included.
"""

from itertools import pairwise
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from daemon.picture.blocks import halve
from daemon.picture.region import SHARE, RegionDetector
from hw.ports import MACROBLOCK, BlockMask
from tests.bench.pictures import phantom
from tests.bench.pictures.coding import (
    ALPHA_BAR,
    IMAGE_RATE_HZ,
    SETTLED,
    default_encoder,
    our_encoder,
    rate_that_keeps,
    wire_after,
)
from tests.bench.pictures.table import Bar, Row, Table

CLIP = "clips/left_coronary_15fps.mkv"
CONTRAST_SIGMAS = 2.0
WIRE_SIGMA_PX = 0.9  # of a Gaussian across
POINTS = ((110, 40), (150, 110), (215, 160), (270, 230), (330, 280), (350, 350), (330, 420))
RATES = tuple(rate * 1e5 for rate in (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 24, 27, 30))
LEAST_POINTS = 2  # of the centre line, 2 pixels apart, in a block that holds the wire


def run() -> Table:
    truth, sigma = clip_with_wire()
    images = len(truth["noisy"])
    ours, default = (
        rate_that_keeps(
            RATES, lambda rate, e=encoder: wire_after(e(rate), truth, images), lambda wire: wire.alpha >= ALPHA_BAR
        )
        for encoder in (our_encoder, default_encoder)
    )
    note = f"noise of {sigma:.1f} levels"
    return Table(
        "Real clip, 512x512, a wire of 2 sigma drawn in",
        [
            Row("rate that keeps alpha >= 0.85", ours / 1e6, " Mbit/s", note=note),
            Row("the same, x264 as it comes", default / 1e6, " Mbit/s"),
            Row("less than x264 as it comes", 100 * (1 - ours / default), " %", Bar.AT_LEAST, 40),
            Row("blocks of the wire that are found", recall(truth), "", Bar.AT_LEAST, 0.7),
            Row("share of the picture that is found", 100 * SHARE, " %", Bar.AT_MOST, 10),
        ],
    )


def clip_with_wire() -> tuple[dict[str, Any], float]:
    """The clip as the phantom's metrics take it, and the standard deviation of its noise."""
    with av.open(str(phantom.outside_file(CLIP))) as container:
        images = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    sigma = _noise(images)
    truth: dict[str, Any] = {"noisy": [], "clean": [], "nowire": [], "wires": []}
    for number, image in enumerate(images):
        line = _wire_at(number / IMAGE_RATE_HZ)
        with_wire = np.rint(image - CONTRAST_SIGMAS * sigma * _profile(line, image.shape)).clip(0, 255)
        truth["noisy"].append(with_wire.astype(np.uint8))
        truth["clean"].append(with_wire.astype(np.uint16) * 256)  # the metrics want 1/256 levels
        truth["nowire"].append(image.astype(np.uint16) * 256)
        truth["wires"].append(line.astype(np.float32))
    return truth, sigma


def recall(truth: dict[str, Any]) -> float:
    """Mean share of the wire's blocks that are in the region."""
    detector, shares = RegionDetector(), []
    for number, picture in enumerate(truth["noisy"]):
        found = detector.find(halve(picture))
        if number >= SETTLED:
            shares.append(float((found > 0)[_blocks(truth["wires"][number], found.shape)].mean()))
    return float(np.mean(shares))


def _noise(images: list[npt.NDArray[np.uint8]]) -> float:
    """Robust, from the differences of consecutive images; their median over time, for motion only adds."""
    differences = [later.astype(float) - image for image, later in pairwise(images)]
    deviations = [np.median(np.abs(difference - np.median(difference))) for difference in differences]
    return float(np.median(deviations)) * 1.4826 / np.sqrt(2)


def _wire_at(time_s: float) -> npt.NDArray[np.float64]:
    path: npt.NDArray[np.float64] = phantom.load("phantom")._smooth_path(POINTS, 2.0)
    along = np.arange(len(path)) * 2.0
    slope = np.gradient(path, axis=0)
    normal = np.c_[-slope[:, 1], slope[:, 0]] / np.linalg.norm(slope, axis=1, keepdims=True)
    whip = 5 * np.sin(2 * np.pi * 1.9 * time_s + along / 70) * np.clip(along / 60, 0, 1)
    beat = (0.5 - 0.5 * np.cos(2 * np.pi * 1.25 * time_s)) ** 2 * np.clip(along / 100, 0, 1)
    path = path + normal * whip[:, None] + np.array([5, 7]) * beat[:, None]
    return path[: int(len(path) * (0.8 + 0.15 * np.sin(2 * np.pi * 0.35 * time_s)))]


def _profile(line: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """1 on the wire's centre line, a Gaussian across."""
    squared, _, _ = phantom.load("phantom")._poly_maps(line, 6, shape[0])
    return np.where(squared > 25, 0, np.exp(-squared / (2 * WIRE_SIGMA_PX**2)))


def _blocks(line: npt.NDArray[np.float32], shape: tuple[int, ...]) -> BlockMask:
    counts = np.zeros(shape, int)
    columns, rows = (np.clip(line[:, axis] // MACROBLOCK, 0, shape[1 - axis] - 1).astype(int) for axis in (0, 1))
    np.add.at(counts, (rows, columns), 1)
    return counts >= LEAST_POINTS
