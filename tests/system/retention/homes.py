"""A bucket with objects of any age, and workers that sweep it."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from support.children import eventually
from support.faults import Fault, Gate
from support.gcs import Gcs
from support.jobs import Jobs
from support.metrics import worker_metrics
from support.records import of
from support.redis_server import RedisServer
from support.services import Worker
from support.sources import put
from vidferry_common.bucket import NEW, Bucket, BucketSettings, StoredObject, open_bucket
from vidferry_common.contract import keys
from vidferry_worker.retention.sweeper import Sweeper
from vidferry_worker.settings import WorkerSettings

HOUR = 3600.0
DAY = 24 * HOUR
VIDEO = "videos/youtube/youtube.com"


class Home(Protocol):
    """One of the bucket's homes."""

    bucket: Bucket
    environment: Mapping[str, str]

    def age(self, name: str, seconds: float) -> None:
        """As if the object had been made so much earlier."""


class FolderHome:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment: Mapping[str, str] = {"VIDFERRY_BUCKET": f"file://{root}"}
        self.bucket = open_bucket(BucketSettings(bucket=f"file://{root}"))

    def age(self, name: str, seconds: float) -> None:
        record = self.root / "objects" / f"{name}#meta"
        os.utime(record, (0, record.stat().st_mtime - seconds))


class GcsHome:
    """Its environment must be set in this process, too."""

    def __init__(self, gcs: Gcs) -> None:
        self.gcs = gcs
        self.environment: Mapping[str, str] = gcs.environment()
        self.bucket = open_bucket(BucketSettings())  # type: ignore[call-arg]

    def age(self, name: str, seconds: float) -> None:
        self.gcs.layer.older[name] = seconds


async def store(home: Home, objects: Mapping[str, float], size: int = 10) -> dict[str, StoredObject]:
    """Objects, by their names, of so many seconds."""
    few = asyncio.Semaphore(16)

    async def stored(name: str, seconds: float) -> StoredObject:
        async with few:
            made = await put(home.bucket, b"0" * size, name, NEW)
        home.age(name, seconds)
        return made

    made = await asyncio.gather(*(stored(name, seconds) for name, seconds in objects.items()))
    return dict(zip(objects, made, strict=True))


async def names(home: Home) -> set[str]:
    """Of all there is."""
    found: set[str] = set()
    async with aclosing(home.bucket.list_objects("videos")) as pages:
        async for page in pages:
            found |= {each.name for each in page}
    return found


def sweeping(redis: RedisServer, folder: Path, home: Home, **settings: str) -> Worker:
    """A worker that sweeps what its settings say, once it leads: at once where no other does."""
    return Worker(redis.url, folder, home.environment, **settings)


async def sweep(jobs: Jobs, home: Home, **settings: str) -> None:
    """Sweeps once by what the settings say, without a worker around it."""
    read = WorkerSettings.model_validate({"bucket": home.environment["VIDFERRY_BUCKET"], **settings})
    await jobs.store.leases.find_expired(read.worker_name, silence=60, gap=60, lease=60)
    task = asyncio.create_task(Sweeper(jobs.store, home.bucket, read, worker_metrics()).run())
    await eventually(lambda: of(jobs.redis.hexists(keys.LEADER, "swept")))
    task.cancel()


def hold_listing(home: GcsHome) -> Gate:
    """Holds the next sweep's listing. A worker's look whether there is a bucket is another one, and so is the walk of
    the bucket that makes the index.
    """
    gate = Gate()
    home.gcs.layer.faults.put(
        Fault(
            lambda call: call.kind == "list" and "prefix=videos" in call.target and "crc32c" not in call.target,
            gate=gate,
        )
    )
    return gate


def in_videos(*leaves: str) -> Iterable[str]:
    return [f"{VIDEO}/{leaf}" for leaf in leaves]
