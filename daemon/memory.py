"""Giving back what is needed for a moment only: a box has little memory.

numba keeps LLVM loaded; once the kernels have come out of their cache it is never called again, yet some seventy
megabytes of it stay resident. Its pages that nothing has written to are clean copies of a file, so they can be dropped
at any time (madvise(2), MADV_DONTNEED) and come back by themselves if a kernel must be compiled after all. And what
the first picture, or a moment of a busy machine, took of the heap lies free in it, until malloc_trim(3) gives it back.
"""

import ctypes
import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MADV_DONTNEED = 4
COMPILER_LIBRARY = "libllvmlite"

_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S{4} [0-9a-f]+ \S+ \d+\s*(.*)")


@contextmanager
def loading() -> Iterator[None]:
    """Around the imports of a process that then lives on: their objects are never looked at by the collector of cycles.

    They are some 165,000 and stay. To go through them took a sixth of the start of a video process, and later 50 ms,
    with all threads stopped, each time that the collector came to its oldest generation.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def release_start_memory() -> int:
    """Drop LLVM's clean pages and the heap's free ones. Returns how many bytes of LLVM's mappings were dropped."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    released_bytes = 0
    for start, end in clean_mappings(COMPILER_LIBRARY, Path("/proc/self/smaps").read_text()):
        if libc.madvise(start, end - start, MADV_DONTNEED) == 0:
            released_bytes += end - start
    trim_heap()
    return released_bytes


def trim_heap() -> None:
    """Give the heap's free pages back to the system, also those between others."""
    ctypes.CDLL(None).malloc_trim(0)


def clean_mappings(library: str, smaps: str) -> Iterator[tuple[int, int]]:
    """Start and end of each mapping of `library` that is the file's own bytes; `smaps` as in proc_pid_smaps(5).

    One that the dynamic linker has written to is not among them: dropped, it would lose its relocations.
    """
    start = end = 0
    is_library = False
    for line in smaps.splitlines():
        if mapping := _MAPPING.fullmatch(line):
            start, end, is_library = int(mapping[1], 16), int(mapping[2], 16), library in mapping[3]
        elif is_library and line.split() == ["Private_Dirty:", "0", "kB"]:
            yield start, end
