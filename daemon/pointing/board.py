"""The board: what is drawn, by both, on which image; frozen or not. Two boards that hear of each other become equal.

Rules, which make the order and the number of copies of what arrives indifferent:
- an author alone makes marks with its name; of a mark the highest version counts, and one without points is gone;
- registers (floors, freeze, scene, scale) only grow: the highest counts;
- a mark below its author's floor is gone for good.
What was lost is found by comparing summaries: each end sends again what differs.

Bounded: at most MARKS_PER_AUTHOR marks an author; the oldest go first. Pure: no clock, no socket.
"""

import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

from daemon.pointing.words import (
    DIGEST_BUCKETS,
    Author,
    BoardWord,
    Colour,
    Floors,
    Freeze,
    Mark,
    Register,
    Scale,
    Scene,
    Summary,
    Tool,
    encode,
)

MARKS_PER_AUTHOR: Final = 256
HIGHEST: Final = 0xFFFF_FFFF


class Board:
    """One end's copy. What it returns is to be sent to the peer."""

    def __init__(self, author: Author) -> None:
        self._author = author
        self._marks: dict[tuple[Author, int], Mark] = {}
        self._floors = {Author.SENDER: 0, Author.RECEIVER: 0}
        self.freeze = Freeze(0, Author.SENDER, None)
        self.scene: Scene | None = None
        self.scale = Scale(0, Author.SENDER, 0.0)
        self._next_number = 0
        self.changes = 0  # counts what was changed, by either end

    # --- reading ---

    def marks(self) -> list[Mark]:
        """Those that are to be seen, in the order of drawing by each author."""
        return [mark for key, mark in sorted(self._marks.items()) if mark.points]

    def summary(self) -> Summary:
        sums = [0] * (1 + DIGEST_BUCKETS)
        for register in self._registers():
            sums[0] ^= zlib.crc32(encode(register))
        for mark in self._marks.values():
            sums[1 + mark.number % DIGEST_BUCKETS] ^= zlib.crc32(encode(mark))
        return Summary(b"".join(digest.to_bytes(4) for digest in sums))

    def _registers(self) -> Iterator[Register]:
        yield Floors(self._floors[Author.SENDER], self._floors[Author.RECEIVER])
        yield self.freeze
        yield self.scale
        if self.scene is not None:
            yield self.scene

    # --- what the peer says ---

    def take(self, word: BoardWord) -> list[BoardWord]:
        """Merge a word of the peer; returns what the peer seems to lack."""
        match word:
            case Mark():
                self._merge_mark(word)
            case Floors():
                self._merge_floors(word)
            case Freeze():
                if _rank(word) > _rank(self.freeze):
                    self.freeze = word
                    self.changes += 1
            case Scale():
                if _rank(word) > _rank(self.scale):
                    self.scale = word
                    self.changes += 1
            case Scene():
                if self.scene is None or (word.stamp, word.frame_id) > (self.scene.stamp, self.scene.frame_id):
                    self.scene = word
                    self.changes += 1
            case Summary():
                return self._lacking(word)
        return []

    def _merge_mark(self, mark: Mark) -> None:
        key = (mark.author, mark.number)
        present = self._marks.get(key)
        if mark.number < self._floors[mark.author]:
            return
        if present is None or _replaces(mark, present):
            self._marks[key] = mark
            self.changes += 1
            if present is None:
                self._count(mark)

    def _merge_floors(self, floors: Floors) -> None:
        for author, floor in ((Author.SENDER, floors.of_sender), (Author.RECEIVER, floors.of_receiver)):
            self._raise_floor(author, floor)

    def _raise_floor(self, author: Author, floor: int) -> None:
        if floor <= self._floors[author]:
            return
        self._floors[author] = floor
        for key in [key for key in self._marks if key[0] == author and key[1] < floor]:
            del self._marks[key]
        if author == self._author:
            self._next_number = max(self._next_number, floor)
        self.changes += 1

    def _count(self, mark: Mark) -> None:
        """When there are too many, the floor rises over the oldest: the same at both ends, whatever came first."""
        if mark.author == self._author:
            self._next_number = max(self._next_number, mark.number + 1)
        numbers = [number for author, number in self._marks if author == mark.author]
        if len(numbers) > MARKS_PER_AUTHOR:
            self._raise_floor(mark.author, sorted(numbers)[-MARKS_PER_AUTHOR])

    def _lacking(self, theirs: Summary) -> list[BoardWord]:
        ours = self.summary()
        differing = [i for i in range(1 + DIGEST_BUCKETS) if _digest(ours, i) != _digest(theirs, i)]
        words: list[BoardWord] = list(self._registers()) if 0 in differing else []
        buckets = {i - 1 for i in differing if i}
        words += [mark for key, mark in sorted(self._marks.items()) if mark.number % DIGEST_BUCKETS in buckets]
        return words

    # --- what our own end does; each returns the words to send ---

    def new_mark(
        self,
        tool: Tool,
        colour: Colour,
        frame_id: int,
        size: tuple[int, int],
        points: bytes,
        *,
        stroke: int | None = None,
    ) -> Mark:
        """A mark at the end of our own. `size`: width, height of the image; `stroke`: that it goes on with."""
        number = self._next_number
        first = number if stroke is None else stroke
        mark = Mark(self._author, number, 0, first, tool, colour, False, frame_id, *size, points)
        self._merge_mark(mark)
        return mark

    def change(self, mark: Mark, *, points: bytes | None = None, is_pinned: bool | None = None) -> Mark | None:
        """A new version of a mark of our own; None when it is gone meanwhile."""
        present = self._marks.get((mark.author, mark.number))
        if present is None or mark.author != self._author or not present.points:
            return None
        changed = msgspec.structs.replace(
            present,
            version=present.version + 1,
            points=present.points if points is None else points,
            is_pinned=present.is_pinned if is_pinned is None else is_pinned,
        )
        self._merge_mark(changed)
        return changed

    def newest_stroke(self) -> list[Mark]:
        """The marks of our own last stroke that is to be seen."""
        own = [mark for mark in self._marks.values() if mark.author == self._author and mark.points]
        newest = max((mark.stroke for mark in own), default=None)
        return sorted((mark for mark in own if mark.stroke == newest), key=lambda mark: mark.number)

    def remove(self, marks: list[Mark]) -> list[BoardWord]:
        """Take marks of our own away."""
        words: list[BoardWord] = [gone for mark in marks if (gone := self.change(mark, points=b""))]
        floor = self._floors[self._author]
        while (oldest := self._marks.get((self._author, floor))) is not None and not oldest.points:
            floor += 1
        if floor > self._floors[self._author]:
            self._raise_floor(self._author, floor)
            words.append(self._floors_word())
        return words

    def clear(self) -> list[BoardWord]:
        """Take away all that this end knows of, of both authors."""
        for author in Author:
            numbers = [number for a, number in self._marks if a == author]
            if numbers:
                self._raise_floor(author, max(numbers) + 1)
        return [self._floors_word()]

    def _floors_word(self) -> Floors:
        return Floors(self._floors[Author.SENDER], self._floors[Author.RECEIVER])

    def set_freeze(self, frame_id: int | None) -> Freeze:
        self.freeze = Freeze(_next_stamp(self.freeze.stamp), self._author, frame_id)
        self.changes += 1
        return self.freeze

    def set_scale(self, pixels_per_french: float) -> Scale:
        self.scale = Scale(_next_stamp(self.scale.stamp), self._author, pixels_per_french)
        self.changes += 1
        return self.scale

    def set_scene(self, frame_id: int) -> Scene:
        """The sender's end alone knows."""
        self.scene = Scene(_next_stamp(self.scene.stamp if self.scene else 0), frame_id)
        self.changes += 1
        return self.scene


def _rank(word: Freeze | Scale) -> tuple[int, int, float]:
    """The last part: an author that began anew may have used a stamp twice."""
    value = word.pixels_per_french if isinstance(word, Scale) else -1.0 if word.frame_id is None else word.frame_id
    return word.stamp, word.author, value


def _replaces(mark: Mark, present: Mark) -> bool:
    """An author that began anew may have used a number and its versions twice."""
    if mark.version != present.version:
        return mark.version > present.version
    return encode(mark) > encode(present)


def _next_stamp(stamp: int) -> int:
    return min(stamp + 1, HIGHEST)


def _digest(summary: Summary, bucket: int) -> bytes:
    return summary.digests[4 * bucket : 4 * bucket + 4]
