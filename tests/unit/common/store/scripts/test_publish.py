import asyncio
from typing import Any

import pytest

from support.records import ROOT, Records, body, of, progress, seqs
from vidferry_common.contract import keys
from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import Update, job_link, public_link, queued_update
from vidferry_common.contract.stages import DONE, INFO, NEW_VIDEO, STARTED, Stage, Status
from vidferry_common.store import Cause, DownloadStatus, Ending, Requeue

pytestmark = pytest.mark.anyio


def done(**changes: Any) -> bytes:
    return Update(Status.COMPLETED, Stage.DONE, 100, DONE.message, 1, **changes).body()


async def test_only_the_next_attempt_is_claimed(records: Records) -> None:
    job = await records.created()
    claims = [await records.store.leases.claim(job.download_id, attempt, 60, "worker") for attempt in (0, 2, -1, 1, 2)]

    assert [claim is not None for claim in claims] == [False, False, False, True, False]
    assert await records.store.leases.claim(job.download_id, 1, 60, "another worker") is None
    claim = claims[3]
    assert claim is not None
    assert (claim.attempt, claim.url, claim.format, claim.retries) == (1, job.url, job.format, 0)
    assert claim.traceparent == job.traceparent
    assert claim.last == queued_update()
    assert await records.store.leases.claim("no-such-download", 1, 60, "worker") is None


async def test_of_twenty_at_once_one_gets_it(records: Records) -> None:
    job = await records.created()
    claims = await asyncio.gather(*(records.store.leases.claim(job.download_id, 1, 60, f"w{n}") for n in range(20)))

    assert sum(claim is not None for claim in claims) == 1


async def test_a_message_is_stored_before_it_is_sent_and_is_the_same(records: Records) -> None:
    job, claim = await records.claimed()
    await records.listen(job.job_id)

    assert await records.store.downloads.publish(claim, body(STARTED), step=True) == [job.job_id]
    assert await records.store.downloads.publish(claim, body(INFO), step=False) == [job.job_id]

    heard = await records.heard(job.job_id)
    assert progress(heard) == [5, 10]
    assert await records.state(job.job_id) == heard[-1]
    assert await records.history(job.job_id) == heard[:1]  # a step is kept, plain progress is not
    assert [message.get("step") for message in heard] == [True, None]
    assert [message["cursor"] for message in heard] == [f"{job.epoch}-2", f"{job.epoch}-3"]


async def test_a_stale_fence_leaves_no_trace(records: Records) -> None:
    job, stale = await records.claimed()
    await records.end_lease(job.download_id)
    await records.store.downloads.requeue(job.download_id, 1, Requeue(Cause.WORKER_LOSS, queued_update(), limit=2))
    for taken in (False, True):  # refused while it waits, and when another has it
        if taken:
            await records.claimed(job, attempt=2)
        await records.listen(job.job_id)
        before = await records.dump()

        assert await records.store.downloads.publish(stale, body(INFO), step=True) is None
        assert await records.store.downloads.finish(stale, done(), Ending("forged")) is None
        assert (
            await records.store.downloads.requeue(job.download_id, 1, Requeue(Cause.RETRY, queued_update(), limit=9))
            == "stale"
        )
        assert await records.store.leases.renew({job.download_id: 1}, 60) == {job.download_id}

        assert await records.dump() == before
        assert await records.heard(job.job_id) == []


async def test_seq_rises_over_all_attempts(records: Records) -> None:
    job, claim = await records.claimed()
    await records.listen(job.job_id)
    for attempt in (1, 2, 3):
        await records.step(claim)
        how = Requeue(Cause.RETRY, queued_update(), limit=9)
        assert await records.store.downloads.requeue(job.download_id, attempt, how) == "requeued"
        _, claim = await records.claimed(job, attempt + 1)
    await records.store.downloads.finish(claim, done(), Ending())

    heard = seqs(await records.heard(job.job_id))
    assert heard == list(range(2, 2 + len(heard)))
    assert len(heard) == 3 * 4 + 1
    history = seqs(await records.history(job.job_id))
    assert history == sorted(set(history))


async def test_marks_become_each_jobs_own_links(records: Records) -> None:
    one, claim = await records.claimed(await records.created(url="https://example.com/x"))
    # Whatever a replacement pattern could mean to Lua is to stay text.
    other = await records.created(url="https://example.com/x", public_root="http://b%1%0:3001")
    title = '%0 %1 %% \x01 \x02 "quoted" \\1 🌅'

    await records.store.downloads.finish(
        claim,
        done(title=title, has_thumbnail=True, result={"url": public_link("/f?x=%20"), "file_url": job_link("file")}),
        Ending(),
    )

    for job, root in ((one, ROOT), (other, "http://b%1%0:3001")):
        data = (await records.state(job.job_id))["data"]
        assert data["title"] == title
        assert data["thumbnail"] == f"{root}/api/jobs/{job.job_id}/thumbnail"
        assert data["result"] == {"url": f"{root}/f?x=%20", "file_url": f"{root}/api/jobs/{job.job_id}/file"}


async def test_an_end_ends_every_job_and_nothing_comes_after_it(records: Records) -> None:
    first, claim = await records.claimed(await records.created(url="https://example.com/x"))
    second = await records.created(url="https://example.com/x")

    told = await records.store.downloads.finish(claim, done(), Ending("videos/x", "7"))

    assert told is not None
    assert sorted(told) == sorted([first.job_id, second.job_id])
    assert (await records.download(first.download_id)).status is DownloadStatus.ENDED
    for job in (first, second):
        found = await records.read(job)
        assert (found.object, found.version) == ("videos/x", "7")
    assert await records.redis.zcard(keys.LEASES) == 0
    before = await records.dump()
    assert await records.store.downloads.publish(claim, body(INFO), step=True) is None
    assert await records.store.downloads.finish(claim, body(INFO), Ending()) is None
    assert await records.dump() == before


async def test_a_job_that_has_ended_hears_no_more_of_its_download(records: Records) -> None:
    """Where the fence still holds, as for a job that was cancelled while others wait on."""
    job, claim = await records.claimed()
    await of(records.redis.hdel(keys.JOB + job.job_id, "epoch"))  # as none has that has ended
    before = await records.state(job.job_id)

    await records.store.downloads.publish(claim, body(INFO), step=True)

    assert await records.state(job.job_id) == before
    assert await records.history(job.job_id) == []


async def test_what_an_address_led_to_is_known_to_the_next_claim_of_it(records: Records) -> None:
    _, claim = await records.claimed(await records.created(url="https://example.com/x"))
    assert claim.known_object == ""
    await records.store.downloads.finish(claim, done(), Ending(leads_to="videos/x", known_for=60))

    for url, fmt, known in (
        ("https://example.com/x", "1080-any", "videos/x"),
        ("https://example.com/x", "720-any", ""),
        ("https://example.com/y", "1080-any", ""),
    ):
        _, again = await records.claimed(await records.created(url=url, format=Format.parse(fmt)))
        assert again.known_object == known
        await records.store.downloads.finish(again, done(), Ending(leads_to="videos/forgotten", known_for=0))
    (key,) = await records.redis.keys(keys.OBJECT_BY_URL + "*")
    assert 50 < await records.redis.ttl(key) <= 60


async def test_after_the_end_the_address_starts_anew(records: Records) -> None:
    first, claim = await records.claimed(await records.created(url="https://example.com/x"))
    await records.store.downloads.finish(claim, done(), Ending())
    assert await records.redis.keys(keys.DOWNLOAD_BY_URL + "*") == []

    second = await records.created(url="https://example.com/x")

    found = await records.store.jobs.read(second.job_id)
    assert found is not None
    assert (found.download_id, found.status) == (second.download_id, Status.QUEUED)
    assert found.download_id != first.download_id


async def test_the_end_of_an_older_download_keeps_a_newer_ones_address(records: Records) -> None:
    url = "https://example.com/x"
    _, claim = await records.claimed(await records.created(url=url))
    (key,) = await records.redis.keys(keys.DOWNLOAD_BY_URL + "*")
    await records.redis.set(key, "newer")

    await records.store.downloads.finish(claim, done(), Ending())

    assert await records.redis.get(key) == b"newer"


async def test_what_a_gateway_reads_is_complete(records: Records) -> None:
    job, claim = await records.claimed()
    await records.step(claim, *NEW_VIDEO[:-1])
    await records.store.downloads.finish(claim, done(result={"title": "T"}), Ending())

    history, state = await records.history(job.job_id), await records.state(job.job_id)
    assert progress(history) == [5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100]
    assert seqs(history) == sorted(set(seqs(history)))
    assert history[-1] == state
    for message in [*history, state]:
        assert set(message) == {"v", "type", "step", "cursor", "traceparent", "data"}
        assert (message["v"], message["type"], message["traceparent"]) == (1, "status", job.traceparent)
        assert message["cursor"] == f"{job.epoch}-{message['data']['seq']}"
        assert {"job_id", "seq", "status", "stage", "progress", "message", "attempt", "timestamp"} <= set(
            message["data"]
        )


async def test_history_is_bounded_and_keeps_the_newest(records: Records) -> None:
    job, claim = await records.claimed()
    for number in range(70):
        await records.store.downloads.publish(claim, b'"progress":%d' % number, step=True)

    assert progress(await records.history(job.job_id)) == list(range(6, 70))
    assert await of(records.redis.llen(keys.DOWNLOAD + job.download_id + keys.STEPS)) == 64
