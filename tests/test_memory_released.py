"""What only the start needs is given back, what the linker wrote is not, and what stays is left in peace."""

import os
import subprocess
import sys
from pathlib import Path

import numba

from daemon.memory import clean_mappings, release_start_memory

SMAPS = """\
7f0000000000-7f0000100000 r--p 00000000 fe:01 42  /lib/libllvmlite.so
Rss:                1024 kB
Private_Clean:      1024 kB
Private_Dirty:         0 kB
7f0000100000-7f0000200000 r-xp 00100000 fe:01 42  /lib/libllvmlite.so
Private_Dirty:         0 kB
7f0000200000-7f0000201000 r--p 00200000 fe:01 42  /lib/libllvmlite.so
Private_Dirty:         4 kB
7f0000201000-7f0000202000 rw-p 00201000 fe:01 42  /lib/libllvmlite.so
Private_Dirty:         4 kB
7f0000300000-7f0000301000 r-xp 00000000 fe:01 43  /lib/libother.so
Private_Dirty:         0 kB
7f0000400000-7f0000401000 rw-p 00000000 00:00 0
Private_Dirty:         0 kB
"""


def test_mappings_that_were_written_to_are_kept() -> None:
    assert list(clean_mappings("libllvmlite", SMAPS)) == [
        (0x7F0000000000, 0x7F0000100000),
        (0x7F0000100000, 0x7F0000200000),
    ]


def test_the_compiler_works_after_its_pages_were_dropped() -> None:
    numba.njit(lambda x: x + 1)(1)
    before = _resident_bytes()
    assert release_start_memory() > 0
    assert _resident_bytes() < before
    assert numba.njit(lambda x: x + 2)(1) == 3


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_what_was_loaded_is_not_collected_through_and_what_comes_later_is() -> None:
    """In a process of its own: what is frozen stays so."""
    program = (
        "import gc, weakref\n"
        "from daemon.memory import loading\n"
        "with loading():\n"
        "    assert not gc.isenabled()\n"
        "    import numba\n"
        "assert gc.isenabled()\n"
        "assert gc.get_freeze_count() > 50_000\n"
        "class Later: pass\n"
        "later = Later(); later.itself = later; gone = weakref.ref(later); del later\n"
        "gc.collect()\n"
        "assert gone() is None\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True)
