from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corridor.harness import Corridor


@pytest.fixture(scope="module")
def corridor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corridor]:
    """One corridor for a module's tests; each leaves it LIVE."""
    folder: Path = tmp_path_factory.mktemp("corridor")
    with Corridor(folder / "lab") as running:
        yield running
