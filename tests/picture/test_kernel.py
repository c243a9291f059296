"""A kernel that no cache held is told, so that an event can be made of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = "import daemon.picture.mask; from daemon.picture.kernel import compiled_at_import; print(compiled_at_import())"


@pytest.mark.slow
def test_kernels_that_were_compiled_at_run_time_are_named(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    answers = [
        subprocess.run(
            [sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert answers == ["['_blank', '_is_blank']", "[]"]


@pytest.mark.slow
def test_warming_compiles_every_kernel_of_both_corridors() -> None:
    subprocess.run([sys.executable, "-m", "daemon.warm"], cwd=ROOT, check=True)
    code = CODE.replace("daemon.picture.mask", "daemon.sender, daemon.receiver")
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
