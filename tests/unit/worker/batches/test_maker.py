"""The children of batches are made in order, each once, whatever stands in the way."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from support.batches import (
    QUEUE_BYTES,
    NoPlaylists,
    claim_child,
    completed,
    counts,
    end_child,
    made,
    make,
    new_batch,
    read,
    take_batch,
)
from support.records import CAP, SECONDS, Records, new_job, of
from support.redis_server import RedisServer
from vidferry_common.contract import keys
from vidferry_common.contract.batches import ChildPlace, Entry, PlaylistRequest, child_id
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.stages import Status
from vidferry_common.contract.webhooks import EventType, Webhook
from vidferry_common.store import JobLimits, JobRecord, NewJob, RedisSettings, Store, connect_redis
from vidferry_common.store.scripts import ScriptRunner
from vidferry_worker.batches.children import FULL_SECONDS
from vidferry_worker.batches.entry_source import EntryPage
from vidferry_worker.batches.maker import (
    LOOKS_PER_SECOND,
    MAX_READING,
    MAX_READING_OF_CALLER,
    NO_ROOM_SECONDS,
    TURN,
    BatchMaker,
)
from vidferry_worker.tasks.task_loop import TaskLoop

pytestmark = pytest.mark.anyio

LIST = PlaylistRequest("https://example.com/list", items="1-9", limit=5)


@pytest.fixture
async def records(redis: RedisServer) -> AsyncIterator[Records]:
    client = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}), max_connections=64)
    await client.flushall()
    yield Records(Store(client, SECONDS), client)
    await client.aclose(close_connection_pool=True)


def urls(count: int) -> list[str]:
    return [f"https://example.com/{uuid4()}" for _ in range(count)]


async def child(records: Records, batch: NewJob, index: int) -> JobRecord:
    found = await records.store.jobs.read(child_id(batch.job_id, index))
    assert found is not None
    return found


async def make_again(records: Records, batch: NewJob, source: Any = None) -> None:
    """A worker does what is to be done of the batch, which is due now."""
    await records.redis.zadd(keys.BATCHES, {batch.job_id: 0})
    await make(records, source)


async def until_made(records: Records, batch: NewJob, count: int) -> None:
    """Until so many of its children are made."""
    async with asyncio.timeout(60):
        while True:
            if (await read(records, batch)).made >= count:
                return
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def worker(records: Records, source: Any = None, hold: float = 30, slots: int = 8) -> AsyncIterator[None]:
    maker = BatchMaker(records.store, source or NoPlaylists())
    loop = asyncio.create_task(TaskLoop(records.store.batches.tasks, maker.make, slots=slots, hold=hold).run())
    try:
        yield
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop


class Playlist:
    """A source of these entries, two a page. It fails, or waits, once it has given so many pages."""

    def __init__(self, entries: list[Entry], *, failures: dict[int, JobFailure] | None = None, stop: int = -1) -> None:
        self.entries, self.failures, self.stop = entries, failures or {}, stop
        self.known: list[list[Entry]] = []
        """each time it was asked"""
        self.stopped = asyncio.Event()
        self.closed = asyncio.Event()

    async def read_entries(
        self, playlist: PlaylistRequest, known: Sequence[Entry], credential: str = ""
    ) -> AsyncGenerator[EntryPage, None]:
        assert (playlist, credential) == (LIST, "")
        self.known.append(list(known))
        try:
            for first in range(len(known), len(self.entries), 2):
                if first == self.stop:
                    self.stopped.set()
                    await asyncio.Event().wait()
                if first in self.failures:
                    raise self.failures.pop(first)
                yield EntryPage(tuple(self.entries[first : first + 2]), "A list")
        finally:
            self.closed.set()


async def test_a_child_is_made_of_each_entry_with_what_was_asked_for_all(records: Records) -> None:
    given = {"owner": "a", "caller": "owner:a", "partition": "p", "force": True, "external_id": "x"}
    batch = await made(records, ["HTTPS://Example.com:443/a", "https://example.com/a", "ftp://x", " "], **given)

    found = [await child(records, batch, index) for index in range(4)]
    assert [job.url for job in found] == ["https://example.com/a", "https://example.com/a", "ftp://x", " "]
    assert [job.parent for job in found] == [ChildPlace(batch.job_id, index) for index in range(4)]
    assert {(job.owner, job.force, job.external_id, job.format) for job in found} == {("a", True, None, batch.format)}
    assert [job.state.get("error", {}).get("code") for job in found] == [None, None, "invalid_url", "invalid_url"]
    assert [job.state["parent"] for job in found] == [{"batch": batch.job_id, "index": place} for place in range(1, 5)]
    claim = await claim_child(records, batch, 0)
    assert (claim.partition, claim.force) == ("p", True)


async def test_a_thousand_with_bad_ones_and_doubles_whose_workers_die(records: Records) -> None:
    """Each worker is stopped amid its work, without a word to Redis; the next takes over once the hold is over."""
    given = [f"https://example.com/{index % 900}" for index in range(1000)]
    given[::20] = ["bad"] * 50
    batch = await new_batch(records, given)

    async def make_all() -> None:
        while (await read(records, batch)).made < len(given):
            await make_again(records, batch)

    for died_at in (1, 250, 251, 999):
        handling = asyncio.create_task(make_all())
        await until_made(records, batch, died_at)
        handling.cancel()
        await asyncio.wait([handling])
    await make_all()

    assert await counts(records, batch) == {"total": 1000, "made": 1000, "queued": 950, "failed": 50}
    downloads = await records.redis.zcard(keys.QUEUE)
    assert downloads == len({url for url in given if url != "bad"})
    names = await records.redis.keys(keys.JOB + "*[0-9a-f]")
    assert len(names) == 1001, "the batch, and each entry once"
    assert await records.redis.zcard(keys.JOBS_BY_OWNER) == 1001


async def test_an_owners_limit_makes_the_maker_wait(records: Records) -> None:
    batch = await made(records, urls(3), owner="a", caller="owner:a", limits=JobLimits(jobs_waiting=1))
    assert await counts(records, batch) == {"total": 3, "made": 1, "queued": 1}
    _, due = await records.store.batches.tasks.take(1, 30)
    assert due is not None
    assert due <= 2

    async with worker(records):
        for index in range(3):
            await until_made(records, batch, index + 1)
            await end_child(records, batch, index, completed())
    assert (await records.state(batch.job_id))["data"]["status"] == "completed"


async def test_a_full_queue_drops_nothing(records: Records) -> None:
    batch = await made(records, urls(4), cap=2)
    assert await counts(records, batch) == {"total": 4, "made": 2, "queued": 2}
    await end_child(records, batch, 0, completed())
    await end_child(records, batch, 1, completed())
    await records.redis.zadd(keys.BATCHES, {batch.job_id: 0})
    await make(records)
    assert await counts(records, batch) == {"total": 4, "made": 4, "completed": 2, "queued": 2}


async def test_events_that_wait_for_receivers_make_the_maker_wait(records: Records) -> None:
    webhook = Webhook("https://hooks.example.org/", tuple(EventType))
    batch = await new_batch(records, ["nonsense", *urls(1)], webhook=webhook)
    await of(records.redis.hset(keys.ROOM, "undelivered", str(QUEUE_BYTES // 2 + 1)))
    await records.redis.zadd(keys.DELIVERIES, {"some-job": 9e15})
    await make(records)
    assert await counts(records, batch) == {"total": 2}
    _, due = await records.store.batches.tasks.take(1, 30)
    assert due is not None
    assert due <= 2
    await of(records.redis.hset(keys.ROOM, "undelivered", "0"))
    await records.redis.zadd(keys.BATCHES, {batch.job_id: 0})
    await make(records)
    assert await counts(records, batch) == {"total": 2, "made": 2, "queued": 1, "failed": 1}


async def test_a_playlist_is_made_while_it_is_read(records: Records) -> None:
    entries = [Entry(url, f"Title {index}") for index, url in enumerate(urls(5))]
    batch = await new_batch(records, LIST)
    playlist = Playlist(entries, stop=2)
    async with worker(records, playlist):
        await playlist.stopped.wait()
        assert await counts(records, batch) == {"made": 2, "queued": 2}
        assert (await child(records, batch, 1)).state["title"] == "Title 1"
        playlist.stop = -1
    assert playlist.closed.is_set(), "a worker that stops ends what it reads"
    await make(records, playlist)

    assert await counts(records, batch) == {"total": 5, "made": 5, "queued": 5}
    assert playlist.known == [[], entries[:2]]
    assert (await records.state(batch.job_id))["data"]["title"] == "A list"


async def test_playlists_that_hang_hold_up_no_list(records: Records) -> None:
    for _ in range(MAX_READING + 1):
        await new_batch(records, LIST)
    batch = await new_batch(records, urls(1))
    async with worker(records, Playlist([Entry("x")], stop=0), slots=MAX_READING + 1):
        await until_made(records, batch, 1)


async def test_playlists_that_hang_hold_up_those_of_no_other_caller(records: Records) -> None:
    reading = asyncio.Semaphore(0)

    class Hanging:
        async def read_entries(
            self, playlist: PlaylistRequest, _: Sequence[Entry], __: str = ""
        ) -> AsyncGenerator[EntryPage, None]:
            if playlist == LIST:
                reading.release()
                await asyncio.Event().wait()
            yield EntryPage((Entry("https://example.com/video"),))

    for _ in range(MAX_READING + 1):
        await new_batch(records, LIST, given_caller="one")
    async with worker(records, Hanging(), slots=MAX_READING + 2), asyncio.timeout(60):
        for _ in range(MAX_READING_OF_CALLER):
            await reading.acquire()
        batch = await new_batch(records, PlaylistRequest("https://example.com/other"), given_caller="other")
        await until_made(records, batch, 1)
        assert reading.locked(), "no more of the one caller are read"


async def test_batches_take_turns(records: Records) -> None:
    many = [await new_batch(records, ["no URL"] * (3 * TURN)) for _ in range(3)]
    small = await new_batch(records, urls(2))
    for _ in range(len(many) + 1):
        await make(records)
    assert [(await read(records, batch)).made for batch in (*many, small)] == [TURN, TURN, TURN, 2]


async def test_many_batches_that_wait_are_looked_at_less_often(records: Records) -> None:
    await records.created()
    batch = await new_batch(records, urls(2), cap=1)
    await make(records)

    async def left() -> float:
        due = await records.redis.zscore(keys.BATCHES, batch.job_id)
        return (float(due or 0) - await records.now_ms()) / 1000

    assert await left() <= FULL_SECONDS
    await records.redis.zadd(keys.BATCHES, {str(number): 10**13 for number in range(10 * LOOKS_PER_SECOND)})
    await make_again(records, batch)
    assert 9 < await left() < 11


class Overtaken(Playlist):
    """Once the first page was taken, another worker does the batch, which takes this one for dead."""

    def __init__(self, records: Records, batch: NewJob, entries: list[Entry]) -> None:
        super().__init__(entries)
        self._records, self._batch = records, batch

    async def read_entries(
        self, playlist: PlaylistRequest, known: Sequence[Entry], credential: str = ""
    ) -> AsyncGenerator[EntryPage, None]:
        async for page in super().read_entries(playlist, known, credential):
            yield page
            if page.entries[0] == self.entries[0]:
                await self._records.redis.zadd(keys.BATCHES, {self._batch.job_id: 0})
                await make(self._records, Playlist(self.entries))


class Filling(Playlist):
    """Once the first page was taken, as much waits in Redis as entries may be added to."""

    def __init__(self, records: Records, entries: list[Entry]) -> None:
        super().__init__(entries)
        self._records = records

    async def read_entries(
        self, playlist: PlaylistRequest, known: Sequence[Entry], credential: str = ""
    ) -> AsyncGenerator[EntryPage, None]:
        async for page in super().read_entries(playlist, known, credential):
            yield page
            if not known:
                await of(self._records.redis.hincrby(keys.ROOM, "open", QUEUE_BYTES // 2))


async def test_a_playlist_waits_for_room_without_a_child(records: Records) -> None:
    """Its child ends where there is none left, and none begins before there is some again."""
    entries = [Entry(url) for url in urls(6)]
    batch = await new_batch(records, LIST)
    playlist = Filling(records, entries)
    await make(records, playlist)
    assert playlist.closed.is_set()
    await make_again(records, batch, playlist)
    assert playlist.known == [[]]
    assert await counts(records, batch) == {"made": 2, "queued": 2}

    await of(records.redis.hincrby(keys.ROOM, "open", -(QUEUE_BYTES // 2)))
    await make_again(records, batch, playlist)
    assert playlist.known == [[], entries[:2]]
    assert await counts(records, batch) == {"total": 6, "made": 6, "queued": 6}


async def test_a_batch_that_only_waits_for_room_ends_with_what_it_has(records: Records) -> None:
    """So lists that fill the room for entries together do not wait for each other for ever."""
    batch = await new_batch(records, LIST)
    playlist = Filling(records, [Entry(url) for url in urls(6)])
    await make(records, playlist)

    async def look_after(seconds: float) -> bool:
        """Whether it still reads its playlist when nothing has moved for so long."""
        told = await records.now_ms() - seconds * 1000
        await of(records.redis.hset(keys.BATCH + batch.job_id, "told", str(int(told))))
        await make_again(records, batch, playlist)
        found = await records.store.batches.read(batch.job_id)
        return found is not None and found.total is None

    assert await look_after(NO_ROOM_SECONDS + 1), "its children wait or run"
    for index in range(2):
        await records.store.jobs.cancel(await child(records, batch, index))
    assert await look_after(NO_ROOM_SECONDS - 100)
    assert not await look_after(NO_ROOM_SECONDS + 1)
    ended = await records.store.jobs.read(batch.job_id)
    assert ended is not None
    assert ended.state["status"] == "cancelled", "as its children"
    assert ended.state["batch"]["counts"]["total"] == 2
    assert [each["code"] for each in ended.state["batch"]["warnings"]] == ["videos_left_out"]


async def test_a_worker_that_was_taken_for_dead_adds_no_entry_twice(records: Records) -> None:
    entries = [Entry(url) for url in urls(6)]
    batch = await new_batch(records, LIST, cap=2)
    await make(records, Overtaken(records, batch, entries))
    assert await records.store.batches.read_entries(batch.job_id) == entries
    assert await counts(records, batch) == {"total": 6, "made": 2, "queued": 2}


class Killed(BaseException):
    """A worker that dies. Nothing of the product catches it."""


class Steps:
    """Has something happen at one of the steps that a worker does in Redis, each of which is a script."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, before: bool, happens: Callable[[], Any]) -> None:
        self.came = False
        self._left = at
        run = ScriptRunner.run

        async def counted(scripts: ScriptRunner, name: str, names: list[str], /, **arguments: Any) -> Any:
            self._left -= 1
            if self._left:
                return await run(scripts, name, names, **arguments)
            self.came = True
            monkeypatch.setattr(ScriptRunner, "run", run)
            if before:
                await happens()
                return await run(scripts, name, names, **arguments)
            reply = await run(scripts, name, names, **arguments)
            await happens()
            return reply

        monkeypatch.setattr(ScriptRunner, "run", counted)


LISTED = [Entry(url) for url in ("https://example.com/1", "bad", "https://example.com/3", "https://example.com/4", "")]


@pytest.mark.parametrize("before", [True, False], ids=["before a step", "after it, unheard"])
async def test_wherever_a_worker_dies_no_entry_is_lost_or_twice(
    records: Records, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    """Before the playlist is read, between two pages and two jobs, behind the last: at each step of the way."""

    async def die() -> None:
        raise Killed

    for step in range(1, 100):
        await records.redis.flushall()
        batch = await new_batch(records, LIST)
        task = await take_batch(records)
        dying = Steps(monkeypatch, step, before=before, happens=die)
        with contextlib.suppress(Killed):
            await BatchMaker(records.store, Playlist(LISTED)).make(task)
        monkeypatch.undo()
        if not dying.came:
            break
        await make_again(records, batch, Playlist(LISTED))
        assert await records.store.batches.read_entries(batch.job_id) == LISTED, step
        assert await counts(records, batch) == {"total": 5, "made": 5, "queued": 3, "failed": 2}, step
        found = [await child(records, batch, index) for index in range(5)]
        assert [job.url for job in found] == [entry.url for entry in LISTED], step
        assert (await records.redis.zcard(keys.QUEUE), await records.redis.zcard(keys.JOBS_BY_OWNER)) == (3, 6), step
    assert step > 10


async def test_wherever_it_is_cancelled_nothing_goes_on(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its playlist is read, and while jobs are made: at each step of the way."""
    for step in range(1, 100):
        await records.redis.flushall()
        batch, other = await new_batch(records, LIST, owner="a"), new_job(owner="b")
        await records.store.jobs.create(other, CAP)
        task = await take_batch(records)
        cancelling = Steps(monkeypatch, step, before=True, happens=partial(records.store.batches.cancel, batch.job_id))
        await BatchMaker(records.store, Playlist(LISTED)).make(task)
        monkeypatch.undo()
        if not cancelling.came:
            break
        left = [name for name in await records.redis.keys("*") if name.startswith(keys.BATCHES.encode())]
        assert not [name for name in left if batch.job_id.encode() in name or name == keys.BATCHES.encode()], step
        told = (await records.state(batch.job_id))["data"]
        statuses = [(await child(records, batch, index)).status for index in range(told["batch"]["counts"]["made"])]
        assert told["status"] == "cancelled", step
        assert set(statuses) <= {Status.CANCELLED, Status.FAILED}, step
        assert await records.store.jobs.read(child_id(batch.job_id, len(statuses))) is None, step
        assert await records.redis.zcard(keys.QUEUE) == 1, "the other owner's"
    assert step > 10


async def test_a_playlist_that_was_read_to_its_end_waits_for_a_place_no_longer_than_a_list(records: Records) -> None:
    """A worker died behind the last page: the next one finds nothing to read, and no room."""
    entries = [Entry(url) for url in urls(4)]
    batch = await new_batch(records, LIST, cap=2)
    await records.store.batches.add_entries(batch.job_id, 0, entries)
    await make(records, Playlist(entries))
    _, due = await records.store.batches.tasks.take(1, 30)
    assert due is not None
    assert due <= 2


async def test_cancelling_amid_the_reading_makes_no_more(records: Records) -> None:
    batch = await new_batch(records, LIST)
    playlist = Playlist([Entry(url) for url in urls(5)], stop=2)
    async with worker(records, playlist, hold=0.3):
        await playlist.stopped.wait()
        await records.store.batches.cancel(batch.job_id)
        await playlist.closed.wait()
    assert await counts(records, batch) == {"made": 2, "cancelled": 2}
    assert await records.redis.zcard(keys.QUEUE) == 0


async def test_reading_is_tried_again_where_that_may_help(records: Records) -> None:
    batch = await new_batch(records, LIST)
    failures = {2: JobFailure(ErrorCode.NETWORK, retry_after=7)}
    playlist = Playlist([Entry(url) for url in urls(5)], failures=failures)
    await make(records, playlist)
    _, due = await records.store.batches.tasks.take(1, 30)
    assert due == pytest.approx(7, abs=2)
    await records.redis.zadd(keys.BATCHES, {batch.job_id: 0})
    await make(records, playlist)
    assert await counts(records, batch) == {"total": 5, "made": 5, "queued": 5}


async def test_a_playlist_that_can_not_be_read_fails(records: Records) -> None:
    batch = await new_batch(records, LIST)
    playlist = Playlist([Entry("x")] * 2, failures={0: JobFailure(ErrorCode.PRIVATE)})
    await make(records, playlist)
    told = (await records.state(batch.job_id))["data"]
    assert (told["status"], told["error"]["code"]) == ("failed", "private")


async def test_a_batch_whose_children_are_made_is_looked_at_now_and_then(records: Records) -> None:
    batch = await made(records, urls(1))
    _, due = await records.store.batches.tasks.take(1, 30)
    assert due is not None
    assert 50 < due <= 60
    await records.redis.delete(keys.JOB + child_id(batch.job_id, 0))
    await of(records.redis.hset(keys.BATCH + batch.job_id, "told", "0"))  # idle for long
    await records.redis.zadd(keys.BATCHES, {batch.job_id: 0})
    await make(records)
    told = (await records.state(batch.job_id))["data"]
    assert (told["status"], told["error"]["code"]) == ("failed", "worker_lost")
    assert await records.redis.zcard(keys.BATCHES) == 0
