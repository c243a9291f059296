"""Times that can be compared: the candidates take turns within one run, so that all meet the same machine."""

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

WARM_UP_ROUNDS = 3


def times_ms(candidates: Mapping[str, Callable[[], object]], rounds: int = 40) -> dict[str, float]:
    """Median wall time of each candidate, one call of each a round."""
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for round_number in range(WARM_UP_ROUNDS + rounds):
        for name, call in candidates.items():
            begin_ns = time.perf_counter_ns()
            call()
            if round_number >= WARM_UP_ROUNDS:
                taken[name].append((time.perf_counter_ns() - begin_ns) / 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


def memcpy_of(picture: npt.NDArray[np.uint8]) -> Callable[[], None]:
    """The unit of many bars: a copy of the picture into memory that is there already, 16 pairs in turn.

    More pairs than the cache holds, for a new image is not in the cache either.
    """
    sources = [picture.copy() for _ in range(16)]
    targets = [np.empty_like(picture) for _ in range(16)]
    turn = 0

    def copy() -> None:
        nonlocal turn
        np.copyto(targets[turn], sources[turn])
        turn = (turn + 1) % len(sources)

    return copy


def in_turn(call: Callable[[npt.NDArray[np.uint8]], object], frames: list[npt.NDArray[np.uint8]]) -> Callable[[], None]:
    """`call` with the next of `frames` each time: as many as `memcpy_of` has, so that none is in the cache."""
    turn = 0

    def next_one() -> None:
        nonlocal turn
        call(frames[turn])
        turn = (turn + 1) % len(frames)

    return next_one
