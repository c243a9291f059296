"""The phantom and its metrics stand outside this repository: PHANTOM names the folder that holds `phantom/`."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

DEFAULT_FOLDER = "../shared"


class PhantomMissingError(Exception):
    """There is no phantom where PHANTOM says."""


def load(name: str) -> ModuleType:
    """The module `phantom` or `metrics`. Raises PhantomMissingError with one line."""
    folder = Path(os.environ.get("PHANTOM") or DEFAULT_FOLDER).resolve()
    if not (folder / "phantom" / f"{name}.py").is_file():
        raise PhantomMissingError(f"no phantom/{name}.py in {folder}: name its folder, make bench-pictures PHANTOM=DIR")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module(f"phantom.{name}")


def outside_file(path: str) -> Path:
    """A file beside the phantom, a clip for example. Raises PhantomMissingError."""
    file = Path(os.environ.get("PHANTOM") or DEFAULT_FOLDER).resolve() / path
    if not file.is_file():
        raise PhantomMissingError(f"no {file}")
    return file
