"""Settings from afar: a small file beside the configuration's own, and a trial that takes them back. No clock.

`settings.json` holds what shall differ from the configuration file. New settings are on trial first: the file keeps the
old ones too, until the box is as well as it was before. A program that ends during a trial begins with the old ones.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from daemon.config import Config, load_config
from daemon.errors import ConfigError, ManageError
from daemon.manage.schema import Setting
from daemon.states import PictureState

logger = logging.getLogger(__name__)

# What may be set from afar, and the workers that begin anew for it. Nothing of identity, masking, management.
SETTABLE: Mapping[str, tuple[str, ...]] = {
    "encoder.bitrate_bps": ("link", "video"),
    "encoder.preset": ("video",),
    "picture.filter": ("video",),
    "capture.device": ("video",),
    "link.peer": ("link",),
    "link.rekey_after_s": ("link",),
}
TRIAL_LIMIT_NS = 30_000_000_000
SETTLED_NS = 3_000_000_000
FILE_NAME = "settings.json"

Settings = dict[str, Setting]
_WITHHELD = (PictureState.CAPTURE_LOST, PictureState.MASKED)
_STALLED = (PictureState.LINK_STALLED, PictureState.DECODER_STALLED)


class _File(msgspec.Struct, frozen=True):
    settings: Settings = {}
    revision: int = 0
    before_trial: Settings | None = None


def settings_in_force(folder: Path) -> Settings:
    """What a program that starts now shall use; nothing when the file is not there or is none."""
    file = _read(folder)
    return file.settings if file.before_trial is None else file.before_trial


def _read(folder: Path) -> _File:
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError):
        return _File()


class SettingsStore:
    """The file. Raises ManageError when it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        file = _read(folder)
        self.revision = file.revision
        self.settings = settings_in_force(folder)
        self.was_on_trial = file.before_trial is not None
        if self.was_on_trial:
            self._write(_File(self.settings, self.revision))

    def begin_trial(self, settings: Settings, revision: int) -> None:
        self._write(_File(settings, revision, self.settings))

    def keep(self, settings: Settings, revision: int) -> None:
        self._write(_File(settings, revision))
        self.settings, self.revision = settings, revision

    def take_back(self, revision: int) -> None:
        """The old ones again. The revision is used up: the same settings would only fail again."""
        self._write(_File(self.settings, revision))
        self.revision = revision

    def _write(self, file: _File) -> None:
        path, new = self._folder / FILE_NAME, self._folder / f".{FILE_NAME}.new"
        try:
            with open(new, "wb") as target:
                target.write(msgspec.json.encode(file))
                target.flush()
                os.fsync(target.fileno())
            os.replace(new, path)
        except OSError as error:
            raise ManageError(f"{path}: {error.strerror}", "check manage.directory's disk") from error


def check_settable(settings: Mapping[str, Any]) -> None:
    """Raises ManageError that names the first key that may not be set from afar."""
    for key in settings:
        if key not in SETTABLE:
            raise ManageError(f"{key}: cannot be set from afar", f"one of {', '.join(SETTABLE)} can")


def workers_to_restart(before: Mapping[str, Setting], after: Mapping[str, Setting]) -> set[str]:
    changed = {key for key in SETTABLE if before.get(key) != after.get(key)}
    return {worker for key in changed for worker in SETTABLE[key]}


def configured(path: Path, overrides: list[str]) -> tuple[Config, Callable[[Mapping[str, Setting]], Config]]:
    """The configuration with the settings in force, and how to have it with others. Raises ConfigError.

    Settings that the configuration's file contradicts by now are not worth a box that does not start.
    """

    def reload(settings: Mapping[str, Setting]) -> Config:
        return load_config(path, [*as_overrides(settings), *overrides])

    config = reload({})
    if config.manage is not None and (settings := settings_in_force(Path(config.manage.directory))):
        try:
            config = reload(settings)
        except ConfigError as error:
            logger.warning("settings from afar are left out: %s", error)
    return config, reload


def as_overrides(settings: Mapping[str, Setting]) -> list[str]:
    """As `--set` takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]


class Trial:
    """Is the box as well as before? Pure. Well: pictures; less well: they are withheld; not well: something stalls."""

    def __init__(self, before: PictureState, now_ns: int) -> None:
        self._wanted = _wellness(before)
        self._ends_ns = now_ns + TRIAL_LIMIT_NS
        self._well_since_ns: int | None = None
        self.failure = ""

    def note_failed(self, problem: str) -> None:
        """A worker says that it can never work like this."""
        self.failure = problem

    def judge(self, state: PictureState, cause: str, now_ns: int, *, workers_up: bool) -> bool | None:
        """True: keep the settings. False: take them back, for `failure`. None: not known yet."""
        if self.failure:
            return False
        if workers_up and _wellness(state) >= self._wanted:
            self._well_since_ns = now_ns if self._well_since_ns is None else self._well_since_ns
            if now_ns - self._well_since_ns >= SETTLED_NS:
                return True
        else:
            self._well_since_ns = None
        if now_ns >= self._ends_ns:
            self.failure = f"{state.words}{': ' + cause if cause else ''}" if workers_up else "a worker did not come up"
            return False
        return None


def _wellness(state: PictureState) -> int:
    return 0 if state in _STALLED else 1 if state in _WITHHELD else 2
