"""A walk of the bucket, with both homes: what it finds, what it removes, and how it goes on."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.children import eventually, until
from support.jobs import Jobs
from support.records import of
from support.redis_server import RedisServer
from support.services import KEY
from system.retention.homes import DAY, VIDEO, FolderHome, Home, names, store, sweeping
from vidferry_common.bucket import EXPIRES_AT, NEW, Upload
from vidferry_common.contract import keys
from vidferry_common.contract.identity import object_id
from vidferry_common.objects.entry import entry_of
from vidferry_common.store import ObjectEntry, ObjectFilter, Walk
from vidferry_worker.indexing import walk as walking
from vidferry_worker.indexing.walk import BucketWalk, WalkCounts, WalkLost

pytestmark = pytest.mark.anyio
EVERYTHING = ObjectFilter(None)
INDEXED = "the bucket is indexed"
LOOKED = "next walk scheduled"


async def walk(jobs: Jobs, home: Home, holder: str = "w", *, most: int = 1000, anew: bool = True) -> WalkCounts:
    begun = await jobs.store.object_index.begin_walk(holder, interval=0, hold=30, leads=False, anew=anew)
    assert isinstance(begun, Walk)
    made = BucketWalk(jobs.store, home.bucket, begun, most=most, longest_attempt=3600, pause=0)
    return await made.run()


async def listed(jobs: Jobs) -> dict[str, ObjectEntry]:
    page = await jobs.store.object_index.read_page(EVERYTHING, 200)
    assert page.next_place is None
    return {each.name: each for each in page.entries}


async def test_the_index_is_what_the_bucket_has(jobs: Jobs, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several pages, with videos that begin on one and end on the next, and names that are not Vidferry's."""
    monkeypatch.setattr(walking, "PAGE", 3)
    ours = [
        f"{VIDEO}/{number // 2}{'@part' if number % 4 else ''}/{('720-mp4', 'best-any')[number % 2]}"
        for number in range(9)
    ]
    others = [f"{VIDEO}/2/thumbnail", "videos/holiday.mp4", f"{VIDEO}/x/notes", f"{VIDEO}/y/720-any/part"]
    made = await store(home, dict.fromkeys([*ours, *others], 0))

    counts = await walk(jobs, home)

    found = await listed(jobs)
    assert found == {name: entry_of(made[name], has_thumbnail=name.startswith(f"{VIDEO}/2/")) for name in ours}
    assert (counts.objects, counts.dropped) == (9, 0)
    assert await jobs.store.object_index.is_complete()
    await home.bucket.delete(ours[0], made[ours[0]].version)
    assert (await walk(jobs, home)).dropped == 1
    assert set(await listed(jobs)) == set(ours[1:])


async def test_what_has_expired_is_removed_also_without_an_index(jobs: Jobs, home: Home) -> None:
    past, future = ((datetime.now(UTC) + timedelta(days=days)).isoformat() for days in (-1, 1))
    made = await store(home, dict.fromkeys([f"{VIDEO}/{leaf}/best-any" for leaf in ("a", "b", "c", "d")], 0))
    for leaf, text in (("a", past), ("b", future), ("c", "nonsense")):
        await home.bucket.update_metadata(made[f"{VIDEO}/{leaf}/best-any"], {EXPIRES_AT: text})

    assert (await walk(jobs, home)).expired == 1

    assert await names(home) == {f"{VIDEO}/{leaf}/best-any" for leaf in "bcd"}
    found = await listed(jobs)
    assert [bool(found[f"{VIDEO}/{leaf}/best-any"].expires_at) for leaf in "bcd"] == [True, False, False]


async def test_a_thumbnail_without_a_video_goes_when_none_can_come(jobs: Jobs, home: Home) -> None:
    await store(
        home,
        {
            f"{VIDEO}/a/thumbnail": DAY,
            f"{VIDEO}/b/thumbnail": 60,
            f"{VIDEO}/c/thumbnail": DAY,
            f"{VIDEO}/c/best-any": 0,
        },
    )

    assert (await walk(jobs, home)).thumbnails == 1

    assert await names(home) == {f"{VIDEO}/b/thumbnail", f"{VIDEO}/c/thumbnail", f"{VIDEO}/c/best-any"}


async def test_another_worker_goes_on_where_one_died(
    jobs: Jobs, folder_home: FolderHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the one that was thought dead stops."""
    monkeypatch.setattr(walking, "PAGE", 2)
    await store(folder_home, {f"{VIDEO}/{number}/best-any": 0 for number in range(9)})
    index = jobs.store.object_index
    first = await index.begin_walk("a", interval=0, hold=30, leads=False)
    assert isinstance(first, Walk)
    walked, went_on = asyncio.Event(), asyncio.Event()
    described = folder_home.bucket.describe_objects

    async def held_up(folder: str, after: str = "", page: int = 2) -> AsyncIterator[Sequence[object]]:
        async for objects in described(folder, after, page):
            if len(await listed(jobs)) >= 3:
                walked.set()
                await went_on.wait()
            yield objects

    monkeypatch.setattr(folder_home.bucket, "describe_objects", held_up)
    frozen = asyncio.create_task(
        BucketWalk(jobs.store, folder_home.bucket, first, most=1000, longest_attempt=3600, pause=0).run()
    )
    await walked.wait()
    monkeypatch.setattr(folder_home.bucket, "describe_objects", described)
    await of(jobs.redis.hset(keys.OBJECT_WALK, "held_until", "1"))

    counts = await walk(jobs, folder_home, "b", anew=False)

    assert 0 < counts.objects < 9
    assert len(await listed(jobs)) == 9
    went_on.set()
    with pytest.raises(WalkLost):
        await frozen


async def test_a_bucket_with_more_than_the_index_may_hold(jobs: Jobs, folder_home: FolderHome) -> None:
    await store(folder_home, {f"{VIDEO}/{number}/best-any": 60.0 * number for number in range(6)})

    await walk(jobs, folder_home, most=4)

    assert set(await listed(jobs)) == {f"{VIDEO}/{number}/best-any" for number in range(4)}
    assert not await jobs.store.object_index.is_complete()
    await walk(jobs, folder_home, most=100)
    assert len(await listed(jobs)) == 6
    assert await jobs.store.object_index.is_complete()


async def test_metadata_that_a_stranger_wrote(jobs: Jobs, folder_home: FolderHome) -> None:
    metadata = {
        "title": "x\u202e\x00y" * 400,
        "duration": "nan",
        "site": "A" * 4000,
        "expires_at": "\x00",
        "source": "http://[",
    }
    upload = Upload(f"{VIDEO}/a/best-any", "video/mp4", "f" * 300, metadata, NEW)
    await folder_home.bucket.upload(upload, io.BytesIO(b"1"), 1, lambda _: None)
    record = folder_home.root / "objects" / f"{VIDEO}/b/best-any#meta"
    record.parent.mkdir()
    record.write_text("{")

    await walk(jobs, folder_home)

    [entry] = (await listed(jobs)).values()
    assert (len(entry.title), entry.duration, entry.expires_at, entry.site) == (300, None, "", "a" * 253)
    assert "\u202e" not in entry.title
    assert await jobs.store.object_index.find(object_id(entry.name)) == entry


async def test_the_command_makes_the_index_anew(redis: RedisServer, home: Home, jobs: Jobs) -> None:
    """Also while a worker is thought to walk."""
    await store(home, {f"{VIDEO}/{number}/best-any": 0 for number in range(3)})
    await jobs.store.object_index.begin_walk("a worker", interval=0, hold=30, leads=False)

    ended = await asyncio.to_thread(_reindex, redis, home.environment)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("3 objects are in the bucket.")
    assert len(await listed(jobs)) == 3


async def test_the_command_says_what_is_wrong(redis: RedisServer, folder_home: FolderHome) -> None:
    (folder_home.root / "objects").rename(folder_home.root / "elsewhere")
    (folder_home.root / "objects").write_text("no directory")

    ended = await asyncio.to_thread(_reindex, redis, folder_home.environment)

    assert ended.returncode == 1
    assert ended.stderr.startswith("The bucket can't be indexed now"), ended.stderr
    assert "Traceback" not in ended.stderr


def _reindex(redis: RedisServer, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    told = {**os.environ, **environment, "VIDFERRY_REDIS_URL": redis.url, "VIDFERRY_SIGNING_KEY": KEY}
    command = [sys.executable, "-m", "vidferry_worker.reindex"]
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False)


async def test_a_worker_makes_the_index_where_redis_is_empty_and_then_once(
    redis: RedisServer, folder_home: FolderHome, jobs: Jobs, tmp_path: Path
) -> None:
    """One of two, however often they look, and again where Redis has lost it."""
    await store(folder_home, {f"{VIDEO}/{number}/best-any": 0 for number in range(3)})
    with (
        sweeping(redis, tmp_path / "a", folder_home, worker_name="a", lease="1") as first,
        sweeping(redis, tmp_path / "b", folder_home, worker_name="b", lease="1") as second,
    ):
        await until(lambda: first.logged(INDEXED) or second.logged(INDEXED))
        assert len(await listed(jobs)) == 3
        started = await of(jobs.redis.hget(keys.OBJECT_WALK, "started"))
        await store(folder_home, {f"{VIDEO}/later/best-any": 0})
        await until(lambda: len(first.logged(LOOKED)) > 2 and len(second.logged(LOOKED)) > 2)
        assert await of(jobs.redis.hget(keys.OBJECT_WALK, "started")) == started

        await jobs.redis.flushall()
        await until(lambda: len(first.logged(INDEXED) + second.logged(INDEXED)) == 2)

    assert len(await listed(jobs)) == 4


async def test_an_object_goes_when_its_time_has_come_and_stays_until_then(
    redis: RedisServer, home: Home, jobs: Jobs, tmp_path: Path
) -> None:
    """Whatever the rules say, and with its thumbnail. What the index has wrong is looked up in the bucket."""
    old = {f"{VIDEO}/{leaf}/best-any": 2 * DAY for leaf in ("due", "kept", "wrong", "old")}
    made = await store(home, {**old, f"{VIDEO}/due/thumbnail": 2 * DAY})
    later = datetime.now(UTC) + timedelta(hours=1)
    for leaf in ("due", "kept", "wrong"):
        name = f"{VIDEO}/{leaf}/best-any"
        made[name] = await home.bucket.update_metadata(made[name], {EXPIRES_AT: later.isoformat()})
    with sweeping(
        redis, tmp_path / "w", home, retention_days="1", retention_bytes="1", retention_interval="0.2"
    ) as worker:
        worker.wait_for(INDEXED)
        soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
        due = await home.bucket.update_metadata(made[f"{VIDEO}/due/best-any"], {EXPIRES_AT: soon})
        await jobs.store.object_index.put(entry_of(due, has_thumbnail=True))
        wrong = (await listed(jobs))[f"{VIDEO}/wrong/best-any"]
        await jobs.store.object_index.put(replace(wrong, expires_at=soon))
        await until(lambda: worker.logged("an expired object was removed"))
        await eventually(lambda: _has_expiry(jobs, wrong.name, later))
        swept = len(worker.logged("retention sweep completed"))
        await until(lambda: len(worker.logged("retention sweep completed")) >= swept + 2)

    assert await names(home) == {f"{VIDEO}/{leaf}/best-any" for leaf in ("kept", "wrong")}
    assert set(await listed(jobs)) == await names(home)


async def _has_expiry(jobs: Jobs, name: str, moment: datetime) -> bool:
    found = await jobs.store.object_index.find(object_id(name))
    return found is not None and found.expires_at[:19] == moment.isoformat()[:19]
