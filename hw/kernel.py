"""How numba kernels are compiled: for named types only, off the interpreter's lock, into a cache on disk.

Each kernel names its signature, so importing its module compiles it or loads it from the cache, and any other type
is a TypeError: a kernel cannot be compiled later, while images wait. Where the cache did not serve (another CPU, no
write access at install), `compiled_at_import` names the kernels, for an event.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit, types

Function = TypeVar("Function", bound=Callable[..., Any])

_kernels: list[Any] = []


def kernel(*signature: Any, returns: Any = types.void, fastmath: bool = False) -> Callable[[Function], Function]:
    """Decorator: a numba kernel for these argument types. Integers do not check for a division by zero."""

    def compiled(function: Function) -> Function:
        dispatcher = njit(
            returns(*signature), cache=True, nogil=True, error_model="numpy", boundscheck=False, fastmath=fastmath
        )(function)
        _kernels.append(dispatcher)
        return dispatcher  # type: ignore[no-any-return]

    return compiled


def compiled_at_import() -> list[str]:
    """Names of the kernels that no cache held, so that this process compiled them itself, which takes seconds."""
    return [dispatcher.py_func.__name__ for dispatcher in _kernels if not dispatcher.stats.cache_hits]
