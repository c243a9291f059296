"""The supervisor's hold on management, which may be absent. Nothing here raises or waits, but for `stop`, briefly."""

import asyncio
from typing import TYPE_CHECKING, Any

from daemon.manage.threads import DisposableThreads

if TYPE_CHECKING:
    from daemon.manage.box import Box
    from daemon.manage.management import Management


class ManagementHook:
    """Without `[manage]` in the configuration it does nothing, and no line of MQTT is imported."""

    def __init__(self, box: "Box") -> None:
        self._box = box
        self._management: Management | None = None

    def start(self) -> None:
        """Raises ManageError or IdentityError for a configuration that can never work."""
        manage = self._box.config.manage
        if manage is None:
            return
        from daemon.manage.management import Management

        loop = asyncio.get_running_loop()
        loop.set_default_executor(DisposableThreads())
        self._management = Management(self._box, manage)
        self._management.start()

    async def stop(self) -> None:
        if self._management is not None:
            await self._management.stop()

    def note_event(self, what: str, cause: str) -> None:
        if self._management is not None:
            self._management.note_event(what, cause)

    def takes_the_blame(self, problem: str) -> bool:
        """A worker can never work with this configuration: are settings on trial, which will be taken back?"""
        return self._management is not None and self._management.takes_the_blame(problem)

    def snapshot(self) -> dict[str, Any] | None:
        """For `cathlink status`; None: no management."""
        return self._management.snapshot() if self._management is not None else None
