"""Giving back what only the compiler needs.

numba keeps LLVM loaded; once the kernels have come out of their cache it is never called again, yet its code stays
resident: some fifty megabytes a process, on a box that has little. The pages of its program text are clean copies of
a file, so they can be dropped at any time (madvise(2), MADV_DONTNEED) and come back by themselves if a kernel must be
compiled after all.
"""

import ctypes
from pathlib import Path

MADV_DONTNEED = 4
COMPILER_LIBRARY = "libllvmlite"


def release_compiler_text() -> int:
    """Drop the resident pages of LLVM's program text, which nothing ever writes. Returns how many bytes were mapped."""
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    released_bytes = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, permissions, *_ = line.split()
        if permissions == "r-xp" and COMPILER_LIBRARY in line:
            start, end = (int(address, 16) for address in span.split("-"))
            if madvise(start, end - start, MADV_DONTNEED) == 0:
                released_bytes += end - start
    return released_bytes
