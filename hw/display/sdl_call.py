"""SDL's library, and its answers as our errors."""

from typing import Any

from hw.errors import DeviceError

try:
    import sdl2
except ImportError as error:  # PySDL2 finds the library when it is imported
    raise DeviceError("SDL 2 is not installed", "install the package libsdl2-2.0-0") from error

__all__ = ["must", "sdl2"]


def must(succeeded: Any, problem: str) -> None:
    """Raises DeviceError with SDL's own reason."""
    if not succeeded:
        reason = sdl2.SDL_GetError().decode(errors="replace")
        raise DeviceError(f"display: {problem}: {reason}" if reason else f"display: {problem}")
