"""An object that several threads use, one at a time."""

import threading
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Guarded(Generic[T]):
    """`with guarded as thing:` nobody else has `thing` meanwhile. Keep it short: others wait."""

    def __init__(self, thing: T) -> None:
        self._thing = thing
        self._lock = threading.Lock()

    def __enter__(self) -> T:
        self._lock.acquire()
        return self._thing

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
