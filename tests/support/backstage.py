"""Redis and the bucket behind an api, from the side of a worker."""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson

from support.redis_server import RedisServer
from support.services import KEY
from vidferry_common.bucket import NEW, BucketSettings, FolderBucket, SignedLink, StoredObject, Upload, open_bucket
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.identity import object_id
from vidferry_common.contract.messages import Update, queued_update
from vidferry_common.contract.stages import DONE, STARTED, Stage, Status
from vidferry_common.objects.entry import entry_of
from vidferry_common.store import Claim, Ending, RedisSettings, Store, connect_redis
from vidferry_common.store.scripts import SCRIPTS, script_text

HEARD_SECONDS = 20
NOTHING = Ending()
T = TypeVar("T")


class Backstage:
    """Redis and the bucket behind an api. Each call opens what it needs, and closes it."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._settings = RedisSettings.model_validate({"redis_url": server.url})
        self._bucket = BucketSettings.model_validate({"bucket": f"file://{folder}", "signing_key": KEY})

    # Any: redis-py types its answers as those of both its clients.
    def redis(self, work: Callable[[Any], Awaitable[T]]) -> T:
        async def run() -> T:
            redis = connect_redis(self._settings)
            try:
                return await work(redis)
            finally:
                await redis.aclose(close_connection_pool=True)

        return asyncio.run(run())

    def store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        return self.redis(lambda redis: work(Store(redis, self._settings.record_seconds)))

    def bucket(self, work: Callable[[FolderBucket], Awaitable[T]]) -> T:
        async def run() -> T:
            bucket = open_bucket(self._bucket)
            assert isinstance(bucket, FolderBucket)
            try:
                return await work(bucket)
            finally:
                await bucket.close()

        return asyncio.run(run())

    def size(self) -> int:
        """Keys in Redis, without callers' counts of requests, which expire within a moment."""
        names: list[bytes] = self.redis(lambda redis: redis.keys("*"))
        return sum(not name.startswith(keys.REQUESTS.encode()) for name in names)

    def empty(self) -> None:
        self.redis(lambda redis: redis.flushall())

    def download_id(self, job_id: str) -> str:
        found = self.store(lambda store: store.jobs.read(job_id))
        assert found is not None
        return found.download_id

    def begin(self, job_id: str) -> Claim:
        """A worker claims the job's download and says so."""
        claim = self.claim(job_id)
        self.tell(claim, Update(Status.PROCESSING, Stage.STARTED, 0, "", 1).at_step(STARTED))
        return claim

    def end(self, job_id: str, update: Update, ending: Ending = NOTHING) -> None:
        """A worker takes the job's download and ends it so."""
        self.finish(self.claim(job_id), update, ending)

    def claim(self, job_id: str) -> Claim:
        download_id = self.download_id(job_id)
        claim = self.store(lambda store: store.leases.claim(download_id, 1, 30, "test"))
        assert claim is not None
        return claim

    def tell(self, claim: Claim, update: Update) -> None:
        assert self.store(lambda store: store.downloads.publish(claim, update.body(), step=True))

    def finish(self, claim: Claim, update: Update, ending: Ending = NOTHING) -> None:
        assert self.store(lambda store: store.downloads.finish(claim, update.body(), ending))

    def hear(self, job_id: str, act: Callable[[], object]) -> dict[str, Any]:
        """What a watcher of the job is told first when that is done."""

        async def listen(redis: Any) -> bytes:
            async with redis.pubsub(ignore_subscribe_messages=False) as channel:
                await channel.subscribe(keys.CHANNEL + job_id)
                assert (await channel.get_message(timeout=HEARD_SECONDS))["type"] == "subscribe"
                await asyncio.to_thread(act)
                return bytes((await channel.get_message(timeout=HEARD_SECONDS))["data"])

        told: dict[str, Any] = orjson.loads(self.redis(listen))
        return told

    def overtake(self, work: Callable[[], object], ask: Callable[[], T]) -> T:
        """What ask comes to where it reads things as they are, and work has changed them before its own change.

        Redis holds all changes back, and then makes them in the order in which they came. It knows their scripts
        before: who has to send one first comes after the other.
        """
        self.redis(lambda redis: asyncio.gather(*(redis.script_load(script_text(name)) for name in SCRIPTS)))
        with ThreadPoolExecutor(2) as pool:
            self.redis(lambda redis: redis.client_pause(60_000, all=False))
            try:
                first = pool.submit(work)
                self._wait_held(1)
                second = pool.submit(ask)
                self._wait_held(2)
            finally:
                self.redis(lambda redis: redis.client_unpause())
            first.result()
            return second.result()

    def _wait_held(self, count: int) -> None:
        deadline = time.monotonic() + HEARD_SECONDS
        while self.redis(lambda redis: redis.info("clients"))["blocked_clients"] < count:
            assert time.monotonic() < deadline, f"no {count} clients that wait for a change"
            time.sleep(0.01)

    def complete(self, job_id: str, stored: StoredObject, filename: str = "", thumbnail: str = "") -> None:
        if thumbnail:
            download_id = self.download_id(job_id)
            self.store(lambda store: store.downloads.record_thumbnail(download_id, thumbnail))
        result = {"title": "Ein Test", "filename": filename or stored.filename, "reused": False}
        done = queued_update().at_step(DONE, status=Status.COMPLETED, result=result)
        self.end(job_id, done, Ending(stored.name, stored.version))

    def fail(self, job_id: str, code: ErrorCode) -> None:
        self.end(job_id, queued_update().as_failed(code))

    def put(
        self,
        name: str,
        content: bytes,
        kind: str = "video/mp4",
        filename: str = "",
        replaces: str = NEW,
        metadata: Mapping[str, str] | None = None,
    ) -> StoredObject:
        what = Upload(name, kind, filename, metadata or {}, if_version=replaces)
        return self.bucket(lambda bucket: bucket.upload(what, io.BytesIO(content), len(content), lambda _: None))

    def remove(self, stored: StoredObject) -> None:
        self.bucket(lambda bucket: bucket.delete(stored.name, stored.version))

    def sign(self, stored: StoredObject, lifetime: float = 60) -> SignedLink:
        return self.bucket(lambda bucket: bucket.sign_link(stored, lifetime))


def store_video(backstage: Backstage, name: str, title: str) -> str:
    """The id of a video that is in the bucket, and in an index that knows all of the bucket."""
    stored = backstage.put(name, b"film", filename=f"{title}.mp4", metadata={"title": title})
    backstage.store(lambda store: store.object_index.put(entry_of(stored, has_thumbnail=False)))
    backstage.redis(lambda redis: redis.hset(keys.OBJECT_WALK, "completed", 1))
    return object_id(name)
