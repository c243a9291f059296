"""What happens to a captured frame before the encoder, read from top to bottom. No clock, no thread, one caller.

    known screen? -> crop, convert to grey -> mask -> whole image -> new image? -> filter -> colour -> verified masked

All of it is done to the brightness. The colour of a source that shows any is added to an image that is new.

It fails closed: a picture comes out only when a layout for the frame's size is known, the layout's landmarks are seen
in this very frame, and the buffer that comes out is blank where identity stands. Whatever else happens is Withheld,
with the reason that both ends show.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from daemon.config import ColourChoice
from daemon.errors import MaskError
from daemon.picture.area import Area
from daemon.picture.chroma import ChromaConverter, has_chroma
from daemon.picture.colour import ColourWatch
from daemon.picture.convert import GrayConverter
from daemon.picture.deinterlace import Deinterlacer
from daemon.picture.layout import Landmark, Layout, LayoutBook
from daemon.picture.mask import Boxes, blank, blank_chroma, boxes_inside, require_masked
from daemon.picture.pulse import PulseDetector
from hw.capture.ring import ArrayRing, FrameRing
from hw.ports import CaptureTiming, ColourPicture, FrameBytes, GrayPicture, Picture

SETTLING_FRAMES = 2  # a screen that changes may show its landmarks before it is drawn to the end

NO_LAYOUT = "no layout for this source: make one with 'cathlink layout'"


class PictureFilter(Protocol):
    """A filter over the images in turn. It may keep a state, and forget it when the size changes."""

    def apply(self, picture: GrayPicture) -> GrayPicture:
        """The filtered picture, of the same shape, untouched until the CAPTURE_FRAMES_KEPT-th call from here."""
        ...


@dataclass(frozen=True, slots=True)
class New:
    """An image that was not there before: cropped, masked, filtered. `identity` are the boxes that are blank.

    The pixels stay untouched until the CAPTURE_FRAMES_KEPT-th new image from here.
    """

    picture: Picture
    identity: Boxes


@dataclass(frozen=True, slots=True)
class Held:
    """The source still shows the last image."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Nothing of this frame may leave; `reason` is for people."""

    reason: str


class PictureChain:
    """For the frames of one opening of a capture device. `picture_filter` None: none."""

    def __init__(
        self,
        book: LayoutBook,
        timing: CaptureTiming,
        picture_filter: PictureFilter | None = None,
        colour: ColourChoice = ColourChoice.AUTO,
    ) -> None:
        layouts = book.for_size(timing.width, timing.height)
        self._screens = [_Screen(layout, timing, colour) for layout in layouts]
        self._filter = picture_filter
        self._screen: _Screen | None = None  # the one that the last frame showed
        self._settling_frames = 0
        self._no_screen = _no_screen(book, layouts, timing)

    def process(self, frame: FrameBytes) -> New | Held | Withheld:
        """`frame` as the device delivered it; it is not kept. Raises ValueError when it does not fit the timing."""
        screen = self._known_screen(frame)
        if screen is None:
            return Withheld(self._no_screen)
        if self._settling_frames > 0:
            self._settling_frames -= 1
            return Withheld("the screen is changing")
        if screen.colour is not None and screen.colour.look(frame):
            screen.detector.reset()  # colour that came or went is shown, in a held image too
        picture = screen.masked(frame)
        if not screen.detector.is_new(picture):
            return Held()
        screen.ring.commit()
        if self._filter is not None:
            picture = self._filter.apply(picture)
            blank(picture, screen.identity)  # nor may a filter bring anything there
        shown: Picture = picture if screen.colour is None else screen.colour.added_to(picture, frame)
        try:
            require_masked(shown, screen.identity)
        except MaskError as error:
            screen.detector.reset()
            return Withheld(str(error))
        return New(shown, screen.identity)

    def _known_screen(self, frame: FrameBytes) -> "_Screen | None":
        """The screen that the frame shows, which is mostly the same as before. None: one that we do not know."""
        if self._screen is not None and self._screen.is_seen_in(frame):
            return self._screen
        before, self._screen = self._screen, next((s for s in self._screens if s.is_seen_in(frame)), None)
        if self._screen is not None:
            self._screen.begin_anew()
        if before is not None or self._screen is None:
            self._settling_frames = SETTLING_FRAMES
        return self._screen


class _Screen:
    """A layout made ready for the frames of one timing."""

    def __init__(self, layout: Layout, timing: CaptureTiming, colour: ColourChoice) -> None:
        area = layout.image_area(timing.width, timing.height)
        self.identity = boxes_inside(layout.identity, area)
        self.identity.flags.writeable = False
        self._area = area
        self._timing = timing
        self._colour_choice = colour
        self.detector = PulseDetector()
        self._converter = GrayConverter(timing, area)
        self._deinterlacer = None
        if timing.is_interlaced:
            self._deinterlacer = Deinterlacer(area.width, area.height, first_row_is_lower=area.y % 2 == 1)
        self._landmarks = [_LandmarkView(landmark, timing) for landmark in layout.landmarks]

    # The two have their buffers once the screen is seen: a source may have many layouts, and shows one.

    @cached_property
    def ring(self) -> FrameRing:
        return FrameRing(self._area.width, self._area.height)

    @cached_property
    def colour(self) -> "_Colour | None":
        """None: the source has none, or it is not wanted."""
        if self._colour_choice is ColourChoice.NEVER or not has_chroma(self._timing):
            return None
        watch = (
            None if self._colour_choice is ColourChoice.ALWAYS else ColourWatch(self._timing, self._area, self.identity)
        )
        return _Colour(ChromaConverter(self._timing, self._area), watch, self.identity)

    def begin_anew(self) -> None:
        """Another screen was shown since: the next image is new, and no field of before belongs to it."""
        self.detector.reset()
        if self._deinterlacer is not None:
            self._deinterlacer.reset()

    def is_seen_in(self, frame: FrameBytes) -> bool:
        return all(landmark.is_seen_in(frame) for landmark in self._landmarks)

    def masked(self, frame: FrameBytes) -> GrayPicture:
        """The image area of `frame` in the ring's slot: grey, blank where identity stands, of one image alone."""
        picture = self.ring.slot
        self._converter.write(frame, picture)
        blank(picture, self.identity)
        if self._deinterlacer is not None:
            self._deinterlacer.make_whole(picture)
            blank(picture, self.identity)  # what it interpolates may reach into a box
        return picture


class _Colour:
    """What a screen shows besides brightness. `watch` None: always."""

    def __init__(self, converter: ChromaConverter, watch: ColourWatch | None, identity: Boxes) -> None:
        self._converter = converter
        self._watch = watch
        self._identity = identity

    @cached_property
    def _ring(self) -> ArrayRing:
        return ArrayRing(self._converter.shape)

    def look(self, frame: FrameBytes) -> bool:
        """True when colour has come or gone."""
        return self._watch is not None and self._watch.look(frame)

    def added_to(self, luma: GrayPicture, frame: FrameBytes) -> Picture:
        """`luma` itself while there is no colour."""
        if self._watch is not None and not self._watch.is_coloured:
            return luma
        chroma = self._ring.commit()
        self._converter.write(frame, chroma)
        blank_chroma(chroma, self._converter.coding.sampling, self._identity)
        return ColourPicture(luma, chroma, self._converter.coding)


class _LandmarkView:
    def __init__(self, landmark: Landmark, timing: CaptureTiming) -> None:
        self._landmark = landmark
        self._converter = GrayConverter(timing, Area(landmark.x, landmark.y, landmark.width, landmark.height))
        self._part = np.empty((landmark.height, landmark.width), np.uint8)

    def is_seen_in(self, frame: FrameBytes) -> bool:
        self._converter.write(frame, self._part)
        return self._landmark.matches(self._part)


def _no_screen(book: LayoutBook, layouts: tuple[Layout, ...], timing: CaptureTiming) -> str:
    if not book.layouts:
        return NO_LAYOUT
    if not layouts:
        return f"no layout for a source of {timing.width}x{timing.height}: make one with 'cathlink layout'"
    return "the source's screen is not one of its layouts"
