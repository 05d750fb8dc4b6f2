"""What a child tells, on its line to a worker: a real attempt behind it, with a real store, bucket and messages.

The fuzzer is the child: it has the other end of the line, and a file in its folder.
"""

import asyncio
import json
import logging
import math
import socket
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from support.metrics import worker_metrics
from support.records import Records, of
from support.redis_server import redis_server
from system.fuzz.target import NUMBERS, TEXTS, VALUES, Check, Target
from vidferry_common.bucket import BucketSettings, open_bucket
from vidferry_common.contract import keys
from vidferry_common.store import RedisSettings, Store, connect_redis
from vidferry_common.store.client import RedisClient
from vidferry_worker.attempt.attempt import Attempt
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.children import wire
from vidferry_worker.children.child import MAX_EVENTS, Child
from vidferry_worker.children.memory_cgroup import MemoryCgroup
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.children.zygotes import Zygotes
from vidferry_worker.context import WorkerContext
from vidferry_worker.cookies.directory import CookieDirectory
from vidferry_worker.fragment_budget import FragmentBudget
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.dial import Dial
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites.file import SitesFile

SECONDS = 60
"""for an attempt whose child has hung up to end, also on a machine with much to do"""
MEDIA = b"\0\0\0\x18ftypmp42" + bytes(4096)
KINDS = (
    "found",
    "evidence",
    "thumbnail",
    "extractors",
    "progress",
    "growing",
    "converting",
    "waiting",
    "done",
    "failed",
    "log",
    "connect",
)
FIELDS = (
    "identity", "title", "duration", "source", "streams", "evidence", "file", "stream", "downloaded", "total",
    "estimate", "fragment", "fragments", "finished", "part", "container", "brand", "codecs", "video", "written",
    "expected", "seconds", "asked", "code", "detail", "retry_after", "text", "id", "host", "port", "timeout",
)  # fmt: skip
SMALL = st.one_of(st.integers(0, 3), st.booleans(), NUMBERS, VALUES)
FOUND = {
    "event": "found", "title": "a clip", "duration": 2.0, "source": "",
    "streams": [{"bit_rate": 100, "bytes": 4000}, {}],
    "identity": {"extractor": "x", "domain": "site.example", "video_id": "1", "by_url": True},
}  # fmt: skip
DONE = {
    "event": "done", "file": "media.mp4", "container": "mov", "brand": "mp42", "codecs": ["h264"], "duration": 1.0,
    "video": True,
}  # fmt: skip
GROWING = {**DONE, "event": "growing", "part": "media.mp4", "total": len(MEDIA)}
PROGRESS = st.fixed_dictionaries(
    {"event": st.just("progress"), "stream": st.integers(-1, 2) | SMALL},
    optional=dict.fromkeys(("downloaded", "total", "estimate", "fragment", "fragments", "finished"), SMALL),
)
CHANGED = st.builds(
    lambda event, name, value: {**event, name: value},
    st.sampled_from([FOUND, DONE, GROWING]), st.sampled_from(FIELDS), SMALL | TEXTS,
)  # fmt: skip
ANY = st.builds(
    lambda event, more: {**more, "event": event},
    st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), SMALL | TEXTS, max_size=6),
)  # fmt: skip
MESSAGES = st.one_of(PROGRESS, ANY, CHANGED, st.sampled_from([FOUND, DONE, GROWING]))
RAW = st.one_of(
    MESSAGES.map(lambda told: json.dumps(told).encode()), st.binary(max_size=60), VALUES.map(json.dumps).map(str.encode)
)
TOLD = ("downloaded", "total", "estimate", "fragment", "fragments", "written", "expected", "seconds")
EXTREMES = st.sampled_from([float("nan"), float("inf"), -1, -0.5, 10**400, 2**53, 1e308, 0, 1, 4000])
FIGURES = st.dictionaries(st.sampled_from(TOLD), EXTREMES | NUMBERS, min_size=2, max_size=6)
WITHIN = st.builds(
    lambda kind, stream, more: json.dumps({"stream": stream, **more, "event": kind}).encode(),
    st.sampled_from(["progress", "progress", "converting", "waiting"]),
    st.integers(0, 1),
    FIGURES,
)
DOWNLOADS = st.builds(
    lambda middle, last: [json.dumps(FOUND).encode(), *middle, json.dumps(last).encode()],
    st.lists(WITHIN, min_size=4, max_size=20),
    st.just(DONE),
)
LINES = st.one_of(
    DOWNLOADS,
    DOWNLOADS,
    st.lists(RAW, max_size=12),
    st.builds(
        lambda middle, last: [json.dumps(FOUND).encode(), *middle, json.dumps(last).encode()],
        st.lists(RAW, max_size=12), st.just(DONE) | CHANGED,
    ),
    st.builds(lambda told, count: [json.dumps(told).encode()] * count, MESSAGES, st.integers(100, 400)),
)  # fmt: skip


OF_CHILDREN = {"attempt failed", "probe failed", "a playlist can't be read"}
"""what the worker says where a child has ended or broken the protocol, as the fuzzer's do"""


class Broken(logging.Handler):
    """Keeps what the worker says of its own faults."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() in OF_CHILDREN:
            return
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.faults.append(f"{record.getMessage()} {trace}")


class Line(Zygote):
    """Hands out children whose part the fuzzer plays."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Broker(EgressPolicy((), frozenset())), folder=folder)
        self.says: list[bytes] = []
        self.most_waiting = 0
        self._player: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """There is no process."""

    async def fork(self, folder: Path, _: Dial | None = None) -> Child:
        ours, theirs = wire.socket_pair()
        await asyncio.to_thread((folder / "media.mp4").write_bytes, MEDIA)
        child = Child(ours, self._broker, self.kill, folder)
        child.forked.set_result(None)
        child.exited.set_result(0)
        self._player = asyncio.create_task(self._play(theirs, child))
        return child

    async def _play(self, line: socket.socket, child: Child) -> None:
        """Says all, and no more; the line stays, as one that is closed takes back what was said."""
        line.setblocking(False)
        with line:
            with suppress(OSError):  # also where one is larger than the line takes: that ends a child
                for raw in filter(None, self.says):  # an empty one would be the end
                    await asyncio.get_running_loop().sock_sendall(line, raw)
                    self.most_waiting = max(self.most_waiting, child._reports.qsize())
            with suppress(OSError):
                line.shutdown(socket.SHUT_WR)
            await asyncio.Event().wait()

    async def played(self) -> None:
        if self._player:
            self._player.cancel()
            await asyncio.gather(self._player, return_exceptions=True)


@dataclass(frozen=True)
class Setting:
    """A worker's parts around the fuzzer's child."""

    context: WorkerContext
    redis: RedisClient
    records: Records
    line: Line
    broken: Broken
    run: Callable[[Coroutine[Any, Any, None]], None]
    """runs one example; AssertionError where the worker finds a fault of its own"""

    def left(self) -> list[Path]:
        """What is in the worker's folder."""
        return list(self.context.folder.iterdir())


@contextmanager
def open_setting() -> Iterator[Setting]:
    broken = Broken()
    worker = logging.getLogger("vidferry_worker")
    with redis_server() as server, tempfile.TemporaryDirectory() as home, asyncio.Runner() as runner:
        told = {"bucket": f"file://{home}/bucket", "signing_key": "k" * 32}
        settings = WorkerSettings.model_validate({**told, "redis_url": server.url, "retries": 0})
        redis = connect_redis(RedisSettings.model_validate({"redis_url": server.url}))
        store = Store(redis, 3600)
        bucket = open_bucket(BucketSettings.model_validate(told))
        work = Path(home, "work")
        work.mkdir()
        line = Line(work)
        context = WorkerContext(
            settings,
            store,
            bucket,
            Zygotes(lambda: line),
            FragmentBudget(1),
            worker_metrics(),
            MemoryCgroup.of_process(),
            uploads_while_downloading=True,
            folder=work,
            cookies=CookieDirectory(None),
            sites=SitesFile(None, settings.site_rule),
        )

        async def run_one(example: Coroutine[Any, Any, None]) -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.faults.append(str(context)))
            await example
            await redis.flushall()

        def run(example: Coroutine[Any, Any, None]) -> None:
            broken.faults.clear()
            runner.run(run_one(example))
            assert not broken.faults, broken.faults[0]

        logging.disable(logging.WARNING)
        worker.addHandler(broken)
        try:
            yield Setting(context, redis, Records(store, redis), line, broken, run)
        finally:
            worker.removeHandler(broken)
            logging.disable()
            runner.run(bucket.close())
            runner.run(redis.aclose(close_connection_pool=True))


@contextmanager
def _open() -> Iterator[Check]:
    with open_setting() as setting:
        context, line, publisher = setting.context, setting.line, Publisher(setting.context.store)

        async def attempt(says: list[bytes]) -> None:
            line.says, line.most_waiting = says, 0
            job, claim = await setting.records.claimed()
            sending = asyncio.create_task(publisher.run())
            async with asyncio.timeout(SECONDS):
                await Attempt(context, publisher, claim).run()
            await line.played()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            state = json.loads(await of(setting.redis.hget(keys.JOB + job.job_id, "state")) or b"{}")
            for message in [*await setting.records.history(job.job_id), state]:
                check_figures(message)
            assert line.most_waiting <= MAX_EVENTS + 1
            assert not await asyncio.to_thread(setting.left)

        yield lambda says: setting.run(attempt(says))


def check_figures(value: Any) -> None:
    """What people are shown: no figure is below nothing, or without end."""
    if isinstance(value, dict):
        for each in value.values():
            check_figures(each)
    elif isinstance(value, list):
        for each in value:
            check_figures(each)
    elif isinstance(value, int | float):
        assert math.isfinite(value)
        assert value >= 0


TARGET = Target(LINES, _open, round_size=20)
