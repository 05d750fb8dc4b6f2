"""The three homes, opened the way a service opens them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.gcs import Gcs
from support.s3 import S3
from vidferry_common.bucket import Bucket, BucketSettings, FolderBucket, open_bucket
from vidferry_common.bucket.gcs import GcsBucket
from vidferry_common.bucket.patience import RetryPolicy
from vidferry_common.bucket.s3 import S3Bucket
from vidferry_common.bucket.settings import GcsLocation, S3Location

KEY = "k" * 32
QUICK = RetryPolicy(without_progress=10, first_delay=0.01, longest_delay=0.1)

OpenGcs = Callable[..., Awaitable[GcsBucket]]
OpenS3 = Callable[..., Awaitable[S3Bucket]]


@pytest.fixture(params=["folder", "gcs", "s3"])
def home(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bucket(home: str, request: pytest.FixtureRequest) -> Bucket:
    opened: Bucket = request.getfixturevalue({"folder": "folder", "gcs": "cloud", "s3": "store"}[home])
    return opened


@pytest.fixture
def service(home: str, request: pytest.FixtureRequest) -> Gcs | S3 | None:
    """What the bucket is at; None where it is a folder."""
    found: Gcs | S3 | None = None if home == "folder" else request.getfixturevalue(home)
    return found


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
async def store(open_s3: OpenS3) -> S3Bucket:
    return await open_s3()


@pytest.fixture
async def open_gcs(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenGcs]:
    """Opens the test's bucket, with retries and settings of the test's choice."""
    async with _opening(gcs, monkeypatch, GcsBucket, GcsLocation) as opening:
        yield opening


@pytest.fixture
async def open_s3(s3: S3, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenS3]:
    """Opens the test's bucket, with retries and settings of the test's choice."""
    async with _opening(s3, monkeypatch, S3Bucket, S3Location) as opening:
        yield opening


@asynccontextmanager
async def _opening(
    service: Gcs | S3, monkeypatch: pytest.MonkeyPatch, home: Any, location: type[GcsLocation | S3Location]
) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
    opened: list[Bucket] = []

    async def opening(retries: RetryPolicy = QUICK, prefix: str = "", name: str = "", **settings: str) -> Bucket:
        bucket: Bucket = home(location(name or service.bucket, prefix), BucketSettings(**settings), retries)  # type: ignore[arg-type]
        opened.append(bucket)
        return bucket

    yield opening
    service.layer.faults.clear()
    for bucket in opened:
        await bucket.close()
