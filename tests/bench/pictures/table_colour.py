"""What colour costs where it is: beside the same pictures in grey."""

import datetime
from collections.abc import Callable

import numpy as np

from daemon.config import ColourChoice
from daemon.picture.chain import New, PictureChain
from daemon.picture.decode import Decoder
from daemon.picture.encode import ImageEncoder
from daemon.picture.layout import without_identity
from hw.capture.phantom_render import PhantomRenderer
from hw.display.bgrx import write_bgrx
from hw.encoders.x264 import X264Encoder
from hw.ports import NO_CHROMA, CaptureTiming, FrameBytes, Picture, PixelFormat
from tests.bench.pictures.table import Bar, Row, Table
from tests.bench.pictures.timing import in_turn, times_ms

SIZES = ((1024, 1024), (1920, 1080))
FORMATS = (PixelFormat.BGR24, PixelFormat.YUYV422)  # to 4:4:4, to 4:2:0
FRAMES = 16
BITRATE_BPS = 6_000_000
RATE_HZ = 15.0
BARS_MS = {(1024, 1024): 3.5, (1920, 1080): 7.0}  # those of the grey chain


def run() -> Table:
    rows: list[Row] = []
    for size in SIZES:
        for pixel_format in FORMATS:
            rows += _rows(CaptureTiming(*size, 60.0, pixel_format))
    return Table("A coloured overlay: what colour costs, one thread (the encoder has two)", rows)


def _rows(timing: CaptureTiming) -> list[Row]:
    book = without_identity("the bench", datetime.date.today())
    frames = _frames(timing)
    colour, grey = (PictureChain(book, timing, None, choice) for choice in (ColourChoice.AUTO, ColourChoice.NEVER))
    chain = times_ms({"colour": in_turn(colour.process, frames), "grey": in_turn(grey.process, frames)}, rounds=80)
    pictures = {"colour": _pictures(colour, frames), "grey": _pictures(grey, frames)}
    took = times_ms(
        {f"{stage} {kind}": call for kind, shown in pictures.items() for stage, call in _stages(shown).items()},
        rounds=48,
    )
    what = f"{timing.pixel_format} {timing.width}x{timing.height}"
    return [
        Row(f"{what}: chain, new image", chain["colour"], " ms", Bar.AT_MOST, BARS_MS[timing.width, timing.height]),
        Row(f"{what}: chain", chain["colour"] / chain["grey"], "x grey"),
        *(
            Row(f"{what}: {stage}", took[f"{stage} colour"] / took[f"{stage} grey"], "x grey")
            for stage in ("encode", "encode and decode", "to the screen's bytes")
        ),
    ]


def _stages(shown: list[Picture]) -> dict[str, Callable[[], None]]:
    encoder, coder, decoder = (_encoder(), _encoder(), Decoder())
    screen = np.empty(shown[0].shape, np.uint32)
    return {
        "encode": _each(lambda picture: _encode(encoder, picture), shown),
        "encode and decode": _each(lambda picture: decoder.decode(_encode(coder, picture)), shown),
        "to the screen's bytes": _each(lambda picture: write_bgrx(picture, screen), shown),
    }


def _encoder() -> ImageEncoder:
    return ImageEncoder(X264Encoder(), "superfast", lossless=False)


def _encode(encoder: ImageEncoder, picture: Picture) -> bytes:
    return encoder.encode(picture, 0, image_rate_hz=RATE_HZ, bitrate_bps=BITRATE_BPS, force_idr=False).data


def _each(call: Callable[[Picture], object], pictures: list[Picture]) -> Callable[[], None]:
    turn = iter(range(1 << 30))
    return lambda: (call(pictures[next(turn) % len(pictures)]), None)[1]


def _pictures(chain: PictureChain, frames: list[FrameBytes]) -> list[Picture]:
    results = [chain.process(frame) for frame in frames]
    return [result.picture.copy() for result in results if isinstance(result, New)]


def _frames(timing: CaptureTiming) -> list[FrameBytes]:
    """The phantom with an overlay: a closed line of four pixels, as a roadmap has."""
    renderer = PhantomRenderer(timing.width, timing.height, 150.0, 1)
    y, x = np.mgrid[: timing.height, : timing.width]
    is_overlay = np.abs(np.hypot(y - timing.height / 2, x - timing.width / 2) - timing.height / 4) < 2
    frames = []
    for number in range(FRAMES):
        gray = np.empty((timing.height, timing.width), np.uint8)
        renderer.render(number, number / RATE_HZ, number / RATE_HZ, gray)
        if timing.pixel_format is PixelFormat.BGR24:
            pixels = gray[:, :, None].repeat(3, axis=2)
            pixels[is_overlay] = (40, 200, 40)
        else:
            pixels = np.stack([gray, np.where(is_overlay, 60, NO_CHROMA).astype(np.uint8)], axis=2)
        frames.append(pixels.reshape(timing.height, -1))
    return frames
