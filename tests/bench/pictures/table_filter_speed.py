"""What the safe filter costs, beside a copy of the picture and beside FFmpeg's hqdn3d."""

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from daemon.picture.safe_filter import SafeFilter
from hw.ports import GrayPicture
from tests.bench.pictures.table import Bar, Row, Table
from tests.bench.pictures.timing import in_turn, memcpy_of, times_ms

HQDN3D_IMAGES = 60
HQDN3D_ROUNDS = 7


def run() -> Table:
    rows: list[Row] = []
    for width, height in ((1024, 1024), (1920, 1080)):
        images = _noisy_images(16, width, height)
        safe = SafeFilter()
        took = times_ms({"memcpy": memcpy_of(images[0]), "filter": in_turn(safe.apply, images)}, rounds=300)
        what = f"filter with noise estimate, {width}x{height}"
        note = f"{took['filter']:.3f} ms, memcpy {took['memcpy']:.3f} ms"
        rows.append(Row(what, took["filter"] / took["memcpy"], "x memcpy", Bar.AT_MOST, 22.0, note))
        if (width, height) == (1024, 1024):
            rows += _beside_hqdn3d(images, took["filter"])
    return Table("Safe filter: what it costs, one thread", rows)


def _beside_hqdn3d(images: list[GrayPicture], filter_ms: float) -> list[Row]:
    """PyAV comes without this filter, so the system's `ffmpeg` runs it; reading and converting are taken off."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "images.gray"
        with clip.open("wb") as file:
            for i in range(HQDN3D_IMAGES):
                file.write(images[i % len(images)].tobytes())
        height, width = images[0].shape
        took: dict[str, list[float]] = {"format=yuvj444p": [], "format=yuvj444p,hqdn3d": []}
        for _ in range(HQDN3D_ROUNDS):
            for graph, times in took.items():
                times.append(_ffmpeg_ms(clip, width, height, graph))
    alone_ms, with_it_ms = (float(np.median(times)) for times in took.values())
    hqdn3d_ms = (with_it_ms - alone_ms) / HQDN3D_IMAGES
    return [
        Row(
            "filter, of hqdn3d's time on a grey clip",
            filter_ms / hqdn3d_ms,
            "x",
            Bar.AT_MOST,
            0.25,
            f"hqdn3d {hqdn3d_ms:.2f} ms: it has no grey and filters three planes",
        ),
        Row("... of a third of that, as if it knew grey", filter_ms / (hqdn3d_ms / 3), "x"),
    ]


def _ffmpeg_ms(clip: Path, width: int, height: int, graph: str) -> float:
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-f", "rawvideo", "-pix_fmt", "gray"]
    command += ["-s", f"{width}x{height}", "-i", str(clip), "-filter_threads", "1", "-vf", graph, "-f", "null", "-"]
    begin_ns = time.perf_counter_ns()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return (time.perf_counter_ns() - begin_ns) / 1e6


def _noisy_images(count: int, width: int, height: int) -> list[GrayPicture]:
    rng = np.random.default_rng(1)
    clean = np.linspace(40, 200, width)[None, :]
    return [np.clip(clean + 4 * rng.standard_normal((height, width)), 0, 255).astype(np.uint8) for _ in range(count)]
