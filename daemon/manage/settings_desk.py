"""Puts settings from afar on trial, one set at a time, and takes them back when the box is not as well as before."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from daemon.errors import ConfigError, ManageError
from daemon.manage.box import Box
from daemon.manage.settings import Settings, SettingsStore, Trial, check_settable, workers_to_restart

LOOK_EVERY_S = 0.25
OnDisk = Callable[..., Awaitable[Any]]


class SettingsDesk:
    """`on_disk` runs a call of the store in a thread."""

    def __init__(self, box: Box, store: SettingsStore, on_disk: OnDisk) -> None:
        self._box = box
        self._store = store
        self._on_disk = on_disk
        self._trial: Trial | None = None
        self.problem = ""

    @property
    def settings(self) -> Settings:
        return self._store.settings

    @property
    def revision(self) -> int:
        """Of the last `desired` that was tried."""
        return self._store.revision

    def takes_the_blame(self, problem: str) -> bool:
        """A worker says that it can never work like this: is that the doing of settings on trial?"""
        if self._trial is None:
            return False
        self._trial.note_failed(problem)
        return True

    async def try_out(self, settings: Settings, revision: int) -> None:
        """Returns when they are in force for good. Raises ManageError when they are not: then the old ones are."""
        if self._trial is not None:
            raise ManageError("other settings are on trial", "try again in half a minute")
        check_settable(settings)
        try:
            config = self._box.reload(settings)
        except ConfigError as error:
            raise ManageError(str(error)) from error
        old = self._store.settings
        restart = workers_to_restart(old, settings)
        state, _ = self._box.truth_now()
        trial = self._trial = Trial(state, time.monotonic_ns())
        try:
            await self._on_disk(self._store.begin_trial, settings, revision)
            old_config = self._box.config
            self._box.use_config(config, restart)
            if await self._is_well(trial):
                await self._on_disk(self._store.keep, settings, revision)
                self._box.note_event("settings in force", ", ".join(f"{k} = {v}" for k, v in settings.items()))
                return
            self._box.use_config(old_config, restart)
            await self._on_disk(self._store.take_back, revision)
        finally:
            self._trial = None
        self._box.note_event("settings taken back", trial.failure)
        raise ManageError(f"taken back: {trial.failure}")

    async def _is_well(self, trial: Trial) -> bool:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            state, cause = self._box.truth_now()
            verdict = trial.judge(state, cause, time.monotonic_ns(), workers_up=self._box.workers_are_up())
            if verdict is not None:
                return verdict
