from collections.abc import Iterator

import pytest

from hostile.island import Island, island


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    with island(tmp_path_factory.mktemp("guarded")) as found:
        yield found


@pytest.fixture(scope="session")
def open_island(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    """Without the broker's refusals, the sandbox, and the guards before ffmpeg."""
    home = tmp_path_factory.mktemp("open")
    with island(home, guards="off", sandbox="off", egress_allow="0.0.0.0/0,::/0") as found:
        yield found
