from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.gcs import Gcs
from support.redis_server import RedisServer, redis_server
from system.retention.homes import FolderHome, GcsHome, Home


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Of each test's own: when the bucket was swept last is in it."""
    with redis_server() as server:
        yield server


@pytest.fixture
async def folder_home(tmp_path: Path) -> AsyncIterator[FolderHome]:
    home = FolderHome(tmp_path / "bucket")
    yield home
    await home.bucket.close()


@pytest.fixture
async def gcs_home(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GcsHome]:
    for name, value in gcs.environment().items():
        monkeypatch.setenv(name, value)
    home = GcsHome(gcs)
    yield home
    gcs.layer.faults.clear()
    await home.bucket.close()


@pytest.fixture(params=["folder", "gcs"])
def home(request: pytest.FixtureRequest) -> Home:
    found: Home = request.getfixturevalue(f"{request.param}_home")
    return found
