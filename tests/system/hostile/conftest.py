from collections.abc import Iterator

import pytest

from system.hostile.island import MAX_BYTES, Island, island


@pytest.fixture(scope="session", params=["", "chrome"], ids=["plain", "impersonating"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    """With all guards; once with yt-dlp's ordinary requests, once with all requests as a browser's."""
    with island(tmp_path_factory.mktemp("guarded"), impersonate=request.param) as found:
        yield found


@pytest.fixture(scope="session")
def open_island(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    """Without the broker's refusals, the sandbox, the guards before yt-dlp and ffmpeg, and with four times the disk."""
    home = tmp_path_factory.mktemp("open")
    off = {"guards": "off", "sandbox": "off", "egress_allow": "0.0.0.0/0,::/0", "max_bytes": str(4 * MAX_BYTES)}
    with island(home, child_memory=str(512 * 1024**2), **off) as found:
        yield found
