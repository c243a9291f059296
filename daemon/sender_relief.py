"""What the sender gives up under pressure (`picture.pressure`), carried out: preset, noise filter, image rate.

Each step is an event at this end, and a word in the status for as long as it lasts.
"""

from collections.abc import Callable
from typing import Protocol

from daemon.config import EncoderConfig, FilterChoice
from daemon.picture.pressure import Pressure, Relief
from hw.encoders.x264 import FASTEST_PRESET


class FilterSwitch(Protocol):
    def __call__(self, *, is_given_up: bool) -> None: ...


class SenderRelief:
    """Used by the encode stage's thread; `is_throttled` may be set by any."""

    def __init__(
        self,
        config: EncoderConfig,
        filter_choice: FilterChoice,
        give_up_filter: FilterSwitch,
        report_event: Callable[[str, str], None],
    ) -> None:
        is_preset_worth_it = config.preset != FASTEST_PRESET and not config.lossless
        there_is = {Relief.PRESET: is_preset_worth_it, Relief.FILTER: filter_choice is FilterChoice.SAFE}
        self._pressure = Pressure(relief for relief in Relief if there_is.get(relief, True))
        self._preset = config.preset
        self._give_up_filter = give_up_filter
        self._report_event = report_event
        self.is_throttled = False  # the processor, for its heat

    @property
    def preset(self) -> str:
        """For the next image."""
        return FASTEST_PRESET if Relief.PRESET in self._pressure.given_up else self._preset

    @property
    def words(self) -> str:
        """What is given up; empty: nothing."""
        return ", ".join(relief.value for relief in self._pressure.given_up)

    def rate_limit_hz(self, source_rate_hz: float) -> float | None:
        return self._pressure.rate_limit_hz(source_rate_hz)

    def note_image(self, now_ns: int, work_ns: int, source_rate_hz: float) -> None:
        """A new image took `work_ns` from the capture's hand to the link's."""
        before = self._pressure.given_up
        if self._pressure.note_heat(now_ns, is_throttled=self.is_throttled) or self._pressure.note_image(
            now_ns, work_ns, source_rate_hz
        ):
            self._carry_out(before, self._pressure.given_up)

    def _carry_out(self, before: tuple[Relief, ...], after: tuple[Relief, ...]) -> None:
        self._give_up_filter(is_given_up=Relief.FILTER in after)
        is_more = len(after) > len(before)
        step = after[-1] if is_more else before[-1]
        what = f"{step.value} given up" if is_more else f"{step.value} back"
        self._report_event(what, self._pressure.cause)
