"""The whole chain of a new image, as the capture stage runs it: landmarks, crop, grey, mask, duplicate test, filter."""

import datetime

import numpy as np

from daemon.picture.area import Area
from daemon.picture.chain import New, PictureChain
from daemon.picture.layout import Landmark, Layout, LayoutBook
from hw.capture.phantom_render import PhantomRenderer
from hw.ports import CaptureTiming, FrameBytes, PixelFormat
from tests.bench.pictures.table import Bar, Row, Table
from tests.bench.pictures.timing import in_turn, times_ms

BARS_MS = {(1024, 1024): 3.5, (1920, 1080): 7.0}
FRAMES = 16
WORDS = (Area(8, 8, 64, 24), Area(200, 8, 64, 24))
NAMES = (Area(300, 8, 200, 40), Area(8, 80, 150, 30))


def run() -> Table:
    rows = []
    for (width, height), limit_ms in BARS_MS.items():
        for pixel_format in (PixelFormat.GRAY8, PixelFormat.BGR24, PixelFormat.YUYV422):
            new_ms, held_ms = _times_ms(width, height, pixel_format)
            what = f"{pixel_format} {width}x{height}, two landmarks, two identity areas"
            rows.append(Row(f"new image, {what}", new_ms, " ms", Bar.AT_MOST, limit_ms))
            rows.append(Row(f"held image, {what}", held_ms, " ms"))
    return Table("Whole chain before the encoder, one thread", rows)


def _times_ms(width: int, height: int, pixel_format: PixelFormat) -> tuple[float, float]:
    frames = _frames(width, height, pixel_format)
    timing = CaptureTiming(width, height, 60.0, pixel_format)
    screen = PictureChain(_nothing_hidden(), timing).process(frames[0])
    assert isinstance(screen, New)
    landmarks = tuple(Landmark.seen_in(screen.picture, words) for words in WORDS)
    book = LayoutBook((Layout(f"{width}x{height}", identity=NAMES, landmarks=landmarks),))
    moving, held = PictureChain(book, timing), PictureChain(book, timing)
    copies = [frames[0].copy() for _ in range(FRAMES)]
    took = times_ms({"new": in_turn(moving.process, frames), "held": in_turn(held.process, copies)}, rounds=120)
    assert isinstance(moving.process(frames[3]), New)
    return took["new"], took["held"]


def _nothing_hidden() -> LayoutBook:
    today = datetime.date.today()
    return LayoutBook((Layout("any", no_identity=True, signed_off_by="the bench", signed_off_on=today),))


def _frames(width: int, height: int, pixel_format: PixelFormat) -> list[FrameBytes]:
    renderer = PhantomRenderer(width, height, 60.0, 1)
    words = np.random.default_rng(2).integers(0, 2, (24, 64), np.uint8) * 200
    frames = []
    for number in range(FRAMES):
        gray = np.empty((height, width), np.uint8)
        renderer.render(number, number / 15, number / 15, gray)
        for area in WORDS:
            area.view(gray)[:] = words
        frames.append(gray if pixel_format is PixelFormat.GRAY8 else np.repeat(gray, pixel_format.pixel_bytes, axis=1))
    return frames
