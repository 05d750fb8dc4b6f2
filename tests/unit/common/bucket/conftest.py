"""Both homes, opened the way a service opens them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from support.gcs import Gcs
from vidferry_common.bucket import Bucket, BucketSettings, FolderBucket, open_bucket
from vidferry_common.bucket.gcs import GcsBucket
from vidferry_common.bucket.patience import RetryPolicy
from vidferry_common.bucket.settings import GcsLocation

KEY = "k" * 32
QUICK = RetryPolicy(without_progress=10, first_delay=0.01, longest_delay=0.1)

OpenGcs = Callable[..., Awaitable[GcsBucket]]


@pytest.fixture(params=["folder", "gcs"])
def home(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bucket(home: str, request: pytest.FixtureRequest) -> Bucket:
    opened: Bucket = request.getfixturevalue("folder" if home == "folder" else "cloud")
    return opened


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[FolderBucket]:
    opened = open_bucket(BucketSettings(bucket=f"file://{tmp_path}/bucket", signing_key=KEY))  # type: ignore[arg-type]
    assert isinstance(opened, FolderBucket)
    yield opened
    await opened.close()


@pytest.fixture
async def cloud(open_gcs: OpenGcs) -> GcsBucket:
    return await open_gcs()


@pytest.fixture
async def open_gcs(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenGcs]:
    """Opens the test's bucket, with retries and settings of the test's choice."""
    for name, value in gcs.environment().items():
        monkeypatch.setenv(name, value)
    opened: list[GcsBucket] = []

    async def opening(retries: RetryPolicy = QUICK, prefix: str = "", name: str = "", **settings: str) -> GcsBucket:
        bucket = GcsBucket(GcsLocation(name or gcs.bucket, prefix), BucketSettings(**settings), retries)  # type: ignore[arg-type]
        opened.append(bucket)
        return bucket

    yield opening
    gcs.layer.faults.clear()
    for bucket in opened:
        await bucket.close()
