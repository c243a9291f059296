import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.display.banner import (
    FIELDS,
    MIN_STRIP_HEIGHT,
    BannerPainter,
    BannerWords,
    age_words,
    background,
    latency_words,
    strip_height,
)
from hw.ports import Banner, Tone

TONES = st.sampled_from(list(Tone))


def banner(
    tone: Tone = Tone.GOOD,
    state: str = "LIVE",
    cause: str = "",
    age_ms: int | None = 70,
    latency_ms: int | None = 83,
    latency_tone: Tone = Tone.GOOD,
) -> Banner:
    return Banner(tone, state, cause, age_ms, latency_ms, None if latency_ms is None else 4, latency_tone)


# The page formats ages too, in JavaScript: test_display_web_page.py holds it to the same table.
AGES = [
    (None, "no picture"),
    (-5, "0.0 s"),
    (0, "0.0 s"),
    (1, "0.1 s"),
    (70, "0.1 s"),
    (101, "0.2 s"),
    (9_900, "9.9 s"),
    (9_901, "10 s"),
    (59_000, "59 s"),
    (59_001, "1:00 min"),
    (75_000, "1:15 min"),
    (3_599_000, "59:59 min"),
    (3_599_001, "1 h 00 min"),
    (7_500_000, "2 h 05 min"),
]


@pytest.mark.parametrize(("age_ms", "words"), AGES)
def test_an_age_is_read_at_a_glance(age_ms: int | None, words: str) -> None:
    assert age_words(age_ms) == words


@given(st.integers(0, 10_000_000))
def test_a_picture_is_never_said_to_be_younger_than_it_is(age_ms: int) -> None:
    words = age_words(age_ms)
    numbers = [float(part) for part in words.replace(":", " ").split() if part[0].isdigit()]
    said_s = {"s": lambda: numbers[0], "min": lambda: numbers[0] * 60 + numbers[1]}
    if " h " in words:
        assert (numbers[0] * 60 + numbers[1]) * 60_000 >= age_ms
    else:
        assert round(said_s[words.split()[-1]]() * 1000) >= age_ms


@pytest.mark.parametrize(
    ("latency_ms", "bound_ms", "words"), [(83, 4, "83 ms ±4"), (83, None, "83 ms"), (None, None, "unknown")]
)
def test_a_latency_names_its_bound(latency_ms: int | None, bound_ms: int | None, words: str) -> None:
    assert latency_words(latency_ms, bound_ms) == words


@pytest.mark.parametrize(("picture_height", "height"), [(1024, 85), (512, MIN_STRIP_HEIGHT), (1, MIN_STRIP_HEIGHT)])
def test_the_strip_is_a_twelfth_of_the_picture_and_never_unreadable(picture_height: int, height: int) -> None:
    assert strip_height(picture_height) == height


def test_it_is_drawn_anew_only_when_its_words_change() -> None:
    painter = BannerPainter()
    first = painter.paint(banner(age_ms=61), 1024, 85)
    assert painter.paint(banner(age_ms=100), 1024, 85) is first
    assert painter.paint(banner(age_ms=101), 1024, 85) is not first
    assert not first.flags.writeable


@pytest.mark.parametrize(
    "other",
    [
        banner(tone=Tone.ALARM),
        banner(state="HELD"),
        banner(cause="X-ray is off"),
        banner(age_ms=None),
        banner(latency_ms=84),
        banner(latency_ms=None),
        banner(latency_tone=Tone.ALARM),
    ],
)
def test_every_part_of_a_banner_is_seen(other: Banner) -> None:
    painter = BannerPainter()
    assert (painter.paint(banner(), 1024, 85) != painter.paint(other, 1024, 85)).any()


def test_colour_is_not_the_only_carrier() -> None:
    said = {BannerWords.of(banner(latency_tone=tone)).latency_label for tone in (Tone.GOOD, Tone.WARNING, Tone.ALARM)}
    assert len(said) == 3


@pytest.mark.parametrize("tone", list(Tone))
def test_the_state_stands_in_a_field_of_its_tone_with_contrast(tone: Tone) -> None:
    strip = BannerPainter().paint(banner(tone=tone), 1024, 85)
    field, words = FIELDS[tone]
    assert tuple(strip[0, 0]) == field
    assert (strip[:, :200] == words).all(axis=2).any()
    assert tuple(strip[0, -1]) == background(tone)
    darker, lighter = sorted((_luminance(field), _luminance(words)))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def _luminance(colour: tuple[int, int, int]) -> float:
    """WCAG 2.2, relative luminance."""
    red, green, blue = (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_long_cause_never_runs_into_the_figures() -> None:
    painter = BannerPainter()
    plain = painter.paint(banner(), 1024, 85)
    figures_left = np.flatnonzero((plain[:, 200:] != plain[0, -1]).any(axis=(0, 2)))[0] + 200
    crowded = painter.paint(banner(cause="the link to the cath lab is down " * 20), 1024, 85)
    np.testing.assert_array_equal(crowded[:, figures_left:], plain[:, figures_left:])
    assert (crowded[:, 200:figures_left] != plain[:, 200:figures_left]).any()


@given(
    TONES,
    st.text(max_size=40),
    st.text(max_size=400),
    st.none() | st.integers(-(10**6), 10**12),
    st.none() | st.integers(-10, 10**9),
    TONES,
    st.integers(1, 2000),
    st.integers(1, 160),
)
def test_any_banner_fits_any_strip(
    tone: Tone,
    state: str,
    cause: str,
    age_ms: int | None,
    latency_ms: int | None,
    latency_tone: Tone,
    width: int,
    height: int,
) -> None:
    strip = BannerPainter().paint(banner(tone, state, cause, age_ms, latency_ms, latency_tone), width, height)
    assert strip.shape == (height, width, 3)
    assert strip.dtype == np.uint8
