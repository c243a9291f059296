"""What a hardware encoder gave is decoded again: good chains pass, what is no good is told once."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from daemon.picture.encode import ImageEncoder
from daemon.picture.encoder_check import UNITS_WAITING, EncoderCheck
from hw.encoders.fake import EncoderFault, FaultyEncoder
from hw.ports import EncodedPicture

DEADLINE_S = 20.0


class Chain:
    """Access units as the sender makes them, of an encoder that fails on demand."""

    def __init__(self) -> None:
        self.fault: EncoderFault | None = None
        self._encoder = ImageEncoder(FaultyEncoder(lambda: self.fault), "superfast", lossless=False)
        self._random = np.random.default_rng(8)
        self._ramp = np.linspace(40, 210, 256)

    def next_unit(self) -> EncodedPicture:
        picture = np.clip(self._ramp + self._random.normal(0, 4, (192, 256)), 0, 255).astype(np.uint8)
        return self._encoder.encode(picture, 0, image_rate_hz=30.0, bitrate_bps=3_000_000, force_idr=False)


class Checked:
    """A check at work, and what it doubted."""

    def __init__(self) -> None:
        self.doubts: list[str] = []
        self.doubted = threading.Event()
        self._stopping = threading.Event()
        self.check = EncoderCheck(self._note, self._stopping)
        self._thread = threading.Thread(target=self.check.run)

    def _note(self, doubt: str) -> None:
        self.doubts.append(doubt)
        self.doubted.set()

    def start(self) -> None:
        self._thread.start()

    def submit(self, unit: EncodedPicture) -> None:
        """And wait until it is checked."""
        count = self.check.checked
        self.check.submit(unit.data, is_idr=unit.is_idr)
        timer = threading.Event()
        for _ in range(int(DEADLINE_S / 0.002)):
            if self.check.checked > count:
                return
            timer.wait(0.002)
        pytest.fail("not checked")

    def close(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()


@pytest.fixture
def checked() -> Iterator[Checked]:
    made = Checked()
    yield made
    made.close()


def test_a_good_chain_is_not_doubted(checked: Checked) -> None:
    checked.start()
    chain = Chain()
    for _ in range(6):
        checked.submit(chain.next_unit())
    assert not checked.doubts


@pytest.mark.parametrize("fault", [EncoderFault.SCRAMBLED, EncoderFault.TORN, EncoderFault.ANOTHER_PICTURE])
def test_what_is_no_good_is_told_once(checked: Checked, fault: EncoderFault) -> None:
    checked.start()
    chain = Chain()
    for _ in range(3):
        checked.submit(chain.next_unit())
    chain.fault = fault
    checked.submit(chain.next_unit())
    for _ in range(2):
        unit = chain.next_unit()
        checked.check.submit(unit.data, is_idr=unit.is_idr)
    assert checked.doubted.wait(DEADLINE_S)
    assert len(checked.doubts) == 1


def test_a_check_that_falls_behind_goes_on_with_the_next_idr(checked: Checked) -> None:
    """And doubts nothing that it could not see whole."""
    chain = Chain()
    for _ in range(2 * UNITS_WAITING):
        unit = chain.next_unit()
        checked.check.submit(unit.data, is_idr=unit.is_idr)
    assert checked.check.skipped > 0
    checked.start()
    fresh = Chain()
    for _ in range(3):
        checked.submit(fresh.next_unit())
    assert not checked.doubts
