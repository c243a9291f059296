"""The picture never waits for a hardware encoder: libx264 first, and again, on the same image, when hardware fails."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from daemon.picture.decode import Decoder
from daemon.picture.encoder_choice import EncoderChoice
from daemon.picture.quarantine import Quarantine
from daemon.states import EncoderState
from hw.encoders.fake import EncoderFault, FaultyEncoder
from hw.encoders.watched import SLOW_IMAGES, WatchedEncoder
from hw.encoders.x264 import X264Encoder
from hw.errors import DeviceError
from hw.ports import EncodedPicture, EncoderSettings, FinerBlocks, GrayPicture, Picture
from tests.picture.test_quarantine import RETRY_NS, Memory

SETTINGS = EncoderSettings(320, 240, 30.0, 2_000_000, "superfast")
DEADLINE_S = 20.0
IN_TIME_S = 10.0  # for an encoder that is not at fault, on a machine that does other things as well


class Box:
    """An encoder choice over the fake, whose clock moves when somebody says so."""

    def __init__(self, encode_limit_s: float = IN_TIME_S, make: Callable[[], WatchedEncoder] | None = None) -> None:
        self.now_ns = 0
        self.fault: EncoderFault | None = None
        self.told: list[tuple[EncoderState, str]] = []
        self.devices: list[WatchedEncoder] = []
        self._encode_limit_s = encode_limit_s
        self.store = Memory()
        self.choice = EncoderChoice(
            X264Encoder(), note_state=lambda *what: self.told.append(what), clock=lambda: self.now_ns
        )
        self.choice.open(SETTINGS)
        self.choice.offer(make or self._make, Quarantine("fake", self.store, RETRY_NS, 0))
        self._random = np.random.default_rng(2)
        self._ramp = np.linspace(30, 220, SETTINGS.width)
        self._decoder = Decoder()

    def _make(self) -> WatchedEncoder:
        self.devices.append(
            WatchedEncoder("fake", FaultyEncoder(self._take_fault), encode_limit_s=self._encode_limit_s)
        )
        return self.devices[-1]

    def _take_fault(self) -> EncoderFault | None:
        fault, self.fault = self.fault, None
        return fault

    def encode(self, *, force_idr: bool = False) -> EncodedPicture:
        """The next image; whoever encodes it, it must decode to that image."""
        noise = self._random.normal(0, 4, (SETTINGS.height, SETTINGS.width))
        picture: GrayPicture = np.clip(self._ramp + noise, 0, 255).astype(np.uint8)
        encoded = self.choice.encode(picture, force_idr=force_idr)
        decoded = self._decoder.decode(encoded.data)
        assert abs(decoded.astype(int) - picture).mean() < 6
        return encoded

    def encode_until_hardware(self) -> None:
        """Waits for the device's thread, not for the clock."""
        deadline = threading.Event()
        timer = threading.Timer(DEADLINE_S, deadline.set)
        timer.start()
        try:
            while not self.choice.is_accelerated:
                assert not deadline.is_set()
                self.encode()
        finally:
            timer.cancel()


@pytest.fixture
def box() -> Box:
    return Box()


def test_software_from_the_first_image_and_hardware_once_it_is_ready(box: Box) -> None:
    assert box.encode().is_idr
    box.encode_until_hardware()
    assert box.told == [(EncoderState.HARDWARE, "fake")]
    assert not box.encode().is_idr


def test_without_an_offer_nothing_is_told() -> None:
    told: list[EncoderState] = []
    choice = EncoderChoice(X264Encoder(), note_state=lambda state, cause: told.append(state))
    choice.open(SETTINGS)
    assert choice.encode(np.zeros((240, 320), np.uint8), force_idr=False).is_idr
    assert not told


@pytest.mark.parametrize(
    "fault", [EncoderFault.RAISES, EncoderFault.SILENT, EncoderFault.NOISE, EncoderFault.STALE, EncoderFault.STALLS]
)
def test_a_fault_costs_no_image(fault: EncoderFault) -> None:
    """`encode` in Box asserts that the very image comes out; here: as an IDR, by software."""
    box = Box(encode_limit_s=0.25 if fault is EncoderFault.STALLS else IN_TIME_S)
    box.encode_until_hardware()
    box.encode()
    box.fault = fault
    assert box.encode().is_idr
    assert not box.choice.is_accelerated
    assert box.told[-1][0] is EncoderState.FALLBACK
    assert not box.encode().is_idr


def test_the_device_comes_back_after_its_quarantine_and_not_before(box: Box) -> None:
    box.encode_until_hardware()
    box.fault = EncoderFault.RAISES
    box.encode()
    box.now_ns += RETRY_NS - 1
    box.encode()
    assert len(box.devices) == 1
    box.now_ns += 1
    box.encode_until_hardware()
    assert len(box.devices) == 2
    assert [state for state, _ in box.told] == [EncoderState.HARDWARE, EncoderState.FALLBACK, EncoderState.HARDWARE]


def test_a_driver_that_still_hangs_is_not_asked_again() -> None:
    hanging = threading.Event()

    class Hanging(FaultyEncoder):
        def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
            hanging.wait(DEADLINE_S)
            return super().encode(picture, force_idr=force_idr, finer=finer)

    made: list[WatchedEncoder] = []

    def make() -> WatchedEncoder:
        made.append(WatchedEncoder("hanging", Hanging(lambda: None), encode_limit_s=0.05))
        return made[-1]

    box = Box(make=make)
    while not box.told:
        box.encode()
    assert box.told[-1][0] is EncoderState.FALLBACK
    box.now_ns += 1000 * RETRY_NS
    box.encode()
    assert len(made) == 1
    hanging.set()


def test_a_slow_device_fails_after_three_images_in_a_row() -> None:
    encoder = WatchedEncoder("slow", X264Encoder())
    for _ in range(2):
        for took_s in (0.05, 0.05, 0.01):
            encoder._note_latency(took_s)
    for _ in range(SLOW_IMAGES - 1):
        encoder._note_latency(0.05)
    with pytest.raises(DeviceError, match="too slow"):
        encoder._note_latency(0.05)


def test_a_doubt_about_what_it_gave_is_its_failure(box: Box) -> None:
    box.encode_until_hardware()
    box.choice.doubt("the picture is wrong")
    assert box.encode().is_idr
    assert box.told[-1] == (EncoderState.FALLBACK, "the picture is wrong")


def test_a_device_that_does_not_open_is_told_and_tried_again() -> None:
    class Shut(FaultyEncoder):
        def open(self, settings: EncoderSettings) -> None:
            raise DeviceError("no driver")

    box = Box(make=lambda: WatchedEncoder("shut", Shut(lambda: None)))
    while not box.told:
        box.encode()
    assert box.told == [(EncoderState.FALLBACK, "no driver")]
    assert box.store.record is not None
    assert box.store.record.until_ns == RETRY_NS


def test_another_size_begins_in_software_and_is_nobodys_fault(box: Box) -> None:
    box.encode_until_hardware()
    box.choice.open(SETTINGS)
    assert not box.choice.is_accelerated
    assert box.encode().is_idr
    box.encode_until_hardware()
    assert box.store.record is not None
    assert box.store.record.failures == 0


def test_pictures_that_hardware_does_not_take_stay_in_software() -> None:
    box = Box()
    box.choice.open(EncoderSettings(321, 240, 30.0, 2_000_000, "superfast"))
    for _ in range(3):
        box.choice.encode(np.zeros((240, 321), np.uint8), force_idr=False)
    assert not box.devices
    assert not box.told


def test_the_bit_rate_of_the_moment_goes_to_whoever_takes_over(box: Box) -> None:
    sizes = []
    for _ in range(2):
        box.encode_until_hardware()
        box.choice.set_bitrate(400_000)
        for _ in range(12):
            size = len(box.encode().data)
        sizes.append(size)
        box.fault = EncoderFault.RAISES
        box.encode()
        for _ in range(12):
            size = len(box.encode().data)
        sizes.append(size)
        box.now_ns += 1000 * RETRY_NS
    assert max(sizes) < 2 * 400_000 / 8 / SETTINGS.image_rate_hz


def test_a_bit_rate_of_before_is_the_hardwares_too() -> None:
    """It was opened for another."""
    box = Box()
    box.choice.set_bitrate(400_000)
    box.encode_until_hardware()
    sizes = [len(box.encode().data) for _ in range(12)]
    assert sizes[-1] < 2 * 400_000 / 8 / SETTINGS.image_rate_hz


def test_the_record_says_when_it_is_in_use(box: Box) -> None:
    box.now_ns = 77
    box.encode_until_hardware()
    assert box.store.record is not None
    assert box.store.record.in_use_since_ns == 77
    box.choice.close()
    assert box.store.record.in_use_since_ns is None
    assert box.store.record.failures == 0


def test_an_idr_that_does_not_come_is_a_failure() -> None:
    class Deaf(X264Encoder):
        def encode(self, picture: Picture, *, force_idr: bool, finer: FinerBlocks | None = None) -> EncodedPicture:
            return super().encode(picture, force_idr=False, finer=finer)

    encoder = WatchedEncoder("deaf", Deaf(), encode_limit_s=IN_TIME_S)
    encoder.open(SETTINGS)
    picture = np.zeros((SETTINGS.height, SETTINGS.width), np.uint8)
    assert encoder.encode(picture, force_idr=True).is_idr
    with pytest.raises(DeviceError, match="no IDR"):
        encoder.encode(picture, force_idr=True)
