"""The pointing table with its threads: the presenter works at it, the link's messages come to it."""

import logging
from collections.abc import Callable
from typing import Final

from daemon.guarded import Guarded
from daemon.messages import SmallMessage
from daemon.pointing.table import PointingTable
from hw.overlay import Overlay
from hw.ports import Display, Picture

logger = logging.getLogger(__name__)

BUSY_TICK_S: Final = 0.002


class PointingDesk:
    """`send` hands a small message to the link process; one that finds no room is mended by the next summary."""

    def __init__(self, table: PointingTable, send: Callable[[SmallMessage], object]) -> None:
        self._table = Guarded(table)
        self._send = send

    def take_message(self, message: SmallMessage, now_ns: int) -> None:
        with self._table as table:
            table.take_message(message.kind, message.payload, now_ns)

    def set_scene(self, frame_id: int) -> None:
        with self._table as table:
            table.set_scene(frame_id)

    def work(self, display: Display, frame_id: int | None, pixels: Picture | None, now_ns: int) -> Overlay:
        """Called by the presenter before each drawing, with what stands on the screen. Raises DeviceError."""
        inputs = display.take_inputs()
        with self._table as table:
            if frame_id is not None and pixels is not None:
                height, width = pixels.shape
                table.note_shown(frame_id, width, height)
            table.take_inputs(inputs, now_ns)
            outgoing = table.poll(now_ns)
            notices, table.notices = table.notices, []
            overlay = table.overlay(now_ns)
        for kind, payload in outgoing:
            self._send(SmallMessage(kind, payload))
        for notice in notices:
            logger.info("%s", notice)
        return overlay

    def tick_s(self, at_rest_s: float, now_ns: int) -> float:
        """How long the presenter may wait before it asks the display for inputs again."""
        with self._table as table:
            return BUSY_TICK_S if table.is_busy(now_ns) else at_rest_s
