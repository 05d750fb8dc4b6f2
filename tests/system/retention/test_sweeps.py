"""What one sweep takes and what it leaves, of real workers and both homes."""

import time
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest

from support.jobs import Jobs
from support.ports import free_port
from support.records import of
from support.redis_server import RedisServer
from support.scrape import Admin
from system.retention.homes import DAY, HOUR, VIDEO, Home, in_videos, names, store, sweep, sweeping
from vidferry_common.contract import keys

pytestmark = pytest.mark.anyio
SWEPT = "retention sweep completed"


async def test_what_is_older_than_the_days_goes(redis: RedisServer, home: Home, jobs: Jobs, tmp_path: Path) -> None:
    # No walk of the bucket is due, which would remove a thumbnail beside the sweep.
    await of(jobs.redis.hset(keys.OBJECT_WALK, "completed", "9999999999999"))
    await store(home, {
        f"{VIDEO}/whole/1080-any": 3 * DAY, f"{VIDEO}/whole/720-mp4": 2 * DAY + 60, f"{VIDEO}/whole/thumbnail": 3 * DAY,
        f"{VIDEO}/part/1080-any": 3 * DAY, f"{VIDEO}/part/720-mp4": DAY, f"{VIDEO}/part/thumbnail": 3 * DAY,
        f"{VIDEO}/young/audio-mp3": 2 * DAY - HOUR, f"{VIDEO}/young/thumbnail": 2 * DAY - HOUR,
        f"{VIDEO}/left/thumbnail": 3 * DAY,
    })  # fmt: skip

    port = free_port()
    with sweeping(redis, tmp_path / "w", home, retention_days="2", admin_port=str(port)) as worker:
        worker.wait_for(SWEPT)
        found = Admin(port).scrape()

    assert await names(home) == set(in_videos("part/720-mp4", "part/thumbnail", "young/audio-mp3", "young/thumbnail"))
    assert [(entry["objects"], entry["bytes"]) for entry in worker.logged(SWEPT)] == [(5, 50)]
    assert found.value("vidferry_retention_removed_objects_total") == 5
    assert found.value("vidferry_retention_removed_bytes_total") == 50
    assert found.value("vidferry_retention_sweeps_total", outcome="completed") == 1
    assert found.value("vidferry_retention_last_sweep_timestamp_seconds") > 1.7e9


async def test_the_oldest_go_until_the_rest_is_below_the_bytes(jobs: Jobs, home: Home) -> None:
    await store(home, {f"{VIDEO}/{number}/best-any": number * HOUR for number in range(1, 6)}, size=100)
    await store(home, {f"{VIDEO}/4/thumbnail": 9 * DAY, f"{VIDEO}/2/thumbnail": 9 * DAY}, size=30)

    # 560 are there; without 5 there are 460, without 4 and its picture 330.
    await sweep(jobs, home, retention_bytes="330")

    assert await names(home) == set(in_videos("1/best-any", "2/best-any", "2/thumbnail", "3/best-any"))


async def test_both_limits_hold(jobs: Jobs, home: Home) -> None:
    await store(home, {f"{VIDEO}/{number}/best-any": number * HOUR for number in range(1, 6)}, size=100)

    await sweep(jobs, home, retention_bytes="400", retention_days=str(3.5 / 24))

    assert await names(home) == set(in_videos("1/best-any", "2/best-any", "3/best-any"))


async def test_below_the_bytes_nothing_goes(jobs: Jobs, home: Home) -> None:
    await store(home, {f"{VIDEO}/{number}/best-any": 900 * DAY for number in range(5)}, size=100)

    await sweep(jobs, home, retention_bytes="500")

    assert len(await names(home)) == 5


async def test_what_was_just_stored_stays_whatever_the_limits(jobs: Jobs, home: Home) -> None:
    await store(home, {f"{VIDEO}/a/best-any": 16 * 60, f"{VIDEO}/b/best-any": 14 * 60, f"{VIDEO}/c/best-any": 0})

    await sweep(jobs, home, retention_bytes="1", retention_days="0.000001")

    assert await names(home) == set(in_videos("b/best-any", "c/best-any"))


async def test_a_picture_may_belong_to_a_video_on_its_way(jobs: Jobs, home: Home) -> None:
    await store(home, {
        f"{VIDEO}/coming/thumbnail": HOUR, f"{VIDEO}/anew/thumbnail": HOUR, f"{VIDEO}/anew/best-any": DAY,
        f"{VIDEO}/never/thumbnail": 3 * HOUR,
    })  # fmt: skip

    limits = {"retention_days": "0.000001", "max_seconds": str(2 * HOUR)}
    await sweep(jobs, home, **limits)

    assert await names(home) == set(in_videos("coming/thumbnail", "anew/thumbnail"))


async def test_what_is_not_ours_stays(jobs: Jobs, home: Home) -> None:
    foreign = [
        "videos/holiday.mp4",
        "videos/2019/june/beach/holiday.mp4",
        "videos/youtube/youtube.com/x/notes",
        "videos/youtube/youtube.com/x/720-any/part",
        "music/youtube/youtube.com/x/720-any",
    ]
    await store(home, dict.fromkeys([*foreign, f"{VIDEO}/x/1080-any"], 900 * DAY))

    await sweep(jobs, home, retention_days="1")

    assert await names(home) == set(foreign[:4])
    assert await home.bucket.stat(foreign[4])


async def test_what_a_worker_hands_out_stays_for_a_while(jobs: Jobs, home: Home) -> None:
    await store(home, {f"{VIDEO}/{name}/best-any": 9 * DAY for name in ("used", "unused", "used before")})
    assert await jobs.store.objects.pin(f"{VIDEO}/used/best-any")
    await jobs.redis.zadd(keys.PINNED, {f"{VIDEO}/used before/best-any": time.time() * 1000 - 1})

    await sweep(jobs, home, retention_days="1")

    assert await names(home) == set(in_videos("used/best-any"))


async def test_more_than_a_page_goes(jobs: Jobs, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """More objects than a page holds; where names are sorted, the last video of one has its picture in the next."""
    leaves = ("720-any", "best-any", "thumbnail")
    monkeypatch.setattr(home.bucket, "list_objects", partial(home.bucket.list_objects, page=10))
    objects = {f"{VIDEO}/{number // 3:02}/{leaves[number % 3]}": 2.0 * DAY for number in range(33)}
    await store(home, {**objects, f"{VIDEO}/06/best-any": HOUR}, size=1)
    async with aclosing(home.bucket.list_objects("videos")) as pages:
        assert [len(page) async for page in pages] == [10, 10, 10, 3]

    await sweep(jobs, home, retention_days="1")

    assert await names(home) == {f"{VIDEO}/06/best-any", f"{VIDEO}/06/thumbnail"}
