"""What a batch counts, when it ends, and that nothing is made twice."""

import asyncio
import json
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import pytest

from support.batches import claim_child, completed, counts, end_child, made, make, new_batch, read, take_batch
from support.records import CAP, Records, at, new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.batches import BatchWarning, ChildPlace, Entry, PlaylistRequest, child_id
from vidferry_common.contract.errors import ErrorCode, Failure, JobFailure, OfferedFormats
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.stages import DOWNLOAD_STARTED, STARTED, Status
from vidferry_common.contract.webhooks import EventType, Webhook
from vidferry_common.store import (
    BatchMovedOn,
    Cancelled,
    Cause,
    Delivery,
    Ending,
    IdempotencyMismatch,
    JobFilter,
    JobLimits,
    NewJob,
    Outcome,
    QuotaExceeded,
    RedisFull,
    Requeue,
)
from vidferry_worker.batches.children import new_child

pytestmark = pytest.mark.anyio


def urls(count: int) -> list[str]:
    return [f"https://example.com/{uuid4()}" for _ in range(count)]


async def state(records: Records, batch: NewJob) -> dict[str, Any]:
    told: dict[str, Any] = (await records.state(batch.job_id))["data"]
    return told


async def test_a_batch_is_a_job_that_waits(records: Records) -> None:
    batch = await new_batch(records, urls(3), owner="a", external_id="x", metadata={"n": 1})

    told = await state(records, batch)
    assert (told["status"], told["kind"], told["metadata"], told["parent"]) == ("queued", "batch", {"n": 1}, None)
    assert told["batch"] == {
        "counts": {"total": 3, "made": 0, "queued": 0, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0},
        "downloaded_bytes": 0,
        "size": 0,
        "children_url": f"{batch.public_root}/api/jobs?batch={batch.job_id}",
        "warnings": [],
    }
    for which in (JobFilter("a"), JobFilter("a", frozenset({Status.QUEUED})), JobFilter("a", external_id="x")):
        assert [job.job_id for job in (await records.store.job_lists.read_page(which, 9)).jobs] == [batch.job_id]
    assert not (await records.store.job_lists.read_page(JobFilter("b"), 9)).jobs


async def test_children_are_counted_from_their_making_to_their_end(records: Records) -> None:
    batch = await made(records, [*urls(3), "nonsense"])
    assert await counts(records, batch) == {"total": 4, "made": 4, "queued": 3, "failed": 1}
    await records.listen(batch.job_id)

    claim = await claim_child(records, batch, 0)
    await records.step(claim, STARTED)
    assert await counts(records, batch) == {"total": 4, "made": 4, "queued": 2, "processing": 1, "failed": 1}
    await records.step(claim, DOWNLOAD_STARTED)
    how = Requeue(Cause.RETRY, at(DOWNLOAD_STARTED, downloaded_bytes=500).as_waiting(), 0, limit=9)
    await records.store.downloads.requeue(claim.download_id, 1, how)
    assert await counts(records, batch) == {"total": 4, "made": 4, "queued": 3, "failed": 1}
    assert (await state(records, batch))["status"] == "processing", "a batch that has begun does not wait again"
    again = await records.store.leases.claim(claim.download_id, 2, 60, "worker")
    assert again is not None
    await records.store.downloads.finish(again, completed(size=70, downloaded=900).body(), Ending())
    await end_child(records, batch, 1, completed(size=30, downloaded=40))
    told = await state(records, batch)
    assert await counts(records, batch) == {"total": 4, "made": 4, "queued": 1, "completed": 2, "failed": 1}
    assert (told["batch"]["downloaded_bytes"], told["downloaded_bytes"], told["batch"]["size"]) == (940, 940, 100)
    assert told["progress"] == 75

    await end_child(records, batch, 2, completed())
    told = await state(records, batch)
    assert (told["status"], told["stage"], told["progress"], told["expires_at"] is None) == (
        "completed",
        "done",
        100,
        False,
    )
    assert told["batch"]["counts"]["completed"] == 3
    heard = await records.heard(batch.job_id)
    assert heard[-1]["data"] == told
    assert [message["data"]["status"] for message in heard if message.get("step")] == ["completed"]
    assert sorted(message["data"]["seq"] for message in heard) == [message["data"]["seq"] for message in heard]


async def test_a_batch_takes_its_bytes_until_it_ends(records: Records) -> None:
    """Also while nothing but the batch waits, when bytes of records that have expired are forgotten."""
    batch = await new_batch(records, urls(2))
    taken = int(await of(records.redis.hget(keys.ROOM, "open")))
    await make(records)
    await end_child(records, batch, 0, completed())
    assert int(await of(records.redis.hget(keys.ROOM, "open"))) > taken
    await end_child(records, batch, 1, completed())
    assert int(await of(records.redis.hget(keys.ROOM, "open"))) == 0


async def test_nothing_of_an_ended_batch_stays_but_its_record(records: Records) -> None:
    batch = await made(records, urls(2), owner="a")
    for index in range(2):
        await end_child(records, batch, index, completed())

    left = {name for name in await records.redis.keys("*") if batch.job_id.encode() in name}
    assert left == {f"{keys.JOB}{batch.job_id}".encode(), f"{keys.JOB}{batch.job_id}{keys.HISTORY}".encode()}
    assert not [name async for name in records.redis.scan_iter(keys.TASKS + "*") if not name.endswith(b"doorbell")]
    assert await of(records.redis.hget(keys.ROOM, "open")) == b"0"
    assert not await records.redis.exists(keys.OPEN_JOBS + "a", keys.OPEN_BATCHES + "a")
    assert await records.store.batches.read(batch.job_id) is None


@pytest.mark.parametrize(
    ("codes", "status", "code"),
    [
        ([ErrorCode.DRM, ErrorCode.DRM], "failed", "drm"),
        ([ErrorCode.DRM, ErrorCode.LIVE, ErrorCode.DRM], "failed", "batch_failed"),
        ([ErrorCode.DRM, None], "completed", None),
    ],
)
async def test_how_a_batch_ends(records: Records, codes: list[ErrorCode | None], status: str, code: str | None) -> None:
    batch = await made(records, urls(len(codes)))
    for index, each in enumerate(codes):
        await end_child(records, batch, index, at(STARTED).as_failed(each) if each else completed())

    told = await state(records, batch)
    assert (told["status"], told.get("error", {}).get("code")) == (status, code)


async def test_children_of_many_sites_have_one_error_where_they_have_one_code(records: Records) -> None:
    batch = await made(records, urls(2))
    for index, formats in enumerate([OfferedFormats((720,), ("mp4",)), OfferedFormats((360,))]):
        failure = JobFailure(ErrorCode.FORMAT_UNAVAILABLE, formats=formats, yt_dlp_version=f"2026.1.{index}")
        await end_child(records, batch, index, at(STARTED).as_failed(failure.describe(f"site{index}.example")))

    assert (await state(records, batch))["error"] == asdict(Failure.of(ErrorCode.FORMAT_UNAVAILABLE))


async def test_an_entry_is_made_once_whoever_makes_it(records: Records) -> None:
    """Two workers at one batch, one of which was thought to be dead; and a reply that was lost."""
    batch = await new_batch(records, urls(3))
    found = await read(records, batch)
    first = new_child(found, 0, Entry("https://example.com/first"))
    for child in (first, first, new_child(found, 0, Entry("https://example.com/first"))):
        await records.store.batches.make_child(child, found.making)
    await asyncio.gather(*(make_first_two(records, batch) for _ in range(2)))
    await make(records)

    assert await counts(records, batch) == {"total": 3, "made": 3, "queued": 3}
    assert await records.redis.zcard(keys.QUEUE) == 3
    with pytest.raises(BatchMovedOn):
        await records.store.batches.make_failed_child(
            new_child(found, 1, Entry("x")), found.making, ErrorCode.INVALID_URL
        )


async def make_first_two(records: Records, batch: NewJob) -> None:
    found = await read(records, batch)
    for index in (1, 2):
        child = new_child(found, index, Entry(f"https://example.com/{index}"))
        try:
            await records.store.batches.make_child(child, found.making)
        except BatchMovedOn:
            return


async def test_an_entry_without_a_url_is_a_child_that_has_failed(records: Records) -> None:
    batch = await made(records, ["", *urls(1)])

    assert await counts(records, batch) == {"total": 2, "made": 2, "queued": 1, "failed": 1}


async def test_equal_urls_share_one_download_and_count_each(records: Records) -> None:
    (url,) = urls(1)
    batch = await made(records, [url] * 3)
    assert await records.redis.zcard(keys.QUEUE) == 1
    claim = await claim_child(records, batch, 0)
    await records.step(claim, STARTED)
    assert await counts(records, batch) == {"total": 3, "made": 3, "processing": 3}
    later = await made(records, [url])
    assert await counts(records, later) == {"total": 1, "made": 1, "processing": 1}
    assert (await state(records, later))["status"] == "processing"
    await records.store.downloads.finish(claim, completed(size=5).body(), Ending())
    assert [(await state(records, each))["batch"]["size"] for each in (batch, later)] == [15, 5]
    assert [(await state(records, each))["status"] for each in (batch, later)] == ["completed"] * 2


async def test_cancelling_ends_all_that_waits_and_runs_and_makes_no_more(records: Records) -> None:
    other = await made(records, urls(1), owner="b")
    batch = await new_batch(records, urls(5), owner="a")
    found = await read(records, batch)
    for index, entry in enumerate(await records.store.batches.read_entries(batch.job_id, 0, 3)):
        await records.store.batches.make_child(new_child(found, index, entry), found.making)
    claim = await claim_child(records, batch, 1)
    await records.step(claim, STARTED)
    await end_child(records, batch, 0, completed())

    assert await records.store.batches.cancel(batch.job_id) is Cancelled.CANCELLED

    told = await state(records, batch)
    assert told["status"] == "cancelled"
    assert await counts(records, batch) == {"total": 5, "made": 3, "completed": 1, "cancelled": 2}
    assert await of(records.redis.lrange(keys.CANCELLATIONS + "worker", 0, -1)) == [f"{claim.download_id}:1".encode()]
    with pytest.raises(BatchMovedOn):
        await records.store.batches.make_child(new_child(found, 3, Entry(urls(1)[0])), found.making)
    assert len(await records.store.batches.read_entries(batch.job_id)) == 2, "a retry makes them"
    assert await records.store.batches.cancel(batch.job_id) is Cancelled.ENDED
    assert await counts(records, other) == {"total": 1, "made": 1, "queued": 1}
    assert await records.redis.zcard(keys.QUEUE) == 1


async def test_a_cancellation_that_broke_off_is_finished_by_a_worker(records: Records) -> None:
    batch = await made(records, urls(2))
    await records.store.batches._run("stop_batch", batch.job_id, how="cancelled", error="")
    assert (await state(records, batch))["status"] == "queued"

    await records.redis.zadd(keys.BATCHES, {batch.job_id: 0})
    await make(records)

    assert await counts(records, batch) == {"total": 2, "made": 2, "cancelled": 2}
    assert (await state(records, batch))["status"] == "cancelled"


async def test_cancelling_a_batch_whose_jobs_an_older_worker_has_ended(records: Records) -> None:
    batch = await made(records, urls(2))
    await ended_by_older_worker(records, batch, 0, "completed")
    assert await records.store.batches.cancel(batch.job_id) is Cancelled.CANCELLED
    assert (await state(records, batch))["status"] == "cancelled"
    assert await counts(records, batch) == {"total": 2, "made": 2, "completed": 1, "cancelled": 1}


async def ended_by_older_worker(records: Records, batch: NewJob, index: int, status: str) -> None:
    """Its scripts know no batches: they write the record anew, without the fields that count the child."""
    name = keys.JOB + child_id(batch.job_id, index)
    message = (await of(records.redis.hget(name, "state"))).decode().replace("queued", status)
    if status == "completed":
        message = message.replace('"downloaded_bytes":null', '"downloaded_bytes":70')[:-2] + ',"result":{"size":60}}}'
    await records.redis.delete(name)
    await of(records.redis.hset(name, mapping={"request": "{}", "state": message, "created": batch.created}))


async def test_children_that_are_cancelled_one_by_one(records: Records) -> None:
    batch = await made(records, urls(2))
    for index in range(2):
        child = await records.store.jobs.read(child_id(batch.job_id, index))
        assert child is not None
        await records.store.jobs.cancel(child)
    assert (await state(records, batch))["status"] == "cancelled"


async def test_a_state_that_was_not_published_at_once_follows(records: Records) -> None:
    batch = await made(records, urls(3))
    for index in range(2):
        await end_child(records, batch, index, completed())
    await records.listen(batch.job_id)
    assert (await counts(records, batch))["completed"] == 2, "the record is never behind"

    (task,), _ = await waited_for_news(records)
    assert task.id == batch.job_id
    for _ in range(2):
        await records.store.batches.publish(batch.job_id)
    (heard,) = await records.heard(batch.job_id)
    assert heard["data"]["batch"]["counts"]["completed"] == 2
    assert not await records.redis.zcard(keys.BATCH_NEWS)


async def waited_for_news(records: Records) -> Any:
    while not (found := await records.store.batches.news.take(1, 30))[0]:
        await records.store.batches.news.wait_for_task(0.05)
    return found


async def test_an_owners_limit_holds_for_children_and_batches(records: Records) -> None:
    """Batches themselves take none of the places that their children need."""
    limits = JobLimits(jobs_waiting=2)
    owner: dict[str, Any] = {"owner": "a", "caller": "owner:a"}
    await made(records, urls(3), limits=limits, owner="b", caller="owner:b")
    first = await new_batch(records, urls(2), limits=limits, **owner)
    second = await new_batch(records, urls(2), limits=limits, **owner)
    with pytest.raises(QuotaExceeded):
        await new_batch(records, urls(1), limits=limits, **owner)

    for batch in (first, second):
        found = await read(records, batch)
        await records.store.batches.make_child(new_child(found, 0, Entry(urls(1)[0])), found.making)
    found = await read(records, first)
    with pytest.raises(QuotaExceeded):
        await records.store.batches.make_child(new_child(found, 1, Entry(urls(1)[0])), found.making)
    assert await counts(records, first) == {"total": 2, "made": 1, "queued": 1}


async def test_a_batch_and_its_jobs_tell_one_receiver(records: Records) -> None:
    events = (EventType.JOB_COMPLETED, EventType.JOB_FAILED, EventType.BATCH_COMPLETED)
    webhook = Webhook("https://hooks.example.org/", events)
    batch = await made(records, [*urls(1), "nonsense"], owner="a", webhook=webhook)
    await made(records, ["nonsense"], owner="b")
    await end_child(records, batch, 0, completed())

    found = []
    while tasks := (await records.store.deliveries.take(10, 30))[0]:  # an unknown receiver gets two at a time
        found += [Delivery.parse(task) for task in tasks]
        for task in tasks:
            await records.store.deliveries.put_back(task, 60)
    assert {each.task.id: each.event.type for each in found} == {
        child_id(batch.job_id, 0): EventType.JOB_COMPLETED,
        child_id(batch.job_id, 1): EventType.JOB_FAILED,
        batch.job_id: EventType.BATCH_COMPLETED,
    }
    assert {(each.owner, each.url) for each in found} == {("a", webhook.url)}
    (last,) = (json.loads(each.event.message)["data"] for each in found if each.task.id == batch.job_id)
    assert (last["status"], last["batch"]["counts"]["failed"]) == ("completed", 1)


async def test_what_a_newer_api_says_of_the_children_is_left_aside(records: Records) -> None:
    batch = await new_batch(records, urls(1))
    key = keys.BATCH + batch.job_id
    making = json.loads(await of(records.redis.hget(key, "making")))
    newer = {**making, "new": 1, "limits": {**making["limits"], "new": 1}}
    await of(records.redis.hset(key, "making", json.dumps(newer)))
    await make(records)
    assert await counts(records, batch) == {"total": 1, "made": 1, "queued": 1}


async def test_the_same_request_makes_one_batch(records: Records) -> None:
    same = urls(2)
    entries = [Entry(url) for url in same]
    jobs = [
        new_job(url="none", kind=JobKind.BATCH, asked={"urls": asked}, idempotency_key="k", public_root="https://h")
        for asked in ("1", "1", "2")
    ]
    outcomes = [await records.store.batches.create(job, entries, CAP, 2**30) for job in jobs[:2]]
    assert [each.outcome for each in outcomes] == [Outcome.CREATED, Outcome.REPLAYED]
    with pytest.raises(IdempotencyMismatch):
        await records.store.batches.create(jobs[2], entries, CAP, 2**30)
    assert await records.redis.zcard(keys.BATCHES) == 1


async def test_a_playlist_grows_while_its_children_are_made(records: Records) -> None:
    batch = await new_batch(records, PlaylistRequest("https://example.com/list"))
    store, batch_id = records.store.batches, batch.job_id
    assert await counts(records, batch) == {}
    page = [Entry(url, title="T") for url in urls(3)]
    assert await store.add_entries(batch_id, 0, page[:2], title='A "list"') == 2
    assert await store.add_entries(batch_id, 0, page[:2]) == 2, "the reply was lost"
    assert await store.add_entries(batch_id, 1, page[1:]) == 3, "a page that begins earlier adds what is new"
    assert await store.read_entries(batch_id) == page
    assert (await state(records, batch))["title"] == 'A "list"'
    assert (await read(records, batch)).total is None
    await store.add_entries(batch_id, 3, (), complete=True)
    assert await counts(records, batch) == {"total": 3}


async def test_entries_take_half_of_the_memory_for_what_waits(records: Records) -> None:
    """The rest is for the jobs that are made of them. What ends a list needs no room."""
    batch = await new_batch(records, PlaylistRequest("https://example.com/list"))
    store, batch_id, found = records.store.batches, batch.job_id, [Entry(urls(1)[0])]
    taken = int(await of(records.redis.hget(keys.ROOM, "open")))
    with pytest.raises(RedisFull):
        await store.add_entries(batch_id, 0, found, 2 * taken)
    assert await store.add_entries(batch_id, 0, found, 2 * taken + 1000) == 1
    with pytest.raises(RedisFull):
        await store.add_entries(batch_id, 1, (), 2 * taken)
    assert await store.add_entries(batch_id, 1, (), 2 * taken, complete=True) == 1
    assert await counts(records, batch) == {"total": 1}


async def test_what_was_left_out_of_a_playlist_is_told_to_the_end(records: Records) -> None:
    batch = await new_batch(records, PlaylistRequest("https://example.com/list"))
    warnings = [BatchWarning.of_limit(1000), BatchWarning.of_long_list(5000)]
    await records.store.batches.add_entries(batch.job_id, 0, [Entry("x")], warnings=warnings)
    assert [each["message"] for each in (await state(records, batch))["batch"]["warnings"]] == [
        "The playlist has more videos. One batch takes 1,000 of them at the most; `items` names others.",
        "The playlist is longer than what is read of it: 5,000 entries at the most.",
    ]
    await records.store.batches.add_entries(batch.job_id, 1, (), complete=True)
    await make(records)
    told = await state(records, batch)
    assert told["status"] == "failed"
    assert {each["code"] for each in told["batch"]["warnings"]} == {"videos_left_out"}


async def test_an_empty_playlist_completes(records: Records) -> None:
    batch = await new_batch(records, PlaylistRequest("https://example.com/list"))
    await records.store.batches.add_entries(batch.job_id, 0, (), complete=True)
    assert (await state(records, batch))["status"] == "completed"


async def test_a_playlist_that_can_not_be_read_fails_after_its_children(records: Records) -> None:
    batch = await new_batch(records, PlaylistRequest("https://example.com/list"))
    found = await read(records, batch)
    await records.store.batches.add_entries(batch.job_id, 0, [Entry(urls(1)[0])])
    await records.store.batches.make_child(new_child(found, 0, Entry(urls(1)[0])), found.making)
    await records.store.batches.fail(batch.job_id, Failure.of(ErrorCode.PRIVATE))
    assert (await state(records, batch))["status"] == "queued"
    with pytest.raises(BatchMovedOn):
        await records.store.batches.add_entries(batch.job_id, 1, [Entry(urls(1)[0])])
    await end_child(records, batch, 0, completed())
    told = await state(records, batch)
    assert (told["status"], told["error"]["code"], told["batch"]["counts"]["completed"]) == ("failed", "private", 1)


async def test_children_that_an_older_worker_has_ended_are_counted_later(records: Records) -> None:
    batch = await made(records, urls(4))
    running, gone = (keys.JOB + child_id(batch.job_id, index) for index in (1, 2))
    await ended_by_older_worker(records, batch, 0, "completed")
    await records.redis.delete(gone)
    moved = (await of(records.redis.hget(running, "state"))).decode().replace("queued", "processing")
    moved = moved.replace('"downloaded_bytes":null', '"downloaded_bytes":5').replace('"progress":0', '"progress":40')
    await of(records.redis.hset(running, "state", moved))

    for _ in range(2):
        await records.store.batches.settle(await read(records, batch))
        expected = {"total": 4, "made": 4, "queued": 1, "processing": 1, "completed": 1, "failed": 1}
        assert await counts(records, batch) == expected
        told = await state(records, batch)
        assert (told["batch"]["size"], told["downloaded_bytes"], told["progress"]) == (60, 75, (40 + 200) / 4)

    await end_child(records, batch, 1, completed(9, 9))
    told = await state(records, batch)
    assert (told["batch"]["size"], told["downloaded_bytes"], told["progress"]) == (69, 79, 75), "counted once"


async def test_a_batch_all_of_whose_children_an_older_worker_has_failed(records: Records) -> None:
    batch = await made(records, urls(2))
    for index in range(2):
        await ended_by_older_worker(records, batch, index, "failed")
    await records.store.batches.settle(await read(records, batch))
    told = await state(records, batch)
    assert (told["status"], told["error"]["code"], told["batch"]["counts"]["failed"]) == ("failed", "batch_failed", 2)


async def test_the_list_of_a_batchs_jobs(records: Records) -> None:
    batch = await made(records, [*urls(250), "nonsense"], owner="a")
    found, place, pages = [], None, 0
    which = JobFilter("a", batch=batch.job_id)
    while pages == 0 or place:
        page = await records.store.job_lists.read_page(which, 90, place)
        found += page.jobs
        place, pages = page.next_place, pages + 1
    assert [job.parent for job in found] == [ChildPlace(batch.job_id, index) for index in range(251)]
    assert pages == 3
    failed = await records.store.job_lists.read_page(JobFilter("a", frozenset({Status.FAILED}), batch=batch.job_id), 9)
    assert [(job.url, job.state["error"]["code"]) for job in failed.jobs] == [("nonsense", "invalid_url")]
    other = await records.store.job_lists.read_page(JobFilter("b", batch=batch.job_id), 9)
    assert (other.jobs, other.next_place) == ([], None)
    kinds = [JobFilter("a", kind=kind) for kind in (JobKind.BATCH, JobKind.PROBE)]
    assert [len((await records.store.job_lists.read_page(each, 9)).jobs) for each in kinds] == [1, 0]


async def test_a_batch_that_is_taken_again_and_again_stays_one(records: Records) -> None:
    await new_batch(records, urls(1))
    task = await take_batch(records)
    assert (await records.store.batches.tasks.take(1, 30))[0] == []
    assert await records.store.batches.tasks.put_back(task)
