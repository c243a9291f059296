"""The chain from captured frame to what the encoder gets: new, held, withheld; and never a pixel of identity."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_layout import HEIGHT, NAME, TODAY, WIDTH, WORDS, console, layout, noisy

from daemon.config import ColourChoice
from daemon.picture.area import Area
from daemon.picture.chain import NO_LAYOUT, SETTLING_FRAMES, Held, New, PictureChain, Withheld
from daemon.picture.layout import Landmark, Layout, LayoutBook, without_identity
from hw.ports import (
    CAPTURE_FRAMES_KEPT,
    NO_CHROMA,
    CaptureTiming,
    ChromaSampling,
    ColourPicture,
    FrameBytes,
    GrayPicture,
    PixelFormat,
)

GRAY = CaptureTiming(WIDTH, HEIGHT, 60.0, PixelFormat.GRAY8)
IMAGE = Area(40, 15, 250, 180)  # NAME reaches into it
BOOK = LayoutBook((layout(image=IMAGE),))


def frame_with(xray: GrayPicture, screen: GrayPicture | None = None) -> FrameBytes:
    """A console with an X-ray image in its area, all of it but the landmark, and a name over it."""
    frame = (console() if screen is None else screen).copy()
    words = WORDS.view(frame).copy()
    IMAGE.view(frame)[:] = xray
    WORDS.view(frame)[:] = words
    NAME.view(frame)[:] = 255
    return frame


def xray(seed: int) -> GrayPicture:
    return np.random.default_rng(seed).integers(60, 120, (IMAGE.height, IMAGE.width)).astype(np.uint8)


def test_each_image_is_new_once_and_held_then() -> None:
    chain = PictureChain(BOOK, GRAY)
    for seed in range(5):
        frame = frame_with(xray(seed))
        results = [chain.process(noisy(frame, levels=1, seed=n)) for n in range(3)]
        assert [type(result) for result in results] == [New, Held, Held]
        assert isinstance(results[0], New)
        picture = results[0].picture
        assert picture.shape == (IMAGE.height, IMAGE.width)
        assert picture.max() < 255, "the name"
        expected = IMAGE.view(frame).copy()
        expected[: NAME.bottom - IMAGE.y, NAME.x - IMAGE.x : IMAGE.width] = 0
        assert np.abs(picture.astype(int) - expected).max() <= 1


def test_without_any_layout_nothing_comes_out() -> None:
    assert PictureChain(LayoutBook(), GRAY).process(frame_with(xray(1))) == Withheld(NO_LAYOUT)


def test_another_size_is_withheld_with_its_size() -> None:
    timing = dataclasses.replace(GRAY, width=640, height=480)
    result = PictureChain(BOOK, timing).process(np.zeros((480, 640), np.uint8))
    assert isinstance(result, Withheld)
    assert "640x480" in result.reason


def test_another_screen_is_withheld_from_its_first_frame_and_a_known_one_settles() -> None:
    chain = PictureChain(BOOK, GRAY)
    known = frame_with(xray(1))
    assert isinstance(chain.process(known), New)
    other = frame_with(xray(1), console(9))
    assert isinstance(chain.process(other), Withheld)
    assert isinstance(chain.process(other), Withheld)
    assert [type(chain.process(known)) for _ in range(SETTLING_FRAMES)] == [Withheld] * SETTLING_FRAMES
    assert isinstance(chain.process(known), New), "the same image is new again"
    assert isinstance(chain.process(known), Held)


def test_of_two_layouts_the_one_that_is_seen_masks() -> None:
    other_name = Area(120, 150, 60, 20)
    second = Layout(f"{WIDTH}x{HEIGHT}", identity=(other_name,), landmarks=(Landmark.seen_in(console(9), WORDS),))
    chain = PictureChain(LayoutBook((layout(image=IMAGE), second)), GRAY)
    assert isinstance(chain.process(frame_with(xray(1))), New)
    other = console(9)
    other_name.view(other)[:] = 255
    results = [chain.process(other) for _ in range(SETTLING_FRAMES + 1)]
    assert [type(result) for result in results] == [Withheld] * SETTLING_FRAMES + [New]
    last = results[-1]
    assert isinstance(last, New)
    assert last.picture.shape == (HEIGHT, WIDTH)
    assert not other_name.view(last.picture).any()


def test_a_source_without_identity_passes_unchanged() -> None:
    chain = PictureChain(without_identity("K", TODAY), GRAY)
    frame = frame_with(xray(1))
    result = chain.process(frame)
    assert isinstance(result, New)
    np.testing.assert_array_equal(result.picture, frame)
    assert result.identity.shape == (0, 4)


ROADMAP = Area(150, 100, 40, 3)
RED = (30, 30, 200)


def in_bgr(gray: FrameBytes, *red: Area) -> FrameBytes:
    pixels = gray[:, :, None].repeat(3, axis=2)
    for area in red:
        pixels[area.y : area.bottom, area.x : area.right] = RED
    return pixels.reshape(HEIGHT, -1)


BGR = dataclasses.replace(GRAY, pixel_format=PixelFormat.BGR24)


def test_a_coloured_overlay_makes_a_colour_picture_and_the_luma_stays() -> None:
    frame = in_bgr(frame_with(xray(1)), ROADMAP, NAME)
    result = PictureChain(BOOK, BGR).process(frame)
    grey = PictureChain(BOOK, BGR, colour=ColourChoice.NEVER).process(frame)
    assert isinstance(result, New)
    assert isinstance(grey, New)
    assert isinstance(result.picture, ColourPicture)
    assert result.picture.coding.sampling is ChromaSampling.FULL
    np.testing.assert_array_equal(result.picture.luma, grey.picture)
    is_red = np.zeros(result.picture.shape, np.bool_)
    ROADMAP.moved(-IMAGE.x, -IMAGE.y).view(is_red)[:] = True
    assert (result.picture.chroma[1][is_red] > 200).all()
    assert (result.picture.chroma[:, ~is_red] == NO_CHROMA).all(), "nothing of the red name"


def test_colour_outside_of_the_image_and_over_the_name_is_not_sent() -> None:
    around = Area(0, IMAGE.bottom, WIDTH, HEIGHT - IMAGE.bottom)
    result = PictureChain(BOOK, BGR).process(in_bgr(frame_with(xray(1)), around, NAME))
    assert isinstance(result, New)
    assert isinstance(result.picture, np.ndarray)


def test_colour_that_is_drawn_into_a_held_image_is_shown_at_once() -> None:
    chain, gray = PictureChain(BOOK, BGR), frame_with(xray(1))
    chain.process(in_bgr(gray))
    results = [chain.process(in_bgr(gray, ROADMAP)) for _ in range(20)]
    assert [isinstance(r, New) and isinstance(r.picture, ColourPicture) for r in results].count(True) == 1
    assert isinstance(results[-1], Held)


def test_always_and_never_are_kept_to() -> None:
    gray = frame_with(xray(1))
    always = PictureChain(BOOK, BGR, colour=ColourChoice.ALWAYS).process(in_bgr(gray))
    assert isinstance(always, New)
    assert isinstance(always.picture, ColourPicture)
    assert (always.picture.chroma == NO_CHROMA).all()
    never = PictureChain(BOOK, BGR, colour=ColourChoice.NEVER).process(in_bgr(gray, ROADMAP))
    assert isinstance(never, New)
    assert isinstance(never.picture, np.ndarray)


def test_chroma_stays_as_long_as_luma() -> None:
    chain = PictureChain(BOOK, BGR)
    first = chain.process(in_bgr(frame_with(xray(0)), ROADMAP))
    assert isinstance(first, New)
    assert isinstance(first.picture, ColourPicture)
    before = first.picture.copy()
    for seed in range(1, CAPTURE_FRAMES_KEPT):
        assert isinstance(chain.process(in_bgr(frame_with(xray(seed)), ROADMAP.moved(seed, 0))), New)
    np.testing.assert_array_equal(first.picture.chroma, before.chroma)
    np.testing.assert_array_equal(first.picture.luma, before.luma)


def test_colour_is_converted_before_all_else() -> None:
    gray = frame_with(xray(1))
    frame = gray.repeat(3, axis=1)
    result = PictureChain(BOOK, dataclasses.replace(GRAY, pixel_format=PixelFormat.BGR24)).process(frame)
    expected = PictureChain(BOOK, GRAY).process(gray)
    assert isinstance(result, New)
    assert isinstance(expected, New)
    np.testing.assert_array_equal(result.picture, expected.picture)


def test_interlaced_frames_come_out_as_whole_images() -> None:
    chain = PictureChain(BOOK, dataclasses.replace(GRAY, is_interlaced=True))
    images = [frame_with(xray(seed)[: IMAGE.height // 4].repeat(4, axis=0)) for seed in range(6)]
    news = []
    for before, after in itertools.pairwise(images):
        woven = after.copy()
        woven[::2] = before[::2]  # the image changed between the fields
        news += [result.picture for result in (chain.process(woven), chain.process(after)) if isinstance(result, New)]
    expected = [PictureChain(BOOK, GRAY).process(image) for image in images[1:]]
    assert len(news) >= len(expected)
    for result in expected:
        assert isinstance(result, New)
        assert any(np.array_equal(result.picture, picture) for picture in news)
    assert max(int(picture.max()) for picture in news) < 255


class Whitener:
    """A filter that would bring identity back, were it let."""

    def apply(self, picture: GrayPicture) -> GrayPicture:
        return picture | np.uint8(1)


def test_a_filter_changes_the_image_and_never_the_mask() -> None:
    result = PictureChain(BOOK, GRAY, Whitener()).process(frame_with(xray(1)))
    assert isinstance(result, New)
    assert not result.picture[: NAME.bottom - IMAGE.y, NAME.x - IMAGE.x :].any()
    assert (result.picture[100:] % 2 == 1).all()


def test_a_mask_that_fails_withholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.picture.chain.blank", lambda picture, boxes: None)
    chain = PictureChain(BOOK, GRAY)
    for _ in range(2):
        result = chain.process(frame_with(xray(1)))
        assert isinstance(result, Withheld)
        assert "not blank" in result.reason


def test_a_picture_stays_while_five_further_ones_come() -> None:
    chain = PictureChain(BOOK, GRAY)
    first = chain.process(frame_with(xray(0)))
    assert isinstance(first, New)
    kept = first.picture.copy()
    for seed in range(1, CAPTURE_FRAMES_KEPT):
        frame = frame_with(xray(seed))
        assert isinstance(chain.process(frame), New)
        assert isinstance(chain.process(frame), Held)
    np.testing.assert_array_equal(first.picture, kept)


@given(st.lists(st.tuples(st.sampled_from(["known", "other", "torn", "black"]), st.integers(0, 3)), max_size=30))
def test_no_white_of_a_name_ever_comes_out(steps: list[tuple[str, int]]) -> None:
    """White is the name's alone; on another screen it stands elsewhere."""
    elsewhere = Area(100, 120, 90, 20)
    chain = PictureChain(BOOK, GRAY)
    for what, seed in steps:
        frame = frame_with(xray(seed), console(9) if what in ("other", "torn") else None)
        if what == "black":
            frame[:] = 0
        if what in ("other", "torn"):
            elsewhere.view(frame)[:] = 255
        if what == "torn":
            WORDS.view(frame)[: WORDS.height // 2] = WORDS.view(console())[: WORDS.height // 2]
        result = chain.process(frame)
        if isinstance(result, New):
            assert what == "known"
            assert result.picture.max() < 255
