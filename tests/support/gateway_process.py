"""The gateway as a process of its own, and jobs made and told by the product's own scripts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.redis_server import RedisServer
from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import NEW_VIDEO, Stage, Status, Step
from vidferry_common.contract.trace import continue_trace
from vidferry_common.store import Claim, Ending, NewJob, RedisSettings, Store, connect_redis
from vidferry_common.store.client import RedisClient

TIMEOUT = 20.0


@asynccontextmanager
async def redis_client(server: RedisServer) -> AsyncIterator[RedisClient]:
    client = connect_redis(RedisSettings.model_validate({"redis_url": server.url}))
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


class GatewayProcess:
    """`python -m vidferry_gateway` on a free port. Its log is kept, line by line."""

    def __init__(self, redis_url: str, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VIDFERRY_")}
        self._environment = {
            **environment,
            "VIDFERRY_REDIS_URL": redis_url,
            "VIDFERRY_GATEWAY_HOST": "127.0.0.1",
            "VIDFERRY_GATEWAY_PORT": "0",
            "VIDFERRY_LOG_LEVEL": "debug",
            "VIDFERRY_ADMIN_PORT": "0",
            # No test but those of the drain waits for load balancers.
            "VIDFERRY_GATEWAY_SETTLE_SECONDS": "0",
            **{f"VIDFERRY_{name.upper()}": value for name, value in settings.items()},
        }
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.port = 0

    def start(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vidferry_gateway"], env=self._environment, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = self.wait_for("listening")["port"]
        return self

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self.lines.append("")
            self._news.notify_all()

    def logged(self, message: str, job_id: str | None = None) -> list[dict[str, Any]]:
        """The entries so far with that message, of that job where one is named."""
        with self._news:
            entries = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [
            entry for entry in entries if entry["message"].startswith(message) and job_id in {None, entry.get("job_id")}
        ]

    def wait_for(self, message: str, count: int = 1, job_id: str | None = None) -> dict[str, Any]:
        """The count-th entry with that message."""

        def there() -> bool:
            return len(self.logged(message, job_id)) >= count or "" in self.lines

        with self._news:
            if not self._news.wait_for(there, TIMEOUT) or len(self.logged(message, job_id)) < count:
                raise AssertionError(f"not logged: {message}\n" + "".join(self.lines))
        return self.logged(message, job_id)[count - 1]

    async def connected(self, count: int = 1) -> None:
        """Until it has found Redis for the count-th time."""
        await asyncio.to_thread(self.wait_for, "connected to Redis", count)

    @property
    def sees_redis(self) -> bool:
        """Whether it is connected to Redis, as its log says."""
        told = [entry["message"] for entry in self.logged("")]
        told = [message for message in told if message.startswith(("connected to Redis", "Redis is away"))]
        return told[-1:] == ["connected to Redis"]

    def uri(self, job_id: str, query: str = "", prefix: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}{prefix}/ws/download/{job_id}{query}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status(self, path: str) -> int:
        """Of a GET."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=TIMEOUT) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit status."""
        status = self.process.wait(TIMEOUT)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


class Job:
    """A job and its download, claimed by this test."""

    def __init__(self, store: Store, job_id: str, claim: Claim) -> None:
        self.store, self.id, self.claim = store, job_id, claim
        self._update = Update(Status.PROCESSING, Stage.STARTED, 5, "Processing started", claim.attempt)

    @classmethod
    async def create(cls, store: Store) -> "Job":
        job_id, download_id = str(uuid.uuid4()), str(uuid.uuid4())
        await store.jobs.create(
            NewJob(
                job_id, download_id, os.urandom(4).hex(), f"https://example.com/{download_id}", Format(),
                "http://localhost:3001", continue_trace(None),
            ),
            queue_cap=100_000,
        )  # fmt: skip
        claim = await store.leases.claim(download_id, 1, 60, "test")
        assert claim is not None
        return cls(store, job_id, claim)

    async def step(self, step: Step) -> None:
        self._update = self._update.at_step(step)
        assert await self.store.downloads.publish(self.claim, self._update.body(), step=True) is not None

    async def steps(self, first: int, last: int) -> None:
        """Those of a new video, by their place in it."""
        for step in NEW_VIDEO[first:last]:
            await self.step(step)

    async def progress(self, percent: float) -> None:
        moved = Update(Status.PROCESSING, Stage.DOWNLOADING, percent, "Downloading video", self.claim.attempt)
        await self.tell(moved)

    async def tell(self, update: Update) -> None:
        """Anything that is no step."""
        assert await self.store.downloads.publish(self.claim, update.body(), step=False) is not None

    async def finish(self) -> None:
        done = Update(Status.COMPLETED, Stage.DONE, 100, "Done", self.claim.attempt)
        done = replace(done, result={"title": "A video"})  # type: ignore[arg-type]  # what it holds means nothing here
        assert await self.store.downloads.finish(self.claim, done.body(), Ending()) is not None


STEPS = [step.progress for step in NEW_VIDEO]


class Seen:
    """What a client got until its socket was closed."""

    def __init__(self) -> None:
        self.raw: list[str | bytes] = []
        self.code: int | None = None

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for raw in self.raw]

    @property
    def progress(self) -> list[float]:
        return [message["data"]["progress"] for message in self.messages]

    @property
    def seqs(self) -> list[int]:
        return [message["data"]["seq"] for message in self.messages]

    @property
    def cursor(self) -> str:
        return str(self.messages[-1]["cursor"])


async def listen(socket: ClientConnection, until: Callable[[Seen], bool] = lambda _: False) -> Seen:
    """Until that is seen, or the socket is closed."""
    seen = Seen()
    async with asyncio.timeout(TIMEOUT):
        try:
            while not until(seen):
                seen.raw.append(await socket.recv())
        except ConnectionClosed as closed:
            seen.code = closed.rcvd.code if closed.rcvd else 1006
    return seen


async def watch(uri: str) -> Seen:
    """From the handshake to the close."""
    async with connect(uri) as socket:
        return await listen(socket)


def received(count: int) -> Callable[[Seen], bool]:
    return lambda seen: len(seen.raw) >= count


OpenStore = Callable[[RedisServer], Awaitable[Store]]
StartGateway = Callable[..., GatewayProcess]
