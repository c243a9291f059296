"""When a held image is encoded again, so that it becomes finer while nothing else is to be sent.

Each repetition is a P picture of the same image: it codes what the one before left out. The encoder gives it the bits
of one image, and it comes one image interval after the one before, so a path that carries the live images carries it
without a queue, and a live image that comes meanwhile finds at most one repetition on its way. No clock, no thread.
"""

STEPS = 24
SETTLED_SHARE = 0.2  # of an image's bits: what is left is not worth another step


class Refinement:
    """Of one source. Used by one thread. Times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._steps_left = 0
        self._next_ns = 0

    def note_encoded(
        self, now_ns: int, *, is_new: bool, size_bytes: int, image_bytes: float, image_rate_hz: float
    ) -> None:
        """An access unit was made, of a new image or of the last one again; `image_bytes` is an image's share."""
        if is_new:
            self._steps_left = STEPS
        elif size_bytes < SETTLED_SHARE * image_bytes:
            self._steps_left = 0
        else:
            self._steps_left = max(0, self._steps_left - 1)
        self._next_ns = now_ns + int(1e9 / image_rate_hz)

    def due_ns(self, held_from_ns: int) -> int | None:
        """When to encode the image again if it is still held by then; None: it is fine enough, or there is none."""
        return max(self._next_ns, held_from_ns) if self._steps_left else None
