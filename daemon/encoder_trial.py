"""One encoder, tried: `python -m daemon.encoder_trial NAME` prints the result as a line of JSON.

A process of its own, for a driver may hang or take its process down. NAME is one of `hw.encoders.table`, "libx264", or
"fake:FILE". What is asked: an access unit for each image at once, that decodes to that image; an IDR on demand; another
bit rate; and how long an image takes.
"""

import sys
import time
from collections.abc import Iterator

import av
import av.logging
import msgspec
import numpy as np

from daemon.errors import CodecError
from daemon.picture.decode import Decoder
from hw.encoders.obstacle import words_for
from hw.encoders.table import accelerator
from hw.encoders.watched import LATENCY_LIMIT_S
from hw.encoders.x264 import X264Encoder
from hw.errors import CathlinkError, DeviceError
from hw.ports import Encoder, EncoderSettings, GrayPicture, luma_of
from hw.select import hardware_encoder

SOFTWARE_NAME = "libx264"
SETTINGS = EncoderSettings(1024, 1024, 30.0, 6_000_000, "superfast")
FIRST_IMAGES = 3
RATE_IMAGES = 12
LOWER_RATE = 4  # the bit rate is asked to fall to this part of it ...
RATE_FELL = 2  # ... and has fallen at least to this one
DIFFERENCE_LIMIT = 8.0  # levels, mean, between an image and what decodes: coding loses the noise, not more
NOISE = 6.0  # levels


class Trial(msgspec.Struct, frozen=True):
    """What came out. `why_not` is empty when the encoder is fit for use."""

    name: str
    why_not: str = ""
    open_ms: float = 0.0
    image_ms: float = 0.0  # median
    worst_ms: float = 0.0


def try_encoder(name: str, encoder: Encoder) -> Trial:
    """Never raises for what an encoder does."""
    times_ms: list[float] = []
    started = time.perf_counter()
    try:
        encoder.open(SETTINGS)
        open_ms = 1000 * (time.perf_counter() - started)
        _ask(encoder, times_ms)
    except (DeviceError, CodecError) as error:
        known = accelerator(name)
        return Trial(name, words_for(known, str(error)) if known else str(error))
    finally:
        encoder.close()
    middle, worst = float(np.median(times_ms)), max(times_ms)
    why_not = f"too slow: {middle:.0f} ms for an image" if middle > 1000 * LATENCY_LIMIT_S else ""
    return Trial(name, why_not, round(open_ms, 1), round(middle, 2), round(worst, 2))


def _ask(encoder: Encoder, times_ms: list[float]) -> None:
    decoder = Decoder()

    def encode(picture: GrayPicture, *, force_idr: bool = False) -> int:
        begun = time.perf_counter()
        encoded = encoder.encode(picture, force_idr=force_idr)
        times_ms.append(1000 * (time.perf_counter() - begun))
        if force_idr and not encoded.is_idr:
            raise DeviceError("gives no IDR when asked for one")
        decoded = luma_of(decoder.decode(encoded.data))
        if decoded.shape != picture.shape or np.abs(decoded.astype(np.int16) - picture).mean() > DIFFERENCE_LIMIT:
            raise DeviceError("gives another picture than it was given")
        return len(encoded.data)

    images = _images()
    for _ in range(FIRST_IMAGES):
        encode(next(images))
    encode(next(images), force_idr=True)
    before = [encode(next(images)) for _ in range(RATE_IMAGES)]
    encoder.set_bitrate(SETTINGS.bitrate_bps // LOWER_RATE)
    after = [encode(next(images)) for _ in range(RATE_IMAGES)]
    if np.mean(after[-3:]) > np.mean(before[-3:]) / RATE_FELL:
        raise DeviceError("does not follow the bit rate")


def _images() -> Iterator[GrayPicture]:
    """A slope with noise, whose every image costs bits."""
    random = np.random.default_rng(1)
    slope = np.linspace(20, 235, SETTINGS.width, dtype=np.float32)
    while True:
        noise = random.standard_normal((SETTINGS.height, SETTINGS.width), np.float32) * NOISE
        yield np.clip(slope + noise, 0, 255).astype(np.uint8)


def main(name: str) -> int:
    av.logging.set_level(av.logging.ERROR)  # here alone: why a driver does not open
    try:
        trial = try_encoder(name, X264Encoder() if name == SOFTWARE_NAME else hardware_encoder(name)())
    except CathlinkError as error:
        trial = Trial(name, str(error))
    print(msgspec.json.encode(trial).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
