"""Where pictures stand on a screen, and that a hand meets the same pixel at both ends, whatever the screens."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.pointing.drawing import Image
from daemon.pointing.shapes import positions
from daemon.pointing.words import pack_points
from hw.display.panes import BORDER, PanePlace, Rect, places
from hw.display.tool_strip import command_at, with_tool_strip
from hw.overlay import Command, Pane, ToolButton

SIZES = st.tuples(st.integers(16, 2048), st.integers(16, 2048))
ROOMS = st.builds(Rect, st.just(0), st.integers(48, 160), st.integers(200, 4000), st.integers(150, 2200))


def inside(inner: Rect, outer: Rect) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.left + inner.width <= outer.left + outer.width
        and inner.top + inner.height <= outer.top + outer.height
    )


def live_place(room: Rect, size: tuple[int, int]) -> PanePlace:
    place = places(room, size, None, frozen_is_large=False).of(Pane.LIVE)
    assert place is not None
    return place


@given(ROOMS, SIZES, SIZES, st.booleans())
def test_pictures_and_labels_stay_in_the_room_and_labels_cover_no_picture_of_theirs(
    room: Rect, live: tuple[int, int], frozen: tuple[int, int], is_large: bool
) -> None:
    both = places(room, live, frozen, frozen_is_large=is_large)
    assert [pane for pane, _ in both.panes] == ([Pane.FROZEN, Pane.LIVE] if is_large else [Pane.LIVE, Pane.FROZEN])
    for pane, place in both.panes:
        assert inside(place.area, room)
        assert inside(place.label, room)
        assert place.label.top + place.label.height == place.area.top
        assert (place.label.height > 0) == (pane is Pane.FROZEN or is_large)
        assert (
            abs(place.area.width / place.area.height - place.picture_size[0] / place.picture_size[1])
            <= max(2 / place.area.height, 2 / place.area.width)
            * max(1, place.picture_size[0] / place.picture_size[1])
            * 2
        )
    small = both.panes[1][1]
    assert small.area.left + small.area.width <= room.left + room.width - BORDER


@given(ROOMS, SIZES, ROOMS, st.data())
def test_a_hand_meets_the_same_pixel_at_both_ends(
    here: Rect, size: tuple[int, int], there: Rect, data: st.DataObject
) -> None:
    """From a screen's pixel to a pixel of the picture, over the wire, to the other screen: it stands in that pixel."""
    mine, theirs = live_place(here, size), live_place(there, size)
    column = data.draw(st.integers(mine.area.left, mine.area.left + mine.area.width - 1)) + 0.5
    row = data.draw(st.integers(mine.area.top, mine.area.top + mine.area.height - 1)) + 0.5
    meant = mine.in_picture(column, row)
    assert 0 <= meant[0] < size[0]
    assert 0 <= meant[1] < size[1]
    (sent,) = positions(pack_points([meant], *size), *size, Image(1, *size))
    assert (int(sent[0]), int(sent[1])) == (int(meant[0]), int(meant[1]))
    seen = theirs.in_picture(*theirs.on_screen(sent))
    assert (int(seen[0] + 1e-6), int(seen[1] + 1e-6)) == (int(meant[0]), int(meant[1]))


@given(SIZES, st.integers(1, 4), st.data())
def test_a_picture_that_comes_to_another_resolution_keeps_what_was_pointed_at(
    size: tuple[int, int], factor: int, data: st.DataObject
) -> None:
    x, y = data.draw(st.floats(0, size[0] - 0.2)), data.draw(st.floats(0, size[1] - 0.2))
    ((there_x, there_y),) = positions(pack_points([(x, y)], *size), *size, Image(1, size[0] * factor, size[1] * factor))
    assert (int(there_x / factor + 1e-9), int(there_y / factor + 1e-9)) == (int(x), int(y))


@given(ROOMS, SIZES, SIZES, st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_a_point_of_the_screen_is_of_the_pane_that_is_seen_there(
    room: Rect, live: tuple[int, int], frozen: tuple[int, int], is_large: bool, across: float, down: float
) -> None:
    both = places(room, live, frozen, frozen_is_large=is_large)
    (_, large), (small_pane, small) = both.panes
    x, y = room.left + across * room.width, room.top + down * room.height
    if small.area.holds(x, y):
        assert both.at(x, y) is small_pane
    elif not large.area.holds(x, y):
        assert both.at(x, y) is None


@given(ROOMS, st.integers(1, 12))
def test_buttons_stand_beside_the_pictures_and_are_met_where_they_stand(room: Rect, count: int) -> None:
    commands = list(Command)[:count]
    rest, placed = with_tool_strip(room, tuple(ToolButton(command, "") for command in commands))
    for command, button in zip(commands, placed, strict=True):
        rect = button.rect
        assert inside(rect, room)
        assert rect.left >= rest.left + rest.width
        assert command_at(placed, rect.left + rect.width / 2, rect.top + rect.height / 2) is command
    assert command_at(placed, rest.left, rest.top) is None


def test_without_buttons_the_pictures_have_all_the_room() -> None:
    room = Rect(0, 80, 1000, 900)
    assert with_tool_strip(room, ()) == (room, ())
