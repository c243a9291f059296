"""What the sender gives up when the processor does not suffice: preset, then noise filter, then images. Never latency.

The measure is a new image's work (picture chain and encoder, by the clock on the wall, so that other programs count) as
a share of the time until the next. Over CROWDED of it in the middle of a second's images, a step is taken. When what is
given up would leave room if it came back, for all of a comfort time, the last step is taken back; if that proves wrong
soon, the comfort time doubles. A processor that is throttled for its heat gives up preset and filter before it must,
and takes nothing back while it is so.

Pure: no clock, no thread. Times are monotonic nanoseconds.
"""

from collections import deque
from collections.abc import Iterable
from enum import Enum
from statistics import median

SECOND_NS = 1_000_000_000
WINDOW_NS = SECOND_NS
IMAGES_AT_LEAST = 4
SETTLING_NS = SECOND_NS // 2  # how far images must reach back, so that a hiccup does not take all steps at once
CROWDED = 0.8
COMFORT_NS = 10 * SECOND_NS
LONGEST_COMFORT_NS = 160 * SECOND_NS
RELAPSE_NS = 30 * SECOND_NS  # crowded again within this time of a step back: it came too early
HEAT_STEP_NS = 10 * SECOND_NS
LOWEST_RATE_HZ = 7.5  # with fewer images a picture counts as old before the next one comes


class Relief(Enum):
    """What can be given up, in this order."""

    PRESET = "the encoder's preset"
    FILTER = "the noise filter"
    HALF_RATE = "every second image"
    QUARTER_RATE = "three images of four"

    @property
    def images_left_out(self) -> int:
        """For each one that is encoded."""
        return {Relief.HALF_RATE: 1, Relief.QUARTER_RATE: 3}.get(self, 0)

    @property
    def roomy(self) -> float:
        """The load under which it can come back: the better preset takes about twice the time of the fastest."""
        return 0.35 if self is Relief.PRESET else 0.6


class Pressure:
    """The ladder of one sender. `reliefs`: what there is to give up here, in the order of Relief."""

    def __init__(self, reliefs: Iterable[Relief]) -> None:
        self._reliefs = tuple(reliefs)
        self._steps = 0
        self._work: deque[tuple[int, int]] = deque()  # when, how long; of the last window, since the last change
        self._changed_ns: int | None = None
        self._taken_back_ns: int | None = None
        self._roomy_since_ns: int | None = None
        self._comfort_ns = COMFORT_NS
        self._is_hot = False
        self.cause = ""

    @property
    def given_up(self) -> tuple[Relief, ...]:
        return self._reliefs[: self._steps]

    def rate_limit_hz(self, source_rate_hz: float) -> float | None:
        """Of images to be encoded; None: all of them."""
        divisor = _divisor(self.given_up)
        return max(source_rate_hz / divisor, LOWEST_RATE_HZ) if divisor > 1 else None

    def note_heat(self, now_ns: int, *, is_throttled: bool) -> bool:
        """What the machine's sensors say. True: `given_up` has changed, for `cause`."""
        self._is_hot = is_throttled
        following = self._reliefs[self._steps : self._steps + 1]
        if not is_throttled or not following or following[0].images_left_out:
            return False
        if self._changed_ns is not None and now_ns - self._changed_ns < HEAT_STEP_NS:
            return False
        self._step(now_ns, 1, "the processor is throttled for its heat")
        return True

    def note_image(self, now_ns: int, work_ns: int, source_rate_hz: float) -> bool:
        """A new image was encoded; it took `work_ns`. True: `given_up` has changed, for `cause`."""
        self._work.append((now_ns, work_ns))
        while self._work[0][0] < now_ns - WINDOW_NS:
            self._work.popleft()
        if len(self._work) < IMAGES_AT_LEAST or now_ns - self._work[0][0] < SETTLING_NS:
            return False
        share = median(work for _, work in self._work) * source_rate_hz / SECOND_NS
        return self._give_up(now_ns, share / _divisor(self.given_up)) or self._take_back(now_ns, share)

    def _give_up(self, now_ns: int, load: float) -> bool:
        if load <= CROWDED or self._steps == len(self._reliefs):
            return False
        if self._taken_back_ns is not None:
            came_too_early = now_ns - self._taken_back_ns < RELAPSE_NS
            self._comfort_ns = min(2 * self._comfort_ns, LONGEST_COMFORT_NS) if came_too_early else COMFORT_NS
            self._taken_back_ns = None
        self._step(now_ns, 1, f"an image takes {load:.0%} of the time until the next")
        return True

    def _take_back(self, now_ns: int, share: float) -> bool:
        if not self._steps:
            return False
        is_roomy = share / _divisor(self.given_up[:-1]) < self.given_up[-1].roomy and not self._is_hot
        if not is_roomy:
            self._roomy_since_ns = None
            return False
        if self._roomy_since_ns is None:
            self._roomy_since_ns = now_ns
        if now_ns - self._roomy_since_ns < self._comfort_ns:
            return False
        self._step(now_ns, -1, "there is time again")
        self._taken_back_ns = now_ns
        return True

    def _step(self, now_ns: int, by: int, cause: str) -> None:
        self._steps += by
        self._changed_ns, self._roomy_since_ns = now_ns, None
        self._work.clear()
        self.cause = cause


def _divisor(given_up: tuple[Relief, ...]) -> int:
    """Images of the source for each one that is encoded."""
    return 1 + max((relief.images_left_out for relief in given_up), default=0)
