"""The api as a process of its own, and what a worker would do to its records and its bucket."""

import asyncio
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2
import orjson

from support.ports import free_port
from support.redis_server import RedisServer
from vidferry_common.bucket import NEW, BucketSettings, FolderBucket, SignedLink, StoredObject, Upload, open_bucket
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import Update, queued_update
from vidferry_common.contract.stages import DONE, STARTED, Stage, Status
from vidferry_common.store import Claim, Ending, RedisSettings, Store, connect_redis
from vidferry_common.store.scripts import SCRIPTS, script_text

START_SECONDS = 30
HEARD_SECONDS = 20
KEY = "k" * 32

NOTHING = Ending()
T = TypeVar("T")


def environment(redis_url: str, bucket: Path, **settings: str) -> dict[str, str]:
    """What the api is told; settings as `public_url`, without the prefix."""
    told = {"redis_url": redis_url, "bucket": f"file://{bucket}", "signing_key": KEY, "admin_port": "0", **settings}
    return {f"VIDFERRY_{name.upper()}": value for name, value in told.items()}


class ApiProcess:
    """`python -m vidferry_api` on a free port."""

    def __init__(self, redis_url: str, bucket: Path, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vidferry-api-")
        self._log = Path(self._folder.name) / "log"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VIDFERRY_")},
            **environment(redis_url, bucket, **{"host": "127.0.0.1", "port": str(port), **settings}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, path: str = "/readyz") -> Self:
        """Returns when that path answers 200."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vidferry_api"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.wait_for(lambda: self.status(path) == 200)
        except AssertionError:
            self.close()
            raise
        return self

    def status(self, path: str) -> int:
        """0 where nothing answers."""
        with contextlib.suppress(httpx2.TransportError):
            # Reading the certificates of authorities takes 30 ms a client, and nothing here is HTTPS.
            return httpx2.get(self.url + path, timeout=5, verify=False).status_code
        return 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def entries(self, **wanted: object) -> list[dict[str, Any]]:
        """The log's lines that say so."""
        lines = [orjson.loads(line) for line in self.log.split("\n")[:-1]]
        return [line for line in lines if wanted.items() <= line.items()]

    def logged(self, count: int, **wanted: object) -> list[dict[str, Any]]:
        """The lines that say so, when there are so many: a line follows its answer."""
        self.wait_for(lambda: len(self.entries(**wanted)) >= count)
        return self.entries(**wanted)

    def open_files(self, part: str) -> int:
        """How many files with that in their path it has open."""
        assert self.process is not None
        found = 0
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found += part in str(entry.readlink())
        return found

    def close(self) -> int:
        """As an orchestrator does it; the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(30)
        self._folder.cleanup()
        return code


class Backstage:
    """Redis and the bucket behind an api, from the side of a worker. Each call opens what it needs, and closes it."""

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
        """Keys in Redis."""
        return int(self.redis(lambda redis: redis.dbsize()))

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
        self.end(job_id, done, Ending(stored.name, str(stored.generation)))

    def fail(self, job_id: str, code: ErrorCode) -> None:
        self.end(job_id, queued_update().as_failed(code))

    def put(
        self, name: str, content: bytes, kind: str = "video/mp4", filename: str = "", replaces: int = NEW
    ) -> StoredObject:
        what = Upload(name, kind, filename, if_generation=replaces)
        return self.bucket(lambda bucket: bucket.upload(what, io.BytesIO(content), len(content), lambda _: None))

    def remove(self, stored: StoredObject) -> None:
        self.bucket(lambda bucket: bucket.delete(stored.name, stored.generation))

    def sign(self, stored: StoredObject, lifetime: float = 60) -> SignedLink:
        return self.bucket(lambda bucket: bucket.sign_link(stored, lifetime))
