"""Which messages carry a job's whole document, and what is in it."""

from typing import Any

import orjson
import pytest

from support.records import ROOT, Records, body, of
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import ENVELOPE, queued_update
from vidferry_common.contract.stages import DOWNLOAD_STARTED, INFO, STARTED
from vidferry_common.store import Ending, NewJob, fixed_fields

pytestmark = pytest.mark.anyio
FAILED = queued_update().as_failed(ErrorCode.UNAVAILABLE).body()
LABELS: dict[str, Any] = {
    "external_id": 'a "quoted\\" \x7f',
    "metadata": {"attempt": 9, "progress": 77.5, "status": "failed", "x": "\x01\x02"},
}  # fmt: skip
OF_GET = {"kind", "url", "format", "priority", "force", "retry_of", "created_at", "external_id", "metadata",
          "parent", "batch", "status_url", "ws_url", "events_url", "cursor", "expires_at"}  # fmt: skip


def whole(message: dict[str, Any], job: NewJob) -> bool:
    """Whether it carries the whole document of that job; if not, it has nothing of it."""
    data, fixed = message["data"], fixed_fields(job)
    if not OF_GET & data.keys():
        return False
    assert {name: data[name] for name in fixed} == orjson.loads(orjson.dumps(fixed))
    assert data["status_url"] == f"{ROOT}/api/jobs/{job.job_id}"
    assert data["events_url"] == f"{ROOT}/sse/download/{job.job_id}"
    assert data["ws_url"] == f"{ROOT.replace('http', 'ws')}/ws/download/{job.job_id}"
    assert data["cursor"] == message["cursor"]
    assert data.keys() >= OF_GET
    return True


async def test_steps_and_the_first_message_are_whole(records: Records) -> None:
    job = await records.created(**LABELS)
    assert whole(await records.state(job.job_id), job)
    await records.listen(job.job_id)
    _, claim = await records.claimed(job)
    await records.step(claim, STARTED)
    await records.store.downloads.publish(claim, body(INFO), step=False)
    await records.step(claim, DOWNLOAD_STARTED)
    await records.store.downloads.finish(claim, FAILED, Ending())

    heard = await records.heard(job.job_id)
    assert [whole(message, job) for message in heard] == [True, False, True, True]
    assert [message["data"]["expires_at"] is None for message in heard if whole(message, job)] == [True, True, False]
    assert heard[-1]["data"]["expires_at"] > heard[-1]["data"]["timestamp"]
    assert await records.state(job.job_id) == heard[-1]
    found = await records.read(job)
    assert {"external_id": found.external_id, "metadata": found.metadata} == LABELS


async def test_the_envelope_is_as_the_gateway_reads_it(records: Records) -> None:
    job, claim = await records.claimed(await records.created(**LABELS))
    await records.step(claim, STARTED)

    raw = await of(records.redis.hget(keys.JOB + job.job_id, "state"))
    found = ENVELOPE.match(raw)
    assert found is not None
    assert (found["status"], found["stage"]) == (b"processing", b"started")


async def test_a_job_that_attaches_is_told_its_own_document(records: Records) -> None:
    first, claim = await records.claimed()
    await records.step(claim, STARTED)
    await records.store.downloads.publish(claim, body(INFO), step=False)
    late = await records.created(url=first.url, **LABELS)

    assert whole(await records.state(late.job_id), late)
    assert [whole(message, late) for message in await records.history(late.job_id)] == [True]


async def test_a_job_that_moves_keeps_its_document(records: Records) -> None:
    """And its metadata count for nothing where scripts read progress and attempt out of messages."""
    _, claim = await records.claimed()
    await records.store.downloads.claim_object(claim, "object")
    await records.step(claim, STARTED, INFO)
    moving, other = await records.claimed(await records.created(**LABELS))
    await records.step(other, STARTED)
    assert await records.store.downloads.claim_object(other, "object") is False
    await records.step(claim, DOWNLOAD_STARTED)

    history = await records.history(moving.job_id)
    assert [message["data"]["progress"] for message in history] == [5, 10, 20]
    assert all(whole(message, moving) for message in history)


async def test_a_job_of_the_release_before_goes_on(records: Records) -> None:
    """Its record has no document, and stands in no index."""
    job, claim = await records.claimed()
    await of(records.redis.hdel(keys.JOB + job.job_id, "document", "site", "owner"))
    await of(records.redis.delete(keys.JOBS_BY_OWNER, keys.OPEN_JOBS))
    await records.step(claim, STARTED)
    assert not whole(await records.state(job.job_id), job)

    await records.store.downloads.finish(claim, FAILED, Ending())
    found = await records.read(job)
    assert (found.status, found.url, found.external_id, found.metadata) == ("failed", job.url, None, None)
