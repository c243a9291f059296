"""Two boards become equal whatever the network does to what they say to each other."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import PointingError
from daemon.pointing.board import MARKS_PER_AUTHOR, Board
from daemon.pointing.words import (
    POINTS_PER_MARK,
    Author,
    BoardWord,
    Colour,
    Finger,
    Mark,
    Tool,
    decode_board_word,
    decode_finger,
    encode,
    is_earlier,
    pack_points,
    unpack_points,
)

SIZE = (1024, 768)


def draw(board: Board, *points: tuple[float, float], frame_id: int = 7) -> Mark:
    return board.new_mark(Tool.FREEHAND, Colour.YELLOW, frame_id, SIZE, pack_points(list(points), *SIZE))


def state(board: Board) -> Any:
    return (board._marks, board._floors, board.freeze, board.scene, board.scale)


def act(board: Board, chance: random.Random) -> list[BoardWord]:
    """Something that a person, or the sender's detector, may do."""
    kind = chance.random()
    newest = board.newest_stroke()
    if kind < 0.5 or not newest:
        points = [(chance.uniform(-5, 1100), chance.uniform(-5, 800)) for _ in range(chance.randint(1, 4))]
        stroke = newest[0].stroke if newest and chance.random() < 0.3 else None
        tool, colour = chance.choice(list(Tool)), chance.choice(list(Colour))
        return [board.new_mark(tool, colour, chance.randrange(99), SIZE, pack_points(points, *SIZE), stroke=stroke)]
    if kind < 0.75:
        changed = board.change(newest[-1], points=newest[-1].points[:-4] + pack_points([(1, 2)], *SIZE))
        return [changed] if changed else []
    if kind < 0.85:
        return board.remove(newest)
    if kind < 0.88:
        changed = board.change(newest[-1], is_pinned=not newest[-1].is_pinned)
        return [changed] if changed else []
    if kind < 0.89:
        return board.clear()
    if kind < 0.95:
        return [board.set_freeze(chance.choice([None, chance.randrange(99)]))]
    if kind < 0.97:
        return [board.set_scale(chance.uniform(1, 9))]
    return [board.set_scene(chance.randrange(99))] if board._author is Author.SENDER else []


def exchange_summaries(boards: dict[Author, Board], chance: random.Random | None = None) -> None:
    """Each compares with the other; what differs is sent, in any order, as bytes."""
    answers = {author: boards[author].take(boards[Author(1 - author)].summary()) for author in Author}
    for author, words in answers.items():
        if chance:
            chance.shuffle(words)
        for word in words:
            assert boards[Author(1 - author)].take(decode_board_word(encode(word))) == []


def test_a_hundred_thousand_words_reordered_lost_and_doubled_leave_both_boards_equal() -> None:
    chance = random.Random(11)
    boards = {author: Board(author) for author in Author}
    under_way: list[tuple[Author, bytes]] = []
    words = 0
    while words < 100_000:
        for author, board in boards.items():
            for word in act(board, chance):
                words += 1
                copies = chance.choices((0, 1, 2), (0.1, 0.8, 0.1))[0]
                under_way += [(Author(1 - author), encode(word))] * copies
        while len(under_way) > 40:
            reader, payload = under_way.pop(chance.randrange(len(under_way)))
            boards[reader].take(decode_board_word(payload))
    for reader, payload in under_way:
        boards[reader].take(decode_board_word(payload))
    assert state(boards[Author.SENDER]) != state(boards[Author.RECEIVER])  # something was lost
    for _ in range(2):
        exchange_summaries(boards, chance)
    assert state(boards[Author.SENDER]) == state(boards[Author.RECEIVER])
    assert boards[Author.SENDER].marks() == boards[Author.RECEIVER].marks()
    assert boards[Author.SENDER].summary() == boards[Author.RECEIVER].summary()
    assert boards[Author.SENDER].take(boards[Author.RECEIVER].summary()) == []


@settings(max_examples=100)
@given(st.integers(0, 1 << 30), st.integers(0, 60), st.floats(0, 1))
def test_any_exchange_that_lost_anything_is_mended(seed: int, steps: int, loss: float) -> None:
    chance = random.Random(seed)
    boards = {author: Board(author) for author in Author}
    for _ in range(steps):
        author = chance.choice(list(Author))
        for word in act(boards[author], chance):
            if chance.random() >= loss:
                boards[Author(1 - author)].take(word)
    for _ in range(2):
        exchange_summaries(boards, chance)
    assert state(boards[Author.SENDER]) == state(boards[Author.RECEIVER])


def test_an_end_that_begins_anew_gets_the_board_back_and_numbers_on() -> None:
    sender, receiver = Board(Author.SENDER), Board(Author.RECEIVER)
    for _ in range(5):
        sender.take(draw(receiver, (1, 1), (2, 2)))
    receiver.take(sender.set_freeze(7))
    anew = Board(Author.RECEIVER)
    boards = {Author.SENDER: sender, Author.RECEIVER: anew}
    exchange_summaries(boards)
    assert state(anew) == state(sender)
    assert draw(anew, (3, 3)).number == 5


def test_undo_takes_the_whole_last_stroke_of_its_own_author() -> None:
    sender, receiver = Board(Author.SENDER), Board(Author.RECEIVER)
    first = draw(receiver, (1, 1))
    second = draw(receiver, (2, 2))
    rest = receiver.new_mark(Tool.FREEHAND, Colour.YELLOW, 7, SIZE, pack_points([(3, 3)], *SIZE), stroke=second.stroke)
    theirs = draw(sender, (9, 9))
    receiver.take(theirs)
    assert receiver.newest_stroke() == [second, rest]
    receiver.remove(receiver.newest_stroke())
    assert receiver.marks() == [theirs, first]
    receiver.remove(receiver.newest_stroke())
    assert receiver.marks() == [theirs]
    assert receiver.newest_stroke() == []


def test_clear_takes_what_it_knew_of_and_a_late_copy_does_not_come_back() -> None:
    sender, receiver = Board(Author.SENDER), Board(Author.RECEIVER)
    known = draw(receiver, (1, 1))
    sender.take(known)
    for word in sender.clear():
        receiver.take(word)
    assert receiver.marks() == sender.marks() == []
    sender.take(known)
    assert sender.marks() == []
    after = draw(receiver, (2, 2))
    sender.take(after)
    assert sender.marks() == [after]


def test_a_removed_mark_does_not_come_back_with_an_older_version() -> None:
    sender, receiver = Board(Author.SENDER), Board(Author.RECEIVER)
    older = draw(receiver, (0, 0))
    mark = draw(receiver, (1, 1))
    for word in receiver.remove([mark]):
        sender.take(word)
    sender.take(mark)
    sender.take(older)
    assert sender.marks() == [older]


def test_a_board_is_bounded_and_the_oldest_go_first() -> None:
    board = Board(Author.RECEIVER)
    marks = [draw(board, (n % 1000, 1)) for n in range(3 * MARKS_PER_AUTHOR)]
    assert board.marks() == marks[-MARKS_PER_AUTHOR:]
    for mark in marks[-MARKS_PER_AUTHOR:]:
        board.remove([mark])
    assert len(board._marks) == 0  # nothing is kept of what is gone from the oldest on


def test_the_later_freeze_counts_and_of_two_at_once_the_same_at_both_ends() -> None:
    sender, receiver = Board(Author.SENDER), Board(Author.RECEIVER)
    ours, theirs = sender.set_freeze(5), receiver.set_freeze(6)
    sender.take(theirs)
    receiver.take(ours)
    assert sender.freeze == receiver.freeze == theirs
    receiver.take(sender.set_freeze(None))
    receiver.take(ours)
    assert receiver.freeze.frame_id is None


@given(st.integers(1, 8191), st.integers(1, 8191), st.data())
def test_a_point_never_leaves_its_pixel(width: int, height: int, data: st.DataObject) -> None:
    x = data.draw(st.floats(0, width, exclude_max=True))
    y = data.draw(st.floats(0, height, exclude_max=True))
    ((sent_x, sent_y),) = unpack_points(pack_points([(x, y)], width, height))
    assert (int(sent_x), int(sent_y)) == (int(x), int(y))


def test_points_outside_of_the_image_are_moved_to_its_edge() -> None:
    assert unpack_points(pack_points([(-3, 9000), (70000, -1)], 100, 50)) == [(0, 49.875), (99.875, 0)]


@given(st.integers(0, 0xFFFF_FFFF), st.integers(1, (1 << 31) - 1))
def test_frame_ids_wrap(frame_id: int, step: int) -> None:
    later = (frame_id + step) & 0xFFFF_FFFF
    assert is_earlier(frame_id, later)
    assert not is_earlier(later, frame_id)
    assert not is_earlier(frame_id, frame_id)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_word_or_an_error(payload: bytes) -> None:
    board = Board(Author.SENDER)
    for decode in (decode_board_word, decode_finger):
        try:
            word = decode(payload)
        except PointingError:
            continue
        if not isinstance(word, Finger):
            board.take(word)


@given(st.data())
def test_damaged_words_are_a_word_or_an_error(data: st.DataObject) -> None:
    board = Board(Author.SENDER)
    words: list[BoardWord] = [
        draw(board, (1, 1)),
        board.set_freeze(4),
        board.set_scale(3.0),
        board.set_scene(2),
        board.summary(),
    ]
    payload = bytearray(encode(data.draw(st.sampled_from(words))))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        word = decode_board_word(bytes(payload))
    except PointingError:
        return
    board.take(word)


@pytest.mark.parametrize("count", [1, POINTS_PER_MARK])
def test_a_mark_fits_a_small_message(count: int) -> None:
    mark = draw(Board(Author.RECEIVER), *[(1023.9, 767.9)] * count)
    assert len(encode(mark)) <= 30 + 4 * count
