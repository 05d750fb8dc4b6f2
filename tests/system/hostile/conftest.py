from collections.abc import Iterator

import pytest

from system.hostile.island import MAX_BYTES, Island, island


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    with island(tmp_path_factory.mktemp("guarded")) as found:
        yield found


@pytest.fixture(scope="session")
def open_island(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    """Without the broker's refusals, the sandbox, the guards before yt-dlp and ffmpeg, and with four times the disk."""
    home = tmp_path_factory.mktemp("open")
    off = {"guards": "off", "sandbox": "off", "egress_allow": "0.0.0.0/0,::/0", "max_bytes": str(4 * MAX_BYTES)}
    with island(home, child_memory=str(512 * 1024**2), **off) as found:
        yield found
