from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.manage.rig import ManagedLab, managed_lab


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[ManagedLab]:
    """A lab with a broker of its own."""
    with managed_lab(tmp_path) as lab:
        yield lab
