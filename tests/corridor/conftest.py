from collections.abc import Iterator

import pytest

from tests.corridor.rig import Rig


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One for a module's tests; each leaves it LIVE."""
    with Rig(tmp_path_factory.mktemp("rig") / "lab") as rig:
        yield rig
