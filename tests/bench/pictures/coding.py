"""What the tables of the encoder share: the sender's encoder and the receiver's decoder, against the wire's truth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np

from daemon.picture.decode import Decoder
from daemon.picture.encode import ImageEncoder
from hw.encoders.x264 import FULL_RANGE, X264Encoder
from hw.ports import GrayPicture
from tests.bench.pictures import phantom

IMAGE_RATE_HZ = 15.0
IMAGES = 45
SETTLED = 8  # the first images of a stream are not judged
PRESET = "superfast"
ALPHA_BAR = 0.85
DETECTABILITY_BAR = 0.9

Encode = Callable[[GrayPicture], bytes]


@dataclass(frozen=True, slots=True)
class Wire:
    """What is left of the wire at a bit rate."""

    rate_bps: float  # as it came out
    alpha: float
    detectability: float  # d', of the input's

    @property
    def is_kept(self) -> bool:
        return self.alpha >= ALPHA_BAR and self.detectability >= DETECTABILITY_BAR


def our_encoder(bitrate_bps: float, image_rate_hz: float = IMAGE_RATE_HZ) -> Encode:
    encoder = ImageEncoder(X264Encoder(), PRESET, lossless=False)

    def encode(picture: GrayPicture) -> bytes:
        return encoder.encode(
            picture, 0, image_rate_hz=image_rate_hz, bitrate_bps=round(bitrate_bps), force_idr=False
        ).data

    return encode


def default_encoder(bitrate_bps: float) -> Encode:
    """x264 as it comes: the preset, zerolatency, and a rate buffer of a few images."""
    rate = Fraction(IMAGE_RATE_HZ).limit_denominator(1001)
    context: Any = None

    def encode(picture: GrayPicture) -> bytes:
        nonlocal context
        if context is None:
            context = av.CodecContext.create("libx264", "w")
            context.height, context.width = picture.shape
            context.pix_fmt, context.framerate, context.time_base = "gray", rate, 1 / rate
            context.color_range, context.bit_rate = FULL_RANGE, round(bitrate_bps)
            context.options = {"preset": PRESET, "tune": "zerolatency", "g": str(1 << 30), "threads": "2"}
            context.options |= {
                "maxrate": str(round(bitrate_bps)),
                "bufsize": str(round(bitrate_bps / IMAGE_RATE_HZ * 2.5)),
            }
        return bytes(context.encode(av.VideoFrame.from_numpy_buffer(picture, format="gray"))[0])

    return encode


def wire_after(encode: Encode, truth: dict[str, Any], images: int = IMAGES) -> Wire:
    """The wire of a phantom after encoding and decoding; `truth` as `phantom.make` gives it."""
    judge, judge_of_input = (phantom.load("metrics").WireMetric(truth) for _ in range(2))
    decoder, sizes = Decoder(), []
    for number in range(images):
        picture = np.ascontiguousarray(truth["noisy"][number])
        unit = encode(picture)
        decoded = decoder.decode(unit)
        if number >= SETTLED:
            sizes.append(len(unit))
            judge.add(number, decoded)
            judge_of_input.add(number, picture)
    result = judge.result()
    return Wire(
        rate_bps=float(np.mean(sizes)) * 8 * IMAGE_RATE_HZ,
        alpha=result["alpha"],
        detectability=result["dprime"] / judge_of_input.result()["dprime"],
    )


def rate_that_keeps(
    rates_bps: Sequence[float], wire_at: Callable[[float], Wire], is_kept: Callable[[Wire], bool]
) -> float:
    """The lowest of the ascending `rates_bps`, as it came out, at which the wire is kept; infinite when at none."""
    for rate_bps in rates_bps:
        wire = wire_at(rate_bps)
        if is_kept(wire):
            return wire.rate_bps
    return float("inf")
