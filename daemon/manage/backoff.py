"""How long to wait before the broker is tried again. Pure: chance is handed in."""

from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 60.0
RIVAL_S = 30.0  # two devices of one identity must not throw each other out every second


class Backoff:
    """Doubles from FIRST_S to LONGEST_S; a wait is between half and all of it: a fleet must not come at once."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """`chance` gives numbers from 0 to 1, as random.random."""
        self._chance = chance
        self._next_s = FIRST_S

    def note_connected(self) -> None:
        self._next_s = FIRST_S

    def wait_s(self, *, has_rival: bool = False) -> float:
        """The next wait. `has_rival`: another device took the session over."""
        wait_s = max(self._next_s, RIVAL_S) if has_rival else self._next_s
        self._next_s = min(LONGEST_S, 2 * self._next_s)
        return wait_s * (0.5 + 0.5 * self._chance())
