"""Keeps an encoder fit for its images: opened for their size and rate, at the bit rate of the moment.

The encoder spends bits per image, not per second: it is opened for a nominal image rate and told the bit rate that
gives each image its share at the rate at which images really come. When that rate changes for good (cine to
fluoroscopy), the encoder is opened anew, which costs one IDR.

The blocks that hold devices and vessels are encoded finer. Each access unit carries the reference features of its
picture, computed before the encoder sees it.
"""

from concurrent.futures import ThreadPoolExecutor

from daemon.picture.blocks import content_of_halved, halve
from daemon.picture.integrity import reference_message
from daemon.picture.region import RegionDetector
from hw.encoders.x264 import FASTEST_PRESET
from hw.ports import EncodedPicture, Encoder, EncoderSettings, Picture, coding_of, luma_of

REOPEN_FACTOR = 1.25  # image rates that differ by more are another mode of the X-ray system
REOPEN_AFTER_NS = 1_000_000_000


class ImageEncoder:
    """Used by one thread. After a DeviceError the next `encode` opens the encoder anew, with an IDR."""

    def __init__(self, encoder: Encoder, preset: str, *, lossless: bool, crf: float | None = None) -> None:
        self._encoder = encoder
        self._preset = preset
        self._lossless = lossless
        self._crf = crf
        self._beside = ThreadPoolExecutor(1, "reference")  # neither the encoder nor the kernels hold Python's lock
        self._regions = RegionDetector() if preset != FASTEST_PRESET and not lossless else None
        self._settings: EncoderSettings | None = None
        self._rate_differs_since_ns: int | None = None

    def encode(
        self, pixels: Picture, capture_ns: int, *, image_rate_hz: float, bitrate_bps: int, force_idr: bool
    ) -> EncodedPicture:
        """The access unit of `pixels`. Raises DeviceError."""
        settings = self._settings
        if settings is None or self._is_another_mode(settings, pixels, capture_ns, image_rate_hz):
            settings = self._open(pixels, image_rate_hz, bitrate_bps)
        else:
            self._encoder.set_bitrate(round(bitrate_bps * settings.image_rate_hz / image_rate_hz))
        luma = luma_of(pixels)
        halved = halve(luma)
        reference = self._beside.submit(lambda: reference_message(content_of_halved(halved)))
        finer = None if self._regions is None else self._regions.find(halved)
        try:
            encoded = self._encoder.encode(pixels, force_idr=force_idr, finer=finer)
        except BaseException:
            self._settings = None
            raise
        return EncodedPicture(reference.result() + encoded.data, encoded.is_idr)

    def set_preset(self, preset: str) -> None:
        """Takes effect with the next image, which becomes an IDR."""
        if preset != self._preset:
            self._preset = preset
            self._regions = None if preset == FASTEST_PRESET or self._lossless else RegionDetector()
            self._settings = None

    def close(self) -> None:
        self._encoder.close()
        self._settings = None

    def _open(self, pixels: Picture, image_rate_hz: float, bitrate_bps: int) -> EncoderSettings:
        height, width = pixels.shape
        settings = EncoderSettings(
            width, height, image_rate_hz, bitrate_bps, self._preset, self._lossless, self._crf, coding_of(pixels)
        )
        self._settings = None
        self._encoder.open(settings)
        self._settings = settings
        self._rate_differs_since_ns = None
        return settings

    def _is_another_mode(
        self, settings: EncoderSettings, pixels: Picture, capture_ns: int, image_rate_hz: float
    ) -> bool:
        if pixels.shape != (settings.height, settings.width) or coding_of(pixels) != settings.colour:
            return True
        if 1 / REOPEN_FACTOR < image_rate_hz / settings.image_rate_hz < REOPEN_FACTOR:
            self._rate_differs_since_ns = None
            return False
        if self._rate_differs_since_ns is None:
            self._rate_differs_since_ns = capture_ns
        return capture_ns - self._rate_differs_since_ns > REOPEN_AFTER_NS
