"""Ten thousand pictures through chain, encoder and decoder, over changing screens, sizes and restarts: no identity.

A name in white stands on every frame of the source; nothing else there is as bright. What is decoded at the far end is
searched for it, everywhere. The same through the real corridor: tests/corridor/test_masking.py.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from daemon.picture.area import Area
from daemon.picture.chain import New, PictureChain, Withheld
from daemon.picture.decode import Decoder
from daemon.picture.encode import ImageEncoder
from daemon.picture.layout import Landmark, Layout, LayoutBook, without_identity
from hw.encoders.x264 import X264Encoder
from hw.ports import CaptureTiming, FrameBytes, GrayPicture, PixelFormat
from tests.picture.test_layout import TODAY

NAME_LEVELS = 220  # the rest stays far under it, and so does what the codec makes of its edges
BRIGHTEST_XRAY = 150
IMAGES = 32


@dataclass(frozen=True)
class Screen:
    """What a console may show: its size, where the name stands, its fixed words."""

    width: int
    height: int
    name: Area
    words: Area
    letters_seed: int

    def frame(self, image: GrayPicture) -> FrameBytes:
        frame = image[: self.height, : self.width].copy()
        words, name = self.words.view(frame), self.name.view(frame)
        letters = np.random.default_rng(self.letters_seed).integers(0, 2, (words.shape[0] // 4, words.shape[1] // 4))
        words[:] = letters.repeat(4, axis=0).repeat(4, axis=1) * 140
        name[:] = 255
        name[::3, ::2] = 60
        return frame

    def layout(self, image: GrayPicture) -> Layout:
        landmark = Landmark.seen_in(self.frame(image), self.words)
        return Layout(f"{self.width}x{self.height}", identity=(self.name,), landmarks=(landmark,))


WORDS = Area(8, 8, 64, 24)
KNOWN = (
    Screen(256, 192, Area(120, 10, 110, 20), WORDS, 1),
    Screen(256, 192, Area(16, 150, 150, 24), WORDS, 2),
    Screen(320, 240, Area(180, 12, 120, 28), WORDS, 3),
)
UNKNOWN = (
    Screen(256, 192, Area(100, 80, 110, 20), WORDS, 4),  # another look
    Screen(256, 192, Area(40, 90, 110, 20), WORDS.moved(3, 0), 1),  # a known one, shifted
    Screen(336, 240, Area(180, 12, 120, 28), WORDS, 3),  # another size
)


class Corridor:
    """Source, chain, encoder and decoder; a restart loses the state of either half."""

    def __init__(self, book: LayoutBook) -> None:
        self._book = book
        self._timing: CaptureTiming | None = None
        self.start_sender()
        self.start_receiver()
        self.withheld = 0

    def start_sender(self) -> None:
        self._timing = None
        self._encoder = ImageEncoder(X264Encoder(), "ultrafast", lossless=False)
        self._idr = True

    def start_receiver(self) -> None:
        self._decoder = Decoder()
        self._idr = True

    def show(self, frame: FrameBytes, time_ns: int) -> GrayPicture | None:
        """What the far end shows of it."""
        timing = CaptureTiming(frame.shape[1], frame.shape[0], 30.0, PixelFormat.GRAY8)
        if timing != self._timing:
            self._timing, self._chain = timing, PictureChain(self._book, timing)
        match self._chain.process(frame):
            case New(picture):
                unit = self._encoder.encode(
                    picture, time_ns, image_rate_hz=30.0, bitrate_bps=1_000_000, force_idr=self._idr
                )
                self._idr = False
                return self._decoder.decode(unit.data)
            case Withheld():
                self.withheld += 1
        return None


def images() -> list[GrayPicture]:
    random = np.random.default_rng(5)
    ramp = np.linspace(50, 130, 400)
    return [np.clip(ramp + random.normal(0, 6, (300, 400)), 0, BRIGHTEST_XRAY).astype(np.uint8) for _ in range(IMAGES)]


def run(book: LayoutBook, wanted: int) -> tuple[int, int, int]:
    """(decoded pictures, withheld frames, pixels of a name)."""
    random = np.random.default_rng(7)
    xray, corridor = images(), Corridor(book)
    screen, decoded, leaked, time_ns = KNOWN[0], 0, 0, 0
    while decoded < wanted:
        draw = random.integers(0, 400)
        if draw < 8:
            screen = (*KNOWN, *UNKNOWN)[random.integers(len(KNOWN) + len(UNKNOWN))]
        elif draw < 10:
            corridor.start_sender()
        elif draw < 12:
            corridor.start_receiver()
        frame = screen.frame(xray[random.integers(IMAGES)])
        if draw == 12:  # torn: the upper part is of another screen of this size
            other = KNOWN[draw % 2].frame(xray[0])
            if other.shape == frame.shape:
                rows = random.integers(1, frame.shape[0])
                frame[:rows] = other[:rows]
        time_ns += 33_000_000
        shown = corridor.show(frame, time_ns)
        if shown is not None:
            decoded += 1
            leaked += int(np.count_nonzero(shown >= NAME_LEVELS))
    return decoded, corridor.withheld, leaked


@pytest.mark.slow
def test_ten_thousand_pictures_without_a_name() -> None:
    book = LayoutBook(tuple(screen.layout(images()[0]) for screen in KNOWN))
    decoded, withheld, leaked = run(book, 10_000)
    assert (decoded, leaked) == (10_000, 0)
    assert withheld > 1_000


def test_the_search_finds_a_name_that_is_not_masked() -> None:
    decoded, withheld, leaked = run(without_identity("K", TODAY), 20)
    assert withheld == 0
    assert leaked > 100 * decoded
