"""The whole chain of a new image, as the capture stage runs it: landmarks, crop, grey, mask, duplicate test, filter."""

import datetime

import numpy as np

from daemon.picture.area import Area
from daemon.picture.chain import New, PictureChain
from daemon.picture.layout import Landmark, Layout, LayoutBook
from daemon.picture.safe_filter import SafeFilter
from hw.capture.phantom_render import PhantomRenderer
from hw.ports import NO_CHROMA, CaptureTiming, FrameBytes, PixelFormat
from tests.bench.pictures.table import Bar, Row, Table
from tests.bench.pictures.timing import in_turn, times_ms

BARS_MS = {(1024, 1024): 3.5, (1920, 1080): 7.0}
FRAMES = 16
QUANTA = 200.0  # cine dose: the safe filter works
WORDS = (Area(8, 8, 64, 24), Area(200, 8, 64, 24))
NAMES = (Area(300, 8, 200, 40), Area(8, 80, 150, 30))


def run() -> Table:
    rows = []
    for (width, height), limit_ms in BARS_MS.items():
        for pixel_format in (PixelFormat.GRAY8, PixelFormat.BGR24, PixelFormat.YUYV422):
            timing = CaptureTiming(width, height, 60.0, pixel_format)
            rows += _rows(timing, f"{pixel_format} {timing}", limit_ms)
    interlaced = CaptureTiming(1920, 1080, 30.0, PixelFormat.YUYV422, is_interlaced=True)
    rows += _rows(interlaced, f"{interlaced.pixel_format} {interlaced}", BARS_MS[1920, 1080])
    return Table("Whole chain before the encoder, two landmarks, two identity areas, one thread", rows)


def _rows(timing: CaptureTiming, what: str, limit_ms: float) -> list[Row]:
    frames = _frames(timing)
    screen = PictureChain(_nothing_hidden(), timing).process(frames[0])
    assert isinstance(screen, New)
    landmarks = tuple(Landmark.seen_in(screen.picture, words) for words in WORDS)
    book = LayoutBook((Layout(f"{timing.width}x{timing.height}", identity=NAMES, landmarks=landmarks),))
    safe_filter = SafeFilter()
    plain, filtered, held = (PictureChain(book, timing, by) for by in (None, safe_filter, None))
    copies = [frames[0].copy() for _ in range(FRAMES)]
    took = times_ms(
        {
            "new": in_turn(plain.process, frames),
            "filtered": in_turn(filtered.process, frames),
            "held": in_turn(held.process, copies),
        },
        rounds=120,
    )
    assert isinstance(plain.process(frames[3]), New)
    note = f"filter {safe_filter.report.state.name.lower()} {safe_filter.report.cause}"
    return [
        Row(f"new image, {what}", took["new"], " ms", Bar.AT_MOST, limit_ms),
        Row(f"new image, {what}, safe filter", took["filtered"], " ms", Bar.AT_MOST, limit_ms, note),
        Row(f"held image, {what}", took["held"], " ms"),
    ]


def _nothing_hidden() -> LayoutBook:
    today = datetime.date.today()
    return LayoutBook((Layout("any", no_identity=True, signed_off_by="the bench", signed_off_on=today),))


def _frames(timing: CaptureTiming) -> list[FrameBytes]:
    renderer = PhantomRenderer(timing.width, timing.height, QUANTA, 1)
    words = np.random.default_rng(2).integers(0, 2, (24, 64), np.uint8) * 200
    frames = []
    for number in range(FRAMES):
        gray = np.empty((timing.height, timing.width), np.uint8)
        renderer.render(number, number / 15, number / 15, gray)
        for area in WORDS:
            area.view(gray)[:] = words
        frame = np.repeat(gray, timing.pixel_format.pixel_bytes, axis=1)
        if timing.pixel_format is PixelFormat.YUYV422:
            frame[:, 1::2] = NO_CHROMA
        frames.append(frame)
    return frames
