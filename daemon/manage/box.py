"""What management asks of the supervisor."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from daemon.config import Config
from daemon.manage.schema import Setting
from daemon.messages import Event
from daemon.states import PictureState

Reload = Callable[[Mapping[str, Setting]], Config]  # the configuration with those settings; raises ConfigError


class Box(Protocol):
    """The supervisor. Nothing of it waits, but `self_test`."""

    config: Config
    reload: Reload

    @property
    def events(self) -> Iterable[Event]: ...

    def snapshot(self) -> Mapping[str, Any]: ...

    def truth_now(self) -> tuple[PictureState, str]: ...

    def note_event(self, what: str, cause: str) -> None: ...

    def workers_are_up(self) -> bool:
        """Each has said its first figures."""
        ...

    def restart_worker(self, name: str) -> None:
        """Raises KeyError for a worker that there is not."""
        ...

    def use_config(self, config: Config, restart: Iterable[str]) -> None:
        """From now on, and those workers begin anew with it."""
        ...

    def restart_program(self) -> None:
        """End in good order, and begin anew."""
        ...

    def switch_source(self, number: int) -> None:
        """Raises DeviceError without a switcher."""
        ...

    def identify(self, seconds: int) -> None:
        """Let people see which box this is."""
        ...

    async def self_test(self) -> dict[str, Any]:
        """Its outcome, JSON-ready: see daemon.self_test."""
        ...
