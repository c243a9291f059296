"""`cathlink process IN OUT`: what the sender does to pictures, done to a file, so that anybody can judge it.

The same chain, encoder and decoder as in the corridor, as fast as they go. OUT is FFV1 in Matroska, grey or in colour
as its first image is: one frame for each new image, at the time that the image has in IN.
"""

import argparse
import datetime
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import av
import av.error
import msgspec
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from daemon.config import ColourChoice, FilterChoice
from daemon.errors import UsageError
from daemon.picture.chain import Held, New, PictureChain, Withheld
from daemon.picture.decode import Decoder
from daemon.picture.encode import ImageEncoder
from daemon.picture.layout import LayoutBook, without_identity
from daemon.picture.layout_file import load_layouts
from daemon.picture.mask import require_masked
from daemon.picture.pulse import ImageInterval
from daemon.picture.safe_filter import FilterReport, SafeFilter
from hw.capture.file import find_clip
from hw.capture.ring import FrameRing
from hw.capture.signal import AS_THE_DEVICE_SAYS, Signal
from hw.encoders.pixels import FULL_RANGE, GRAY, colour_space, fill, pixel_format
from hw.encoders.x264 import X264Encoder
from hw.errors import CathlinkError
from hw.ports import ColourCoding, FrameBytes, Picture, coding_of

TIME_BASE = Fraction(1, 1000)  # what Matroska keeps
USUAL_RATE_HZ = 15.0  # of a clip that does not say


class Stage(StrEnum):
    """Up to where: masked, filtered, or encoded and decoded again."""

    MASKED = "masked"
    FILTERED = "filtered"
    DECODED = "decoded"


@dataclass(frozen=True, slots=True)
class CodecOptions:
    """How the stage `decoded` encodes: at a bit rate, or, when `crf` is given, at that constant quality."""

    bitrate_bps: int
    preset: str
    crf: float | None = None


class Statistics(msgspec.Struct, kw_only=True):
    """What was done, for --stats. Times are this process's own, of one thread, in milliseconds."""

    layout: str
    filter: str
    filter_images: dict[str, int]  # on, or suspended and why, to how many images
    stage: str
    frames_in: int
    images_new: int
    images_held: int
    frames_withheld: int
    withheld_reasons: list[str]
    pulse_rate_hz: float
    encoded_bytes: int
    stage_ms: dict[str, dict[str, float]]
    codec: dict[str, Any] = {}


class _Writer(Protocol):
    def write(self, picture: Picture, time_ns: int) -> None: ...


@dataclass(slots=True)
class _Tally:
    frames: int = 0
    new: int = 0
    held: int = 0
    withheld: int = 0
    reasons: dict[str, None] = field(default_factory=dict)  # in the order in which they came
    encoded_bytes: int = 0
    took_ms: dict[str, list[float]] = field(default_factory=dict)
    interval: ImageInterval = field(default_factory=ImageInterval)
    filter_images: dict[str, int] = field(default_factory=dict)

    def note_filter(self, report: FilterReport) -> None:
        what = f"{report.state.name.lower()}: {report.cause}" if report.cause else report.state.name.lower()
        self.filter_images[what] = self.filter_images.get(what, 0) + 1


NO_IDENTITY = "none"  # --layout


def run_process(options: argparse.Namespace) -> None:
    """The command. Raises CathlinkError."""
    if options.target.exists() and options.source.exists() and options.target.samefile(options.source):
        raise UsageError(f"{options.target}: IN and OUT are the same file", "choose another OUT")
    statistics = process_file(
        options.source,
        options.target,
        _book(options.layout),
        Stage(options.stage),
        layout_name=options.layout,
        picture_filter=SafeFilter() if options.filter == FilterChoice.SAFE else None,
        codec=CodecOptions(options.bitrate, options.preset, options.crf),
        signal=Signal(is_interlaced=options.interlaced),
        colour=ColourChoice(options.colour),
    )
    if options.stats is not None:
        try:
            options.stats.write_bytes(msgspec.json.format(msgspec.json.encode(statistics)))
        except OSError as error:
            raise CathlinkError(f"{options.stats}: cannot be written ({error.strerror})") from error
    print(
        f"{statistics.frames_in} frames: {statistics.images_new} new, {statistics.images_held} held, "
        f"{statistics.frames_withheld} withheld; {statistics.pulse_rate_hz:.3g} images/s"
    )


def _book(layout: str | None) -> LayoutBook:
    if layout is None:
        raise UsageError(
            "--layout is missing", f"name IN's layout file, or say '{NO_IDENTITY}' if IN shows no identity"
        )
    if layout == NO_IDENTITY:
        return without_identity("cathlink process --layout none", datetime.date.today())
    return load_layouts(Path(layout))


def process_file(
    source: Path,
    target: Path,
    book: LayoutBook,
    stage: Stage,
    *,
    layout_name: str,
    picture_filter: SafeFilter | None = None,
    codec: CodecOptions,
    signal: Signal = AS_THE_DEVICE_SAYS,
    colour: ColourChoice = ColourChoice.AUTO,
) -> Statistics:
    """Make `target` of `source`, and say what was done. Raises CathlinkError; then `target` may be there in part."""
    clip = find_clip(str(source))
    timing = signal.over(clip.timing)
    tally = _Tally()
    with ExitStack() as stack:
        out = stack.enter_context(_PictureFile(target))
        writer: _Writer = out
        if stage is Stage.DECODED:
            writer = _Recoder(out, codec, timing.rate_hz or USUAL_RATE_HZ, tally)
        chain_filter = picture_filter if stage is not Stage.MASKED else None
        chain = PictureChain(book, timing, chain_filter, colour)
        ring = FrameRing(timing.width, timing.height, timing.pixel_format)
        times_ns = stack.enter_context(closing(clip.play(ring)))
        _run(chain, ((ring.slot, time_ns) for time_ns in times_ns), writer, tally, chain_filter)
        if tally.new == 0 and tally.reasons:
            raise CathlinkError(f"{source}: nothing was let through", "; ".join(tally.reasons))
    return _statistics(
        tally, layout_name, FilterChoice.OFF if chain_filter is None else FilterChoice.SAFE, stage, codec
    )


def _run(
    chain: PictureChain,
    frames: Iterator[tuple[FrameBytes, int]],
    writer: _Writer,
    tally: _Tally,
    picture_filter: SafeFilter | None,
) -> None:
    for frame, time_ns in frames:
        tally.frames += 1
        with _Timed(tally, "chain"):
            result = chain.process(frame)
        match result:
            case New(picture, identity):
                tally.new += 1
                tally.interval.note_new(time_ns)
                if picture_filter is not None:
                    tally.note_filter(picture_filter.report)
                require_masked(picture, identity)
                writer.write(picture, time_ns)
            case Held():
                tally.held += 1
            case Withheld(reason):
                tally.withheld += 1
                tally.reasons[reason] = None


class _PictureFile:
    """FFV1 in Matroska; the first picture decides the size. Raises CathlinkError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._coding: ColourCoding | None = None

    def __enter__(self) -> "_PictureFile":
        try:
            self._container = av.open(f"file:{self._path}", "w", format="matroska")
        except (av.error.FFmpegError, OSError) as error:
            raise self._unwritable(error) from error
        return self

    def write(self, picture: Picture, time_ns: int) -> None:
        assert self._container is not None
        height, width = picture.shape
        try:
            if self._stream is None:
                self._stream = self._container.add_stream("ffv1", rate=1000)
                self._stream.width, self._stream.height = width, height
                self._stream.pix_fmt = pixel_format(picture.shape, coding_of(picture))
                self._stream.time_base = self._stream.codec_context.time_base = TIME_BASE
                self._stream.codec_context.color_range = FULL_RANGE
                self._stream.codec_context.colorspace = colour_space(coding_of(picture))
                self._coding = coding_of(picture)
            if (self._stream.width, self._stream.height) != (width, height):
                raise CathlinkError(f"the image area changed to {width}x{height}", "give a layout file with one area")
            if self._coding != coding_of(picture):
                when = f"after {time_ns / 1e9:.1f} s"
                raise CathlinkError(
                    f"colour comes or goes {when}, and OUT has one kind of picture", "say --colour always or never"
                )
            frame = VideoFrame(width, height, self._stream.pix_fmt or GRAY)
            fill(frame, picture)
            frame.pts, frame.time_base, frame.color_range = round(time_ns / 1e6), TIME_BASE, FULL_RANGE
            frame.colorspace = self._stream.codec_context.colorspace
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._unwritable(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._container is not None
        if self._stream is not None and kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def _unwritable(self, error: Exception) -> CathlinkError:
        return CathlinkError(f"{self._path}: cannot be written ({error})", "choose another path")


class _Recoder:
    """The sender's encoder and the receiver's decoder between a picture and the file."""

    def __init__(self, out: _PictureFile, codec: CodecOptions, image_rate_hz: float, tally: _Tally) -> None:
        self._out = out
        self._codec = codec
        self._encoder = ImageEncoder(X264Encoder(), codec.preset, lossless=False, crf=codec.crf)
        self._decoder = Decoder()
        self._image_rate_hz = image_rate_hz
        self._tally = tally

    def write(self, picture: Picture, time_ns: int) -> None:
        interval_ns = self._tally.interval.interval_ns
        with _Timed(self._tally, "encode"):
            encoded = self._encoder.encode(
                picture,
                time_ns,
                image_rate_hz=1e9 / interval_ns if interval_ns else self._image_rate_hz,
                bitrate_bps=self._codec.bitrate_bps,
                force_idr=False,
            )
        self._tally.encoded_bytes += len(encoded.data)
        with _Timed(self._tally, "decode"):
            decoded = self._decoder.decode(encoded.data)
        self._out.write(decoded, time_ns)


class _Timed:
    def __init__(self, tally: _Tally, name: str) -> None:
        self._took_ms = tally.took_ms.setdefault(name, [])

    def __enter__(self) -> None:
        self._start_ns = time.perf_counter_ns()

    def __exit__(self, *details: object) -> None:
        self._took_ms.append((time.perf_counter_ns() - self._start_ns) / 1e6)


def _statistics(tally: _Tally, layout_name: str, filter_name: str, stage: Stage, codec: CodecOptions) -> Statistics:
    return Statistics(
        layout=layout_name,
        filter=filter_name,
        filter_images=tally.filter_images,
        stage=stage,
        frames_in=tally.frames,
        images_new=tally.new,
        images_held=tally.held,
        frames_withheld=tally.withheld,
        withheld_reasons=list(tally.reasons),
        pulse_rate_hz=tally.interval.pulse_rate_hz,
        encoded_bytes=tally.encoded_bytes,
        stage_ms={
            name: {"p50": float(np.percentile(took, 50)), "p99": float(np.percentile(took, 99))}
            for name, took in tally.took_ms.items()
        },
        codec=msgspec.to_builtins(codec) if stage is Stage.DECODED else {},
    )
