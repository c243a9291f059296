"""A display for machines without one: the picture's truth is still assessed and reported, nothing is drawn."""

from collections.abc import Sequence

from hw.errors import DeviceError
from hw.overlay import NOTHING_OVER, Input, Overlay
from hw.ports import Banner, Picture


class NoneDisplay:
    def __init__(self) -> None:
        self._is_open = False

    def open(self) -> None:
        self._is_open = True

    def show(self, picture: Picture | None, banner: Banner, *, is_new: bool, overlay: Overlay = NOTHING_OVER) -> None:
        if not self._is_open:
            raise DeviceError("display is not open")

    def take_inputs(self) -> Sequence[Input]:
        """Nobody can touch it."""
        return ()

    def close(self) -> None:
        self._is_open = False
