"""The two ways in which stages hand work to each other. Both are bounded and count what they drop.

Before the encoder and before the screen only the newest picture matters: `LatestSlot`. Between delivery and
decoder every access unit matters, because each refers to the one before: `BoundedQueue`.
"""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """One slot, latest wins. What was never taken is dropped and counted."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: T | None = None
        self._is_woken = False
        self.drops = 0

    def put(self, item: T) -> None:
        with self._ready:
            if self._item is not None:
                self.drops += 1
            self._item = item
            self._ready.notify()

    def wake(self) -> None:
        """Let a waiting `take`, or the next one, return at once, with None when there is nothing."""
        with self._ready:
            self._is_woken = True
            self._ready.notify()

    def take(self, timeout_s: float) -> T | None:
        """The newest item, or None when none came in time."""
        with self._ready:
            if self._item is None and not self._is_woken:
                self._ready.wait(timeout_s)
            self._is_woken = False
            item, self._item = self._item, None
            return item


class BoundedQueue(Generic[T]):
    """First in, first out, at most `capacity` items. A full queue refuses; the caller decides what that means."""

    def __init__(self, capacity: int) -> None:
        self._ready = threading.Condition()
        self._items: deque[T] = deque()
        self._capacity = capacity
        self.drops = 0
        self.peak = 0

    def put(self, item: T) -> bool:
        """False when the queue is full: the item was not taken."""
        with self._ready:
            if len(self._items) >= self._capacity:
                self.drops += 1
                return False
            self._items.append(item)
            self.peak = max(self.peak, len(self._items))
            self._ready.notify()
            return True

    def take(self, timeout_s: float) -> T | None:
        """The oldest item, or None when none came in time."""
        with self._ready:
            if not self._items:
                self._ready.wait(timeout_s)
            return self._items.popleft() if self._items else None

    def clear(self) -> int:
        """Drop all that waits; returns how many that were."""
        with self._ready:
            dropped = len(self._items)
            self._items.clear()
            self.drops += dropped
            return dropped
