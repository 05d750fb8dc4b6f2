"""The whole worker: its own process, a real Redis, real downloads."""

import asyncio
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support import made
from support.children import descendants, eventually, processes, until
from support.jobs import Jobs, jobs_in
from support.origin.files import File
from support.origin.site import Site
from support.redis_server import RedisServer
from support.services import Worker
from vidferry_common.contract import keys
from vidferry_common.contract.trace import trace_id
from vidferry_common.store import NewJob

pytestmark = pytest.mark.anyio
NEW_VIDEO = [5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100]
BEGUN_ANEW = "Restarted: the previous worker stopped."
RECOVERED_SECONDS = 5.0
STORED_VIDEO = [5, 10, 30, 50, 70, 90, 100]


@pytest.fixture(scope="module")
def running(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """For tests that leave it running."""
    with Worker(redis.url, tmp_path_factory.mktemp("worker"), retries="1") as process:
        yield process


async def progress_of(jobs: Jobs, job: object) -> list[float]:
    return [data["progress"] for data in await jobs.history(job)]  # type: ignore[arg-type]


async def empty(process: Worker) -> None:
    """A record ends before its files are gone, but not by much."""
    await until(lambda: not process.left())


@pytest.mark.parametrize("path", ["/hls/master.m3u8", "/media/clip.mp4", "/chunked/clip.mp4", "/page"])
async def test_a_new_video_takes_all_its_steps_in_order(path: str, running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url(path))
    end = await jobs.end(job)

    assert end["status"] == "completed", end
    assert await progress_of(jobs, job) == NEW_VIDEO
    seqs = [data["seq"] for data in await jobs.history(job)]
    assert seqs == sorted(set(seqs))
    assert end["result"]["reused"] is False
    assert end["result"]["size"] > 500_000
    assert await jobs.field(job, "status") == "ended"
    assert re.fullmatch(r"videos/generic/h-[0-9a-f]{40}/x-[0-9a-f]{40}/1080-any", await jobs.field(job, "object"))
    assert (await jobs.field(job, "attempt"), await jobs.field(job, "retries")) == ("1", "0")
    await empty(running)


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("holiday.mov", lambda: b"\0\0\0\x08wide" + made.clip("clip.mov"), "video/quicktime"),
        ("take.aiff", lambda: made.file("take.aiff", *made.sound()), "audio/aiff"),
        ("song.flac", lambda: b"ID3\x03\0\0\0\0\0\0" + made.file("song.flac", *made.sound()), "audio/flac"),
    ],
)
async def test_a_result_is_named_by_what_it_is(
    name: str, data: Callable[[], bytes], media_type: str, running: Worker, jobs: Jobs, site: Site
) -> None:
    """Whatever its first bytes are."""
    end = await jobs.end(await jobs.give(site.put(f"/{name}", File(name, data(), media_type=media_type))))

    assert end["status"] == "completed", end
    assert end["result"]["media_type"] == media_type
    assert end["result"]["filename"] == name
    await empty(running)


async def test_a_file_that_is_cut_is_asked_for_until_it_is_whole(running: Worker, jobs: Jobs, site: Site) -> None:
    """As one that is still being copied where it comes from."""
    whole = made.clip("clip.mkv")
    half = File("clip.mkv", whole[: len(whole) // 2], media_type="video/x-matroska")
    job = await jobs.give(site.put("/clip.mkv", half, half, replace(half, data=whole)))
    end = await jobs.end(job)

    assert (end["status"], end["retries"]) == ("completed", 1), end
    assert end["result"]["size"] == len(whole)
    await empty(running)


async def test_the_log_tells_a_downloads_story(running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url("/hls/master.m3u8?story=1"))
    end = await jobs.end(job)
    [entry] = await asyncio.to_thread(running.wait_for, "download ended", job_ids=[job.job_id])

    assert (entry["download_id"], entry["attempt"]) == (job.download_id, 1)
    assert (entry["trace_id"], entry["site"]) == (trace_id(job.traceparent), urlsplit(site.base).netloc)
    assert (entry["status"], entry["outcome"], entry["format"]) == ("completed", "completed", "1080-any")
    assert (entry["bytes"], entry["yt_dlp_version"]) == (end["result"]["size"], version("yt-dlp"))
    assert list(entry["stages"]) == ["started", "info", "downloading", "merging", "downloaded", "uploading"]
    assert 0 < sum(entry["stages"].values()) <= entry["seconds"] - entry["waited"] + 0.1
    said = running.logged("yt-dlp says", download_id=entry["download_id"], attempt=1, trace_id=entry["trace_id"])
    assert said
    assert not [each for each in running.logged("yt-dlp says") if "download_id" not in each]
    assert "story=1" not in running.log
    await empty(running)


async def test_a_video_that_is_not_there_is_no_warning(running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url("/status/404?told"))
    end = await jobs.end(job)
    [entry] = await asyncio.to_thread(running.wait_for, "download ended", job_ids=[job.job_id])
    failed = running.logged("attempt failed", download_id=entry["download_id"])

    assert [each["level"] for each in failed] == ["info"]
    assert {each["code"] for each in [*failed, entry]} == {end["error"]["code"]}
    assert entry["status"] == "failed"


async def test_a_stored_video_takes_the_short_way(running: Worker, jobs: Jobs, site: Site) -> None:
    url = site.url("/media/clip.mp4")
    await jobs.end(await jobs.give(url))
    job = await jobs.give(url)
    end = await jobs.end(job)

    assert end["result"]["reused"] is True
    assert await progress_of(jobs, job) == STORED_VIDEO
    await empty(running)


@pytest.mark.parametrize(
    ("path", "code"),
    [("/status/404", "unavailable"), ("/page-empty", "unsupported_site"), ("/thumb.jpg", "unsupported_site")],
)
async def test_what_is_final_fails_at_once(path: str, code: str, running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url(path))
    end = await jobs.end(job)

    assert (end["status"], end["error"]["code"], end["error"]["retryable"]) == ("failed", code, False)
    assert await jobs.field(job, "attempt") == "1"
    await empty(running)


async def test_what_may_pass_is_tried_again(running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url("/flaky/clip.mp4?times=1"))
    end = await jobs.end(job)

    assert end["status"] == "completed", end
    assert (end["attempt"], end["retries"]) == (2, 1)
    shown = await progress_of(jobs, job)
    assert shown == [5, *NEW_VIDEO]
    await empty(running)


async def test_what_does_not_pass_ends_with_its_code(running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url("/status/500"))
    waiting = await jobs.until(job, lambda data: data["retry_at"] is not None or data["status"] == "failed")
    end = await jobs.end(job)

    assert (waiting["status"], waiting["retries"]) == ("queued", 1)
    assert (end["error"]["code"], end["error"]["retryable"], end["attempt"]) == ("origin_error", True, 2)
    await empty(running)


async def test_the_queue_and_arqs_keys_are_cleared(running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url("/media/clip.mp4"))
    await jobs.end(job)

    async def cleared() -> bool:
        return not (await jobs.redis.keys(f"arq:*{job.download_id}*") or await jobs.redis.zcard(keys.QUEUE))

    await eventually(cleared)
    forever = [key for key in await jobs.redis.keys("*") if await jobs.redis.ttl(key) < 0]
    index = (keys.OBJECTS, keys.OBJECTS_BY_TIME, keys.OBJECT_WALK)
    ended = (keys.ENDED_LISTS, keys.ENDED_JOBS)
    assert set(forever) <= {key.encode() for key in (keys.DOORBELL, keys.LEADER, keys.ROOM, *ended, *index)}


async def test_a_stopped_worker_gives_back_what_it_runs(own_redis: RedisServer, site: Site, tmp_path: Path) -> None:
    async with jobs_in(own_redis) as jobs:
        with Worker(own_redis.url, tmp_path, grace="0") as first:
            job = await jobs.give(site.url("/gated/g/clip.mp4"))
            await asyncio.to_thread(site.gate("g").wait_held)
            first.signal(signal.SIGTERM)
            waiting = await jobs.until(job, lambda data: data["status"] == "queued")
            assert await asyncio.to_thread(first.wait) == 0
            assert (waiting["retries"], waiting["attempt"]) == (0, 1)
            assert names(first.folder) == []
            assert await jobs.redis.zrange(keys.QUEUE, 0, -1) == [keys.arq_id(job.download_id, 2).encode()]
        site.gate("g").open()
        with Worker(own_redis.url, tmp_path):
            end = await jobs.end(job)
        assert (end["status"], end["attempt"], end["retries"]) == ("completed", 2, 0)
        assert (await jobs.field(job, "retries"), await jobs.field(job, "worker_losses")) == ("0", "0")
        shown = await progress_of(jobs, job)
        assert (shown[:3], shown[-len(NEW_VIDEO) :]) == ([5, 10, 20], NEW_VIDEO)
        assert await begun(jobs, job) == ["Processing started", BEGUN_ANEW]


async def begun(jobs: Jobs, job: NewJob) -> list[str]:
    """What watchers were told as an attempt began."""
    return [each["message"] for each in await jobs.history(job) if each["stage"] == "started"]


async def test_a_cancellation_is_no_warning(running: Worker, jobs: Jobs, site: Site) -> None:
    job = await jobs.give(site.url("/gated/g/clip.mp4"))
    await asyncio.to_thread(site.gate("g").wait_held)
    await jobs.cancel(job)
    await asyncio.to_thread(running.wait_for, "attempt stopped")
    assert [entry["level"] for entry in running.logged("attempt stopped")] == ["info"]
    assert running.logged("attempt lost") == []
    await empty(running)


async def test_a_stopped_worker_finishes_what_its_grace_allows(
    own_redis: RedisServer, site: Site, tmp_path: Path
) -> None:
    async with jobs_in(own_redis) as jobs:
        with Worker(own_redis.url, tmp_path, grace="30") as process:
            job = await jobs.give(site.url("/gated/g/clip.mp4"))
            await asyncio.to_thread(site.gate("g").wait_held)
            process.signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait_for, "worker takes no new downloads")
            later = await jobs.give(site.url("/media/clip.mp4"))
            site.gate("g").open()
            assert (await jobs.end(job))["status"] == "completed"
            assert await asyncio.to_thread(process.wait) == 0
        record = await jobs.store.jobs.read(later.job_id)
        assert record is not None
        assert record.state["status"] == "queued"  # nothing new was taken


async def test_a_killed_workers_download_is_taken_up(own_redis: RedisServer, site: Site, tmp_path: Path) -> None:
    lease = 3.0
    async with jobs_in(own_redis) as jobs:
        with Worker(own_redis.url, tmp_path, lease=str(lease), worker_name="first") as first:
            job = await jobs.give(site.url("/gated/g/clip.mp4"))
            await asyncio.to_thread(site.gate("g").wait_held)
            family = descendants(first.process.pid)
            assert len(family) >= 2  # its zygote and the child
            with Worker(own_redis.url, tmp_path, lease=str(lease), worker_name="second") as second:
                first.signal(signal.SIGKILL)
                await asyncio.to_thread(first.wait)
                await until(lambda: not family & set(processes()), 5)
                site.gate("g").open()
                # It ends within a lease, is looked for three times in one, and is put back and claimed.
                taken = await jobs.until(job, lambda data: data["attempt"] == 2, lease * 4 / 3 + 3)
                end = await jobs.end(job)
                await until(lambda: not names(second.folder / "second"))
        assert taken["attempt"] == 2
        assert (end["status"], end["attempt"], end["retries"]) == ("completed", 2, 0)
        assert await jobs.field(job, "worker_losses") == "1"
        assert await begun(jobs, job) == ["Processing started", BEGUN_ANEW]
        with Worker(own_redis.url, tmp_path, worker_name="third") as third:
            assert names(third.folder) == ["third", "third.lock"]


async def test_a_claim_that_redis_lost_is_made_again(own_redis: RedisServer, site: Site, tmp_path: Path) -> None:
    """As a failover does that comes before the claim has reached the replica."""
    async with jobs_in(own_redis) as jobs:
        with Worker(own_redis.url, tmp_path, lease="1"):
            job = await jobs.give(site.url("/gated/g/clip.mp4"))
            await asyncio.to_thread(site.gate("g").wait_held)
            back: Any = jobs.redis.hset(keys.DOWNLOAD + job.download_id, mapping={"status": "queued", "attempt": 0})
            await back

            async def claimed_again() -> bool:
                return await jobs.field(job, "attempt") == "1"

            await eventually(claimed_again)
            site.gate("g").open()
            end = await jobs.end(job)
    assert (end["status"], end["attempt"]) == ("completed", 1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_without_leave_no_connection_is_made(
    own_redis: RedisServer, listener: socket.socket, tmp_path: Path
) -> None:
    port = listener.getsockname()[1]
    async with jobs_in(own_redis) as jobs:
        with Worker(own_redis.url, tmp_path, egress_allow="", egress_ports=str(port)):
            given = [
                await jobs.give(f"http://{host}:{port}/clip.mp4")
                for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "169.254.169.254")
            ]
            ends = [await jobs.end(job) for job in given]
    assert [end["error"]["code"] for end in ends] == ["forbidden_address"] * 5
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"bucket": "file:///dev/null/bucket"}, "can't start"),
        ({"bucket": "ftp://x"}, "VIDFERRY_BUCKET"),
        ({"egress_allow": "everything"}, "VIDFERRY_EGRESS_ALLOW"),
    ],
)
def test_what_is_set_wrongly_is_told_in_a_sentence(
    settings: dict[str, str], sentence: str, redis: RedisServer, tmp_path: Path
) -> None:
    process = Worker(redis.url, tmp_path, **settings)
    with pytest.raises(AssertionError):
        process.start()

    assert process.wait() != 0
    assert sentence in process.log
    assert "Traceback" not in process.log


async def test_one_that_starts_in_an_outage_waits_for_its_end(
    own_redis: RedisServer, tmp_path: Path, site: Site
) -> None:
    own_redis.kill()
    process = Worker(own_redis.url, tmp_path).start(until="not ready yet")
    try:
        own_redis.start()
        returned = time.monotonic()
        await asyncio.to_thread(process.wait_for, "worker ready")
        assert time.monotonic() - returned < RECOVERED_SECONDS
        async with jobs_in(own_redis) as jobs:
            end = await jobs.end(await jobs.give(site.url("/media/clip.mp4")))
        assert end["status"] == "completed", end
    finally:
        process.close()


def test_one_that_waits_heeds_a_stop(own_redis: RedisServer, tmp_path: Path) -> None:
    own_redis.kill()
    process = Worker(own_redis.url, tmp_path).start(until="not ready yet")
    process.signal(signal.SIGTERM)

    assert process.wait() == 0
    assert process.logged("worker stops")


def test_a_missing_ffmpeg_is_told_in_a_sentence(redis: RedisServer, tmp_path: Path) -> None:
    process = Worker(redis.url, tmp_path, {"PATH": str(tmp_path)})
    with pytest.raises(AssertionError):
        process.start()

    assert process.wait() != 0
    assert "ffmpeg and ffprobe not found on the PATH" in process.log
