"""Layouts: what they must hold, how a screen is known again, and files of every kind."""

import datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import LayoutError
from daemon.picture.area import Area
from daemon.picture.layout import ANY_SIZE, CELLS, Landmark, Layout, LayoutBook, without_identity
from daemon.picture.layout_file import LARGEST_FILE_BYTES, load_layouts, save_layouts
from hw.errors import USAGE_EXIT_CODE
from hw.ports import GrayPicture

WIDTH, HEIGHT = 320, 200
TODAY = datetime.date(2026, 11, 24)
WORDS = Area(20, 10, 70, 24)
NAME = Area(200, 5, 100, 20)


def console(seed: int = 1) -> GrayPicture:
    """Random bars, as letters are, on black."""
    random = np.random.default_rng(seed)
    bars = random.integers(0, 2, (HEIGHT // 4, WIDTH // 4), np.uint8) * 200
    return bars.repeat(4, axis=0).repeat(4, axis=1)


def noisy(picture: GrayPicture, levels: int = 2, seed: int = 2) -> GrayPicture:
    noise = np.random.default_rng(seed).integers(-levels, levels + 1, picture.shape)
    return np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def layout(**changes: object) -> Layout:
    landmark = Landmark.seen_in(console(), WORDS)
    fields = {"size": f"{WIDTH}x{HEIGHT}", "identity": (NAME,), "landmarks": (landmark,)} | changes
    return Layout(**fields)  # type: ignore[arg-type]


def test_a_landmark_is_known_again_through_noise_and_under_a_mouse_pointer() -> None:
    screen = console()
    landmark = Landmark.seen_in(screen, WORDS)
    for seed in range(50):
        seen = noisy(screen, seed=seed)
        WORDS.view(seen)[3:7, 4:8] = 255
        assert landmark.matches(WORDS.view(seen))


@pytest.mark.parametrize("moved", [(1, 0), (0, 1), (-2, 0), (0, -3)])
def test_a_screen_that_moved_by_a_pixel_is_another(moved: tuple[int, int]) -> None:
    landmark = Landmark.seen_in(console(), WORDS)
    assert not landmark.matches(WORDS.moved(*moved).view(console()))


def test_another_screen_and_a_black_one_are_not_it() -> None:
    landmark = Landmark.seen_in(console(), WORDS)
    assert not landmark.matches(WORDS.view(console(9)))
    assert not landmark.matches(np.zeros((WORDS.height, WORDS.width), np.uint8))


@given(width=st.integers(8, 60), height=st.integers(8, 60))
def test_landmarks_of_any_size_match_themselves(width: int, height: int) -> None:
    area = Area(3, 5, width, height)
    screen = np.random.default_rng(4).integers(0, 2, (HEIGHT, WIDTH), np.uint8) * np.uint8(200)
    landmark = Landmark.seen_in(screen, area)
    assert len(landmark.levels) == 2 * min(CELLS, width) * min(CELLS, height)
    assert landmark.matches(area.view(screen))


def test_a_flat_area_is_no_landmark() -> None:
    with pytest.raises(ValueError, match="needs structure"):
        Landmark.seen_in(np.full((HEIGHT, WIDTH), 90, np.uint8), WORDS)


@pytest.mark.parametrize("axis", [0, 1])
def test_stripes_are_no_landmark_for_they_look_the_same_when_moved_along(axis: int) -> None:
    stripes = np.zeros((HEIGHT, WIDTH), np.uint8)
    stripes[:: 1 if axis else 3, :: 3 if axis else 1] = 200
    with pytest.raises(ValueError, match="moved by a pixel would match"):
        Landmark.seen_in(stripes, WORDS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"identity": ()}, "no identity area"),
        ({"landmarks": ()}, "no landmark"),
        ({"size": ANY_SIZE}, "for no_identity alone"),
        ({"size": "320"}, "WIDTHxHEIGHT"),
        ({"size": "9x9"}, "WIDTHxHEIGHT"),
        ({"size": "299x200"}, "is not inside"),
        ({"identity": (Area(300, 0, 21, 5),)}, "is not inside"),
        ({"image": Area(0, 1, WIDTH, HEIGHT)}, "is not inside"),
        ({"image": Area(0, 1, WIDTH, 15)}, "under 16 pixels"),
        ({"identity": (Area(50, 20, 5, 5),)}, "overlaps an identity area"),
        ({"no_identity": True}, "leave out one of them"),
        ({"no_identity": True, "identity": ()}, "needs signed_off_by"),
        ({"no_identity": True, "identity": (), "signed_off_by": "K"}, "needs signed_off_by"),
        (
            {"no_identity": True, "identity": (), "signed_off_by": "K", "signed_off_on": TODAY, "size": ANY_SIZE},
            "neither image nor landmarks",
        ),
    ],
)
def test_a_layout_that_could_let_identity_through_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        layout(**changes)


def test_the_layouts_of_a_size_are_found() -> None:
    book = LayoutBook((layout(), layout(size="640x480"), layout(name="review")))
    assert book.for_size(WIDTH, HEIGHT) == (layout(), layout(name="review"))
    assert book.for_size(WIDTH, HEIGHT + 1) == ()
    assert without_identity("K", TODAY).for_size(7, 5) == without_identity("K", TODAY).layouts


def test_what_lets_everything_through_stands_alone() -> None:
    everywhere = without_identity("K", TODAY).layouts[0]
    open_one = layout(no_identity=True, identity=(), landmarks=(), signed_off_by="K", signed_off_on=TODAY)
    for others in ((everywhere, layout()), (layout(), open_one), (everywhere, everywhere)):
        with pytest.raises(ValueError, match="would let through"):
            LayoutBook(others)
    assert LayoutBook((open_one, layout(size="640x480"))).for_size(WIDTH, HEIGHT) == (open_one,)


@given(
    name=st.text(max_size=100),
    image=st.none() | st.just(Area(5, 6, 200, 150)),
    boxes=st.lists(
        st.builds(Area, st.integers(100, 200), st.integers(40, 100), st.integers(1, 99), st.integers(1, 99))
    ),
    sign=st.none() | st.dates(),
)
def test_what_is_saved_is_what_is_loaded(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    image: Area | None,
    boxes: list[Area],
    sign: datetime.date | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / "saved.toml"
    kept = layout(name=name, image=image, identity=(NAME, *boxes[:60]), signed_off_on=sign)
    for book in (LayoutBook((kept,)), without_identity('Dr. "K" \\ ü', TODAY)):
        save_layouts(path, book)
        assert load_layouts(path) == book
    assert [p.name for p in path.parent.iterdir() if "part" in p.name] == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="cannot be written"):
        save_layouts(tmp_path / "no" / "layout.toml", without_identity("K", TODAY))


LABORATORY = 'size = "any"\nno_identity = true\nsigned_off_by = "K"\nsigned_off_on = 2026-11-24\n'


def complaint(path: Path) -> str:
    with pytest.raises(LayoutError) as caught:
        load_layouts(path)
    assert caught.value.exit_code == USAGE_EXIT_CODE
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["layout"]),
        ("layout = []", ["layout: expected"]),
        ("[[layout]]\n", ["layout[0]", "size"]),
        ('[[layout]]\nsize = "any"\n', ["layout[0]: there is no identity area"]),
        ("[[layout]]\n" + LABORATORY + "blank = 3\n", ["layout[0]", "`blank`"]),
        ("[[layout]]\n" + LABORATORY + "image = { x = 1 }\n", ["layout[0].image", "`y`"]),
        (
            '[[layout]]\nsize = "any"\nidentity = [{x=0,y=0,width=0,height=1}]\n',
            ["layout[0].identity[0]", "not possible"],
        ),
        ("[[layout]]\n" + LABORATORY + "[[layout]]\n" + LABORATORY, ["would let through"]),
        ("[[layout\n", ["not valid TOML"]),
        ("\x00", ["not valid TOML"]),
        ("#" * (LARGEST_FILE_BYTES + 1), ["larger than"]),
    ],
)
def test_a_mistake_names_file_key_and_remedy(tmp_path: Path, content: str, words: list[str]) -> None:
    path = tmp_path / "layout.toml"
    path.write_text(content)
    line = complaint(path)
    for word in [*words, "cathlink layout"]:
        assert word in line


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    assert "make one with 'cathlink layout'" in complaint(tmp_path / "layout.toml")
    assert "cannot be read" in complaint(tmp_path)


SOUP = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(Layout.__struct_fields__), inner),
    max_leaves=20,
)


@given(content=st.binary(max_size=400) | st.text(max_size=300).map(lambda text: f"[[layout]]\n{text}".encode()))
def test_any_content_gives_layouts_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    said = ""
    try:
        assert load_layouts(path).layouts
    except LayoutError as error:
        said = str(error)
    assert "\n" not in said


@given(SOUP)
def test_any_table_gives_a_layout_or_a_validation_error(table: object) -> None:
    try:
        made = msgspec.convert(table, Layout)
    except msgspec.ValidationError:
        return
    assert made.no_identity or (made.identity and made.landmarks)
