"""Layouts on disk: one TOML file a source, `[[layout]]` for each look of its screen. Every mistake is one line."""

import datetime
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from daemon.errors import LayoutError
from daemon.picture.layout import Layout, LayoutBook

LARGEST_FILE_BYTES = 256 * 1024
REMEDY = "correct it, or make the file anew with 'cathlink layout'"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    layout: Annotated[tuple[Layout, ...], msgspec.Meta(min_length=1, max_length=64)]


def load_layouts(path: Path) -> LayoutBook:
    """The layouts in the file at `path`. Raises LayoutError with one line: file, key, what is wrong, remedy."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise LayoutError(f"{path}: no such file", "make one with 'cathlink layout'") from None
    except (OSError, ValueError) as error:
        raise LayoutError(f"{path}: cannot be read ({error})", "check the path and its permissions") from error
    if len(content) > LARGEST_FILE_BYTES:
        raise LayoutError(f"{path}: larger than {LARGEST_FILE_BYTES} bytes", REMEDY)
    try:
        table = tomllib.loads(content.decode())
        return LayoutBook(msgspec.convert(table, _File).layout)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise LayoutError(f"{path}: not valid TOML ({_one_line(error)})", REMEDY) from error
    except (msgspec.ValidationError, ValueError) as error:
        problem, _, where = _one_line(error).partition(" - at ")
        key = where.strip("`").removeprefix("$.")
        raise LayoutError(f"{path}: {key or 'layout'}: {problem[:1].lower()}{problem[1:]}", REMEDY) from error


def save_layouts(path: Path, book: LayoutBook) -> None:
    """Write `book` so that a power cut leaves the old file or the new one. Raises LayoutError."""
    text = "\n".join(_layout_toml(layout) for layout in book.layouts)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be written ({error.strerror})", "choose another path") from error


def _layout_toml(layout: Layout) -> str:
    fields = msgspec.to_builtins(layout, builtin_types=(datetime.date,))
    return "[[layout]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in fields.items())


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + " }"
        case list() | tuple():
            return "[\n" + "".join(f"    {_toml(part)},\n" for part in value) + "]"
        case datetime.date():
            return value.isoformat()
        case str():
            return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")  # its escapes are TOML's, too
    return str(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
