"""The banner as pixels: a strip that stands above the picture and is read at a glance across a room.

Colour only underlines what the words say: the strip reads the same in black and white.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from hw.overlay import FrozenPicture
from hw.ports import Banner, Tone

RgbStrip = npt.NDArray[np.uint8]
"""Shape (height, width, 3), C-contiguous, red, green, blue."""

Rgb = tuple[int, int, int]

MIN_STRIP_HEIGHT = 48

BACKGROUND = (14, 17, 20)
ALARM_BACKGROUND = (64, 8, 12)  # an alarm colours the whole strip, and what is left of the screen beside the picture
BRIGHT = (238, 241, 244)
MUTED = (164, 172, 180)

FIELDS: dict[Tone, tuple[Rgb, Rgb]] = {  # field, words on it: contrast of 4.5 or more (WCAG 2.2, 1.4.3)
    Tone.GOOD: ((22, 114, 66), (255, 255, 255)),
    Tone.NOTICE: ((46, 92, 146), (255, 255, 255)),
    Tone.WARNING: ((240, 176, 32), (20, 16, 0)),
    Tone.ALARM: ((204, 24, 36), (255, 255, 255)),
}
FIGURES: dict[Tone, Rgb] = {
    Tone.GOOD: (92, 214, 140),
    Tone.NOTICE: BRIGHT,
    Tone.WARNING: (255, 196, 61),
    Tone.ALARM: (255, 122, 122),
}
LATENCY_LABELS: dict[Tone, str] = {
    Tone.GOOD: "latency",
    Tone.NOTICE: "latency",
    Tone.WARNING: "latency raised",
    Tone.ALARM: "latency too high",
}

# Heights as parts of the strip's height.
_STATE_SIZE = 0.46
_LABEL_SIZE = 0.25
_VALUE_SIZE = 0.42
_GAP = 0.30
_CAUSE_FITS = ((0.36, 1), (0.29, 2), (0.24, 3))  # text size, lines: the first one that holds the whole cause
_WIDEST_AGE = "00.0 s"
_WIDEST_LATENCY = "000 ms ±00"
_MAX_CAUSE_CHARACTERS = 200
_MIN_CAUSE_WIDTH = 2.0  # also a part of the strip's height: narrower, a cause is only noise


def strip_height(picture_height: int) -> int:
    """Height in pixels of the strip that stands above a picture drawn `picture_height` pixels high."""
    return max(MIN_STRIP_HEIGHT, round(picture_height / 12))


def background(tone: Tone) -> Rgb:
    return ALARM_BACKGROUND if tone is Tone.ALARM else BACKGROUND


def age_words(age_ms: int | None) -> str:
    """Rounded up: a picture is never said to be younger than it is."""
    if age_ms is None:
        return "no picture"
    tenths = -(-max(0, age_ms) // 100)
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10} s"
    seconds = -(-age_ms // 1000)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02} min"
    minutes = -(-seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def frozen_words(frozen: FrozenPicture) -> str:
    """What stands above a frozen picture."""
    return f"FROZEN - {age_words(frozen.age_ms)} old" + (f" - {frozen.note}" if frozen.note else "")


def latency_words(latency_ms: int | None, bound_ms: int | None) -> str:
    if latency_ms is None:
        return "unknown"
    return f"{latency_ms} ms" if bound_ms is None else f"{latency_ms} ms ±{bound_ms}"


@dataclass(frozen=True, slots=True)
class BannerWords:
    """A banner as it is read. As long as this stays equal the strip needs no drawing."""

    tone: Tone
    state: str
    cause: str
    age: str
    latency_label: str
    latency: str
    latency_tone: Tone

    @classmethod
    def of(cls, banner: Banner) -> Self:
        return cls(
            tone=banner.tone,
            state=banner.state,
            cause=" ".join(banner.cause.split())[:_MAX_CAUSE_CHARACTERS],
            age=age_words(banner.age_ms),
            latency_label=LATENCY_LABELS[banner.latency_tone],
            latency=latency_words(banner.latency_ms, banner.latency_bound_ms),
            latency_tone=banner.latency_tone,
        )


class BannerPainter:
    """Draws strips, anew only when their words or size changed."""

    def __init__(self) -> None:
        self._drawn: tuple[BannerWords, int, int] | None = None
        self._strip: RgbStrip = np.zeros((0, 0, 3), np.uint8)

    def paint(self, banner: Banner, width: int, height: int) -> RgbStrip:
        """The strip, read-only. The very same array as before when nothing that is seen changed."""
        wanted = (BannerWords.of(banner), width, height)
        if wanted != self._drawn:
            self._strip, self._drawn = _draw(*wanted), wanted
        return self._strip


def _draw(words: BannerWords, width: int, height: int) -> RgbStrip:
    image = Image.new("RGB", (width, height), background(words.tone))
    draw = ImageDraw.Draw(image)
    unit = _largest_unit(words, width, height)
    gap = unit * _GAP
    field_colour, state_colour = FIELDS[words.tone]
    field_right = _state_width(words, unit)
    draw.rectangle((0, 0, field_right, height), fill=field_colour)
    state_font = _font(unit * _STATE_SIZE)
    stroke = round(unit * _STATE_SIZE / 30)  # the embedded font has one weight; an outline makes it bold
    draw.text((gap, height / 2), words.state, state_colour, state_font, anchor="lm", stroke_width=stroke)

    left = width - _figures_width(words, unit)
    cause_left, cause_right = field_right + gap, left - gap
    for label, value, value_colour, column_width in _columns(words, unit):
        label_y, value_y = height / 2 - unit * 0.23, height / 2 + unit * 0.14
        draw.text((left, label_y), label, MUTED, _font(unit * _LABEL_SIZE), anchor="lm")
        draw.text((left, value_y), value, value_colour, _font(unit * _VALUE_SIZE), anchor="lm")
        left += column_width + gap
    if words.cause and cause_right - cause_left >= _MIN_CAUSE_WIDTH * unit:
        font, lines = _fit(words.cause, cause_right - cause_left, unit)
        draw.multiline_text((cause_left, height / 2), "\n".join(lines), BRIGHT, font, anchor="lm", spacing=unit * 0.06)
    strip = np.array(image)
    strip.flags.writeable = False
    return strip


def _largest_unit(words: BannerWords, width: int, height: int) -> float:
    """The strip's height, or less where state and figures would otherwise not fit beside each other."""
    needed = _state_width(words, height) + _GAP * height + _figures_width(words, height)
    return height * min(1.0, width / needed)


def _state_width(words: BannerWords, unit: float) -> float:
    return _font(unit * _STATE_SIZE).getlength(words.state) + 2 * unit * _GAP


def _figures_width(words: BannerWords, unit: float) -> float:
    return sum(column_width + unit * _GAP for *_, column_width in _columns(words, unit))


def _columns(words: BannerWords, unit: float) -> list[tuple[str, str, Rgb, float]]:
    """Label, value, its colour, and a width that does not dance with the figures."""
    label_font, value_font = _font(unit * _LABEL_SIZE), _font(unit * _VALUE_SIZE)

    def column_width(label: str, value: str, widest: str) -> float:
        return max(label_font.getlength(label), value_font.getlength(value), value_font.getlength(widest))

    return [
        ("age", words.age, BRIGHT, column_width("age", words.age, _WIDEST_AGE)),
        (
            words.latency_label,
            words.latency,
            FIGURES[words.latency_tone],
            column_width(words.latency_label, words.latency, _WIDEST_LATENCY),
        ),
    ]


def _fit(cause: str, width: float, unit: float) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest text that holds the whole cause; the smallest one cut short when none does."""
    for size, most_lines in _CAUSE_FITS:
        font = _font(unit * size)
        lines = _wrap(cause, width, font)
        if len(lines) <= most_lines and all(font.getlength(line) <= width for line in lines):
            return font, lines
    kept = [*lines[: most_lines - 1], " ".join(lines[most_lines - 1 :])]
    return font, [_cut_short(line, width, font) for line in kept]


def _wrap(text: str, width: float, font: ImageFont.FreeTypeFont) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _cut_short(line: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…" if line else ""


@lru_cache(maxsize=64)
def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(max(4.0, size))
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built without FreeType"
    return font
