"""What rate and size this box holds in software: the sender's work on a new image, timed on the synthetic X-ray."""

import time

import msgspec
import numpy as np

from daemon.picture.encode import ImageEncoder
from daemon.picture.safe_filter import SafeFilter
from hw.capture.phantom_render import PhantomRenderer
from hw.encoders.x264 import X264Encoder

SIZES = ((512, 512), (1024, 1024), (1920, 1080))
RATES_HZ = (60.0, 50.0, 30.0, 25.0, 15.0, 12.5, 7.5)
BITRATE_BPS = 6_000_000
PRESET = "superfast"
QUANTA = 60.0
PICTURES = 6
WARM_UP = 3
TIMED = 24
TIMED_AT_LEAST = 8
LONGEST_S = 1.0  # a slow box knows earlier
SHARE_OF_INTERVAL = 0.7  # the rest is for the capture, the link's process and whatever else runs
QUANTILE = 0.9


class SoftwareRate(msgspec.Struct, frozen=True):
    """Of one size. 0 images a second: not even the lowest rate."""

    width: int
    height: int
    image_ms: float
    filtered_ms: float
    holds_hz: float
    holds_filtered_hz: float


def software_rates() -> list[SoftwareRate]:
    return [_measure(width, height) for width, height in SIZES]


def holds_hz(image_ms: float) -> float:
    """The highest usual rate at which an image's work leaves room."""
    return next((rate for rate in RATES_HZ if image_ms <= 1000 / rate * SHARE_OF_INTERVAL), 0.0)


def _measure(width: int, height: int) -> SoftwareRate:
    renderer = PhantomRenderer(width, height, QUANTA, 1)
    pictures = np.empty((PICTURES, height, width), np.uint8)
    for index, picture in enumerate(pictures):
        renderer.render(index, index / 15, index / 15, picture)
    encoder, safe_filter = ImageEncoder(X264Encoder(), PRESET, lossless=False), SafeFilter()
    encoding_ms, filtering_ms = [], []
    until = time.perf_counter() + LONGEST_S
    for index in range(WARM_UP + TIMED):
        if index >= WARM_UP + TIMED_AT_LEAST and time.perf_counter() > until:
            break
        picture = pictures[index % PICTURES]
        begun = time.perf_counter()
        encoder.encode(picture, index, image_rate_hz=30.0, bitrate_bps=BITRATE_BPS, force_idr=False)
        encoded = time.perf_counter()
        safe_filter.apply(picture)
        encoding_ms.append(1000 * (encoded - begun))
        filtering_ms.append(1000 * (time.perf_counter() - encoded))
    encoder.close()
    image_ms = float(np.quantile(encoding_ms[WARM_UP:], QUANTILE))
    filtered_ms = image_ms + float(np.quantile(filtering_ms[WARM_UP:], QUANTILE))
    return SoftwareRate(
        width, height, round(image_ms, 1), round(filtered_ms, 1), holds_hz(image_ms), holds_hz(filtered_ms)
    )
