"""The encoder is kept fit for its images: opened when size or rate change for good, told the bit rate otherwise."""

import numpy as np
import pytest

from daemon.picture.encode import REOPEN_AFTER_NS, ImageEncoder
from hw.errors import DeviceError
from hw.ports import EncodedPicture, EncoderSettings, FinerBlocks, GrayPicture

RATE_HZ = 15.0
INTERVAL_NS = int(1e9 / RATE_HZ)
BITRATE_BPS = 3_000_000


class ScriptedEncoder:
    """Keeps what it was told; fails at the next image when `fails` is set."""

    def __init__(self) -> None:
        self.opened: list[EncoderSettings] = []
        self.bitrates: list[int] = []
        self.fails = False
        self._is_first = False

    def open(self, settings: EncoderSettings) -> None:
        self.opened.append(settings)
        self._is_first = True

    def encode(self, picture: GrayPicture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
        if self.fails:
            self.fails = False
            raise DeviceError("the encoder failed")
        is_idr, self._is_first = force_idr or self._is_first, False
        return EncodedPicture(b"unit", is_idr)

    def set_bitrate(self, bitrate_bps: int) -> None:
        self.bitrates.append(bitrate_bps)

    def close(self) -> None:
        return


class Source:
    """Hands images to the encoder at their own times."""

    def __init__(self) -> None:
        self.device = ScriptedEncoder()
        self._encoder = ImageEncoder(self.device, "superfast", lossless=False)
        self._now_ns = 0

    def set_preset(self, preset: str) -> None:
        self._encoder.set_preset(preset)

    def encode(
        self, *, rate_hz: float = RATE_HZ, size: tuple[int, int] = (48, 64), force_idr: bool = False
    ) -> EncodedPicture:
        self._now_ns += int(1e9 / rate_hz)
        picture = np.zeros(size, np.uint8)
        return self._encoder.encode(
            picture, self._now_ns, image_rate_hz=rate_hz, bitrate_bps=BITRATE_BPS, force_idr=force_idr
        )


def test_it_opens_once_for_steady_images() -> None:
    source = Source()
    idrs = [source.encode().is_idr for _ in range(5)]
    assert idrs == [True, False, False, False, False]
    assert source.device.opened == [EncoderSettings(64, 48, RATE_HZ, BITRATE_BPS, "superfast", False)]


def test_an_idr_is_passed_on() -> None:
    source = Source()
    source.encode()
    assert source.encode(force_idr=True).is_idr


def test_another_size_opens_it_anew() -> None:
    source = Source()
    source.encode()
    assert source.encode(size=(96, 64)).is_idr
    assert [(s.width, s.height) for s in source.device.opened] == [(64, 48), (64, 96)]


def test_another_pulse_rate_opens_it_anew_when_it_lasts() -> None:
    source = Source()
    source.encode()
    images = 0
    while len(source.device.opened) == 1:
        source.encode(rate_hz=2 * RATE_HZ)
        images += 1
        assert images < 100
    assert images / (2 * RATE_HZ) == pytest.approx(REOPEN_AFTER_NS / 1e9, abs=0.1)
    assert source.device.opened[1].image_rate_hz == 2 * RATE_HZ


def test_until_then_each_image_gets_its_share_of_the_bit_rate() -> None:
    """The encoder still believes in its nominal rate."""
    source = Source()
    source.encode()
    source.encode(rate_hz=2 * RATE_HZ)
    assert source.device.bitrates == [BITRATE_BPS // 2]


def test_a_short_change_of_rate_opens_nothing() -> None:
    source = Source()
    source.encode()
    for _ in range(5):
        for _ in range(10):
            source.encode(rate_hz=2 * RATE_HZ)
        source.encode()
    assert len(source.device.opened) == 1


def test_another_preset_opens_it_anew_and_the_same_one_does_not() -> None:
    source = Source()
    source.encode()
    source.set_preset("superfast")
    assert not source.encode().is_idr
    source.set_preset("ultrafast")
    assert source.encode().is_idr
    assert [settings.preset for settings in source.device.opened] == ["superfast", "ultrafast"]


def test_after_a_failure_it_opens_anew_with_an_idr() -> None:
    source = Source()
    source.encode()
    source.device.fails = True
    with pytest.raises(DeviceError):
        source.encode()
    assert source.encode().is_idr
    assert len(source.device.opened) == 2
