"""The connection of those who wait for jobs to change: what wakes them, and what it does when Redis fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.records import Records, at
from support.redis_server import RedisServer, redis_server
from vidferry_common.contract import keys
from vidferry_common.contract.stages import INFO, STARTED
from vidferry_common.store import JobChanges, RedisSettings, TooManyListeners, changes
from vidferry_common.store.changes import Listener

pytestmark = pytest.mark.anyio

NAME = "vidferry-test:changes"
SECONDS = 20.0


def open_changes(server: RedisServer, limit: int = 10) -> JobChanges:
    return JobChanges(RedisSettings.model_validate({"redis_url": server.url}), NAME, limit)


@pytest.fixture
async def listening(shared_server: RedisServer, records: Records) -> AsyncIterator[JobChanges]:
    found = open_changes(shared_server)
    yield found
    await found.close()


async def woken(listener: Listener) -> bool:
    """Whether it wakes before the time is over."""
    began = asyncio.get_running_loop().time()
    await listener.wait(SECONDS)
    return asyncio.get_running_loop().time() - began < SECONDS


async def test_a_status_wakes_and_a_step_does_not(listening: JobChanges, records: Records) -> None:
    job, claim = await records.claimed()
    with listening.listen(job.job_id, "queued") as first, listening.listen(job.job_id, "processing") as second:
        for each in (first, second):
            assert await woken(each), "the subscription stands"
        assert await records.store.downloads.publish(claim, at(STARTED).body(), step=True)
        assert await woken(first)
        assert first.changed
        assert await records.store.downloads.publish(claim, at(INFO).body(), step=True)
        await second.wait(0.2)
        assert not second.changed


async def test_an_owner_leaves_half_of_the_places_to_others(shared_server: RedisServer) -> None:
    listening, job = open_changes(shared_server, 4), "a"
    with listening.listen(job, "queued", "team-a"), listening.listen(job, "queued", "team-a"):
        with pytest.raises(TooManyListeners), listening.listen(job, "queued", "team-a"):
            pass
        with listening.listen(job, "queued", "team-b"), listening.listen(job, "queued", "team-b"):
            pass
        with listening.listen(job, "queued"), listening.listen(job, "queued"):  # open access has no owners
            pass
    with listening.listen(job, "queued", "team-a"):
        pass
    await listening.close()


async def test_channels_are_left_with_the_last_listener(listening: JobChanges, records: Records) -> None:
    job = await records.created()

    async def subscribers() -> int:
        ((_, count),) = await records.redis.pubsub_numsub(keys.CHANNEL + job.job_id)
        return int(count)

    with listening.listen(job.job_id, "queued") as first:
        assert await woken(first)
        with listening.listen(job.job_id, "queued") as second:
            assert await woken(second), "the channel is there already"
        assert await subscribers() == 1
    async with asyncio.timeout(SECONDS):
        while await subscribers():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.005)
    with listening.listen(job.job_id, "queued") as third:
        assert await woken(third)
        assert await subscribers() == 1


async def test_what_is_no_message_wakes_too(listening: JobChanges, records: Records) -> None:
    """Whoever waits reads the job itself."""
    with listening.listen("a-job", "queued") as listener:
        assert await woken(listener)
        for text in ("", "[]", '{"data": null}'):
            await records.redis.publish(keys.CHANNEL + "a-job", text)
            assert await woken(listener)


async def test_a_redis_that_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "PROBE_SECONDS", 0.1)
    with redis_server() as server:
        listening = open_changes(server)
        with listening.listen("a-job", "queued") as listener:
            assert await woken(listener)
            server.freeze()
            assert await woken(listener), "told to read"
            server.thaw()
            assert await woken(listener), "subscribed anew"
            assert not listener.changed
        await listening.close()


async def test_places_are_bounded(shared_server: RedisServer) -> None:
    listening = open_changes(shared_server, limit=1)
    with listening.listen("a-job", "queued"), pytest.raises(TooManyListeners), listening.listen("another", "queued"):
        pass
    with listening.listen("another", "queued"):
        pass
    await listening.close()


async def test_all_are_released(listening: JobChanges) -> None:
    with listening.listen("a-job", "queued") as waiting:
        assert await woken(waiting)
        listening.release_all()
        assert await woken(waiting)
        with listening.listen("another", "queued") as late:
            assert await woken(late)
        assert waiting.released
        assert late.released
