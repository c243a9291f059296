"""What two people see of each other's hands: strokes, pointers, frozen pictures."""

import pytest

from daemon.pointing.table import FADE_NS, FINGER_LIMIT_NS, IMAGE_WAIT_NS
from daemon.pointing.words import Author
from hw.overlay import Command, Pane, Phase, Shape, ShapeKind
from tests.link.path_model import MS, S
from tests.pointing.table_pair import TablePair

LOSSY = {"delay_ns": 10 * MS, "loss": 0.2, "jitter_ns": 8 * MS, "reorder": True, "duplicate": 0.1}
BOTH = (Author.SENDER, Author.RECEIVER)


def other(author: Author) -> Author:
    return Author(1 - author)


def strokes(pair: TablePair, author: Author) -> list[Shape]:
    return [shape for shape in pair.overlay(author).shapes if shape.kind is not ShapeKind.FINGER]


def fingers(pair: TablePair, author: Author) -> list[Shape]:
    return [shape for shape in pair.overlay(author).shapes if shape.kind is ShapeKind.FINGER]


@pytest.mark.parametrize("author", BOTH)
def test_a_stroke_is_seen_at_once_here_and_after_the_path_there(author: Author) -> None:
    pair = TablePair()
    pair.run(S)
    pair.stroke(author, (10.5, 20.5), (30.5, 40.5))
    (mine,) = strokes(pair, author)
    assert mine.points == ((10.5, 20.5), (30.5, 40.5))
    pair.run(40 * MS)
    assert strokes(pair, other(author)) == [mine]


def test_a_long_freehand_stroke_over_a_bad_path_is_the_same_at_both_ends() -> None:
    pair = TablePair(LOSSY)
    pair.run(S)
    points = [(10.5 + 2 * n, 100.5 + n) for n in range(300)]
    pair.stroke(Author.RECEIVER, *points)
    pair.run(5 * S)
    assert strokes(pair, Author.SENDER) == strokes(pair, Author.RECEIVER)
    seen = [point for shape in strokes(pair, Author.SENDER) for point in shape.points]
    assert list(dict.fromkeys(seen)) == points


@pytest.mark.parametrize(
    ("command", "kind"),
    [(Command.ARROW, ShapeKind.ARROW), (Command.CIRCLE, ShapeKind.CIRCLE), (Command.LINE, ShapeKind.PATH)],
)
def test_tools_of_two_points_keep_the_first_and_the_last(command: Command, kind: ShapeKind) -> None:
    pair = TablePair()
    pair.run(S)
    pair.command(Author.RECEIVER, command)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (50.5, 70.5), (40.5, 50.5))
    pair.run(S // 2)
    (shape,) = strokes(pair, Author.SENDER)
    assert (shape.kind, shape.points) == (kind, ((10.5, 10.5), (40.5, 50.5)))


def test_the_pointer_is_seen_there_and_leaves_with_the_hand() -> None:
    pair = TablePair()
    pair.run(S)
    pair.point(Author.RECEIVER, Phase.HOVER, 100.5, 200.5)
    pair.run(20 * MS)
    (finger,) = fingers(pair, Author.SENDER)
    assert finger.points == ((100.5, 200.5),)
    pair.run(5 * S)  # it rests
    assert fingers(pair, Author.SENDER) == [finger]
    pair.point(Author.RECEIVER, Phase.LEAVE, 0, 0)
    pair.run(40 * MS)
    assert fingers(pair, Author.SENDER) == []


def test_a_pointer_that_is_not_told_any_more_is_taken_off() -> None:
    pair = TablePair({"delay_ns": 10 * MS, "script": [(S, {"outage": True})]})
    pair.run(S // 2)
    pair.point(Author.RECEIVER, Phase.HOVER, 100.5, 200.5)
    pair.run(S // 2)
    assert len(fingers(pair, Author.SENDER)) == 1
    pair.run(FINGER_LIMIT_NS + 100 * MS)
    assert fingers(pair, Author.SENDER) == []


def test_undo_and_clear_are_seen_at_both_ends() -> None:
    pair = TablePair()
    pair.run(S)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (20.5, 10.5))
    pair.stroke(Author.RECEIVER, (10.5, 30.5), (20.5, 30.5))
    pair.command(Author.RECEIVER, Command.UNDO)
    pair.run(S // 2)
    assert len(strokes(pair, Author.SENDER)) == 1
    pair.command(Author.SENDER, Command.CLEAR)
    pair.run(S // 2)
    assert strokes(pair, Author.SENDER) == strokes(pair, Author.RECEIVER) == []


def test_a_line_says_its_length_in_pixels_and_in_french_once_it_lay_across_a_catheter() -> None:
    pair = TablePair()
    pair.run(S)
    pair.command(Author.RECEIVER, Command.LINE)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (10.5, 22.5))
    assert strokes(pair, Author.RECEIVER)[0].label == "12.0 px"
    pair.command(Author.RECEIVER, Command.SCALE)  # 12 px are the 6 F of the configuration
    pair.stroke(Author.RECEIVER, (50.5, 10.5), (80.5, 50.5))
    pair.run(S // 2)
    for author in BOTH:
        assert [shape.label for shape in strokes(pair, author)] == ["12.0 px, 6.0 F", "50.0 px, 25.0 F"]


def test_what_was_drawn_fades_at_both_ends_when_the_picture_moves_on_unless_pinned() -> None:
    pair = TablePair()
    pair.run(S)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (20.5, 10.5))
    pair.command(Author.RECEIVER, Command.PIN)
    pair.stroke(Author.RECEIVER, (10.5, 50.5), (20.5, 50.5))
    pair.stroke(Author.SENDER, (10.5, 90.5), (20.5, 90.5))
    pair.run(S)
    pair.sender.set_scene(pair.now_ns // (40 * MS))
    pair.run(FADE_NS // 2)
    for author in BOTH:
        assert sorted(round(shape.opacity, 1) for shape in strokes(pair, author))[::2] == [
            pytest.approx(0.5, abs=0.1),
            1,
        ]
    pair.run(FADE_NS)
    for author in BOTH:
        assert [shape.points[0] for shape in strokes(pair, author)] == [(10.5, 10.5)]
    pair.stroke(Author.RECEIVER, (30.5, 30.5), (40.5, 30.5))  # of the new picture: it stays
    pair.run(3 * FADE_NS)
    assert len(strokes(pair, Author.SENDER)) == 2


def test_nothing_fades_before_the_image_is_shown_with_which_the_picture_moved_on() -> None:
    pair = TablePair()
    pair.run(S)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (20.5, 10.5))
    pair.sender.set_scene(pair.now_ns // (40 * MS) + 75)  # three seconds ahead
    pair.run(2 * S)
    assert [shape.opacity for shape in strokes(pair, Author.RECEIVER)] == [1]
    pair.run(S + 2 * FADE_NS)
    assert strokes(pair, Author.RECEIVER) == []


@pytest.mark.parametrize("author", BOTH)
def test_a_frozen_image_is_the_same_at_both_ends_while_the_live_one_goes_on(author: Author) -> None:
    pair = TablePair()
    pair.run(2 * S)
    frame_id = (pair.now_ns - (30 * MS if author is Author.RECEIVER else 0)) // (40 * MS)
    pair.command(author, Command.FREEZE)
    pair.run(100 * MS)
    for end in BOTH:
        frozen = pair.overlay(end).frozen
        assert frozen is not None
        assert frozen.pixels is not None
        assert (frozen.number, frozen.pixels[0, 0]) == (frame_id, frame_id % 256)
        assert frozen.is_large == (end is author)
    pair.run(10 * S)  # far longer than the history
    for end in BOTH:
        frozen = pair.overlay(end).frozen
        assert frozen is not None
        assert frozen.pixels is not None
        assert abs(frozen.age_ms * MS - (pair.now_ns - frame_id * 40 * MS)) <= S


def test_strokes_on_the_frozen_image_stay_on_it_and_do_not_fade() -> None:
    pair = TablePair()
    pair.run(2 * S)
    pair.command(Author.RECEIVER, Command.FREEZE)
    pair.run(100 * MS)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (20.5, 20.5), pane=Pane.FROZEN)
    pair.point(Author.RECEIVER, Phase.HOVER, 50.5, 50.5, Pane.FROZEN)
    pair.run(100 * MS)
    for end in BOTH:
        frozen = pair.overlay(end).frozen
        assert frozen is not None
        theirs = [ShapeKind.FINGER] if end is Author.SENDER else []
        assert [shape.kind for shape in frozen.shapes] == [ShapeKind.PATH, *theirs]
        assert pair.overlay(end).shapes == ()
    pair.sender.set_scene(pair.now_ns // (40 * MS))
    pair.run(3 * FADE_NS)
    frozen = pair.overlay(Author.SENDER).frozen
    assert frozen is not None
    assert frozen.shapes[0].opacity == 1
    pair.command(Author.SENDER, Command.FREEZE)
    pair.run(100 * MS)
    for end in BOTH:
        assert pair.overlay(end).frozen is None
        assert strokes(pair, end) == []  # the picture has moved on since


def test_an_image_that_one_end_does_not_have_ends_the_freeze_at_both() -> None:
    pair = TablePair({"delay_ns": 1500 * MS})  # older than the sender's history when the wish comes
    pair.run(2 * S)
    pair.command(Author.RECEIVER, Command.FREEZE)
    pair.run(1600 * MS)
    assert pair.overlay(Author.SENDER).frozen is not None
    pair.run(IMAGE_WAIT_NS + 1800 * MS)
    for end in BOTH:
        assert pair.overlay(end).frozen is None
    assert pair.sender.notices


def test_a_doubtful_image_says_so_when_it_is_frozen() -> None:
    pair = TablePair()
    pair.run(2 * S)
    pair.command(Author.RECEIVER, Command.FREEZE)
    pair.histories[Author.RECEIVER].note_doubt(pair.overlay(Author.RECEIVER).frozen.number, "DEGRADED: another picture")  # type: ignore[union-attr]
    pair.run(50 * MS)
    frozen = pair.overlay(Author.RECEIVER).frozen
    assert frozen is not None
    assert frozen.note == "DEGRADED: another picture"


@pytest.mark.parametrize("author", BOTH)
def test_a_video_process_that_begins_anew_gets_the_strokes_back(author: Author) -> None:
    pair = TablePair(LOSSY)
    pair.run(S)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (20.5, 10.5))
    pair.stroke(Author.SENDER, (10.5, 50.5), (20.5, 50.5))
    pair.run(2 * S)
    pair.restart(author)
    pair.run(4 * S)
    assert strokes(pair, author) == strokes(pair, other(author))
    assert len(strokes(pair, author)) == 2


def test_an_outage_in_the_middle_of_drawing_leaves_both_boards_equal() -> None:
    pair = TablePair({"delay_ns": 10 * MS, "script": [(S, {"outage": True}), (20 * S, {"outage": False})]})
    pair.run(1500 * MS)
    pair.stroke(Author.RECEIVER, (10.5, 10.5), (20.5, 10.5))
    pair.stroke(Author.SENDER, (10.5, 50.5), (20.5, 50.5))
    pair.run(18 * S)  # longer than any lifetime
    assert len(strokes(pair, Author.SENDER)) == 1
    pair.run(4 * S)
    assert strokes(pair, Author.SENDER) == strokes(pair, Author.RECEIVER)
    assert len(strokes(pair, Author.SENDER)) == 2


def test_a_picture_of_another_resolution_shows_the_strokes_at_the_same_place() -> None:
    pair = TablePair(size=(640, 480))
    pair.run(S)
    pair.stroke(Author.RECEIVER, (64.5, 48.5), (128.5, 96.5))
    pair.run(S // 2)
    pair.size = (1280, 960)
    pair.run(S // 2)
    for author in BOTH:
        (shape,) = strokes(pair, author)
        assert shape.points == ((129, 97), (257, 193))


def test_words_that_cannot_be_read_are_counted() -> None:
    pair = TablePair()
    for kind in (1, 2):
        pair.sender.take_message(kind, b"\xff\x00nonsense", 0)
    assert pair.sender.unreadable == 2


def test_resting_costs_next_to_nothing() -> None:
    pair = TablePair()
    pair.run(10 * S)
    assert sum(link.sent for link in pair.links.values()) <= 22


def test_a_pointer_that_rests_costs_two_messages_a_second() -> None:
    pair = TablePair()
    pair.run(S)
    pair.point(Author.RECEIVER, Phase.HOVER, 100.5, 200.5)
    before = pair.links[Author.RECEIVER].sent
    pair.run(10 * S)
    assert pair.links[Author.RECEIVER].sent - before <= 32
