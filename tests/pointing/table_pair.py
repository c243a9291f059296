"""Two tables joined by reliable small messages over a scripted path, in simulated time; each looks at pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from daemon.link.message_kinds import MessageKind
from daemon.link.reliable import ReliableMessages
from daemon.pointing.history import ImageHistory
from daemon.pointing.table import PointingTable
from daemon.pointing.words import Author
from hw.overlay import Command, CommandInput, Overlay, Pane, Phase, PointerInput
from tests.link.path_model import MS, Channel, Path

STEP_NS = 4 * MS
RTT_20: Mapping[str, Any] = {"delay_ns": 10 * MS}
SIZE = (640, 480)


class TablePair:
    """An image every 40 ms at the sender, on the receiver's screen 30 ms later. Image N has the grey level N % 256."""

    def __init__(self, conditions: Mapping[str, Any] = RTT_20, *, size: tuple[int, int] = SIZE) -> None:
        self.now_ns = 0
        self.size = size
        self.histories = {author: ImageHistory() for author in Author}
        self.tables = {author: self._table(author) for author in Author}
        self.links = {author: ReliableMessages(epoch=10 + author) for author in Author}
        self.channels: dict[Author, Channel[bytes]] = {
            author: Channel(Path(3 + author, **conditions)) for author in Author
        }
        self.newest = 0

    def _table(self, author: Author) -> PointingTable:
        return PointingTable(author, self.histories[author], catheter_french=6.0)

    @property
    def sender(self) -> PointingTable:
        return self.tables[Author.SENDER]

    @property
    def receiver(self) -> PointingTable:
        return self.tables[Author.RECEIVER]

    def restart(self, author: Author) -> None:
        """Its video process begins anew; the link goes on."""
        self.histories[author] = ImageHistory()
        self.tables[author] = self._table(author)

    def run(self, duration_ns: int) -> None:
        end_ns = self.now_ns + duration_ns
        while self.now_ns < end_ns:
            self.now_ns += STEP_NS
            self._show(Author.SENDER, self.now_ns // (40 * MS))
            self._show(Author.RECEIVER, max(0, self.now_ns - 30 * MS) // (40 * MS))
            for author in Author:
                self._exchange(author)

    def _show(self, author: Author, frame_id: int) -> None:
        if self.histories[author].get(frame_id) is None:
            width, height = self.size
            pixels = np.full((height, width), frame_id % 256, np.uint8)
            self.histories[author].note(frame_id, pixels, frame_id * 40 * MS)
            self.tables[author].note_shown(frame_id, width, height)

    def _exchange(self, author: Author) -> None:
        table, link = self.tables[author], self.links[author]
        for _, record in self.channels[Author(1 - author)].receive(self.now_ns):
            for delivery in link.receive(record):
                table.take_message(delivery.kind, delivery.payload, self.now_ns)
        for kind, payload in table.poll(self.now_ns):
            assert isinstance(kind, MessageKind)
            link.send(kind, payload, self.now_ns)
        for record in link.records_to_send(self.now_ns, 20 * MS):
            self.channels[author].send(record, len(record), self.now_ns)

    # --- hands ---

    def point(self, author: Author, phase: Phase, x: float, y: float, pane: Pane = Pane.LIVE) -> None:
        self.tables[author].take_inputs([PointerInput(phase, pane, (x, y))], self.now_ns)

    def stroke(self, author: Author, *points: tuple[float, float], pane: Pane = Pane.LIVE) -> None:
        """Press, drag, release, with some time between."""
        self.point(author, Phase.PRESS, *points[0], pane)
        for point in points[1:]:
            self.run(8 * MS)
            self.point(author, Phase.DRAG, *point, pane)
        self.point(author, Phase.RELEASE, *points[-1], pane)

    def command(self, author: Author, command: Command) -> None:
        self.tables[author].take_inputs([CommandInput(command)], self.now_ns)

    def overlay(self, author: Author) -> Overlay:
        return self.tables[author].overlay(self.now_ns)
