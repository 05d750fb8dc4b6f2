"""One attempt, with a child that does what it likes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.hostile_children import hostile_zygote
from support.metrics import worker_metrics
from support.pauses import pass_time, pause_key, seconds_left, tend
from support.records import Records, of
from support.zygotes import LOOPBACK
from unit.common.store.conftest import records, shared_server
from vidferry_common.bucket import BucketSettings, open_bucket
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure, JobFailure
from vidferry_common.contract.identity import Identity
from vidferry_common.contract.messages import queued_update
from vidferry_common.metrics.catalogue import FencedWrite
from vidferry_common.store import Cause, DownloadRecord, NewJob, Refusal, Requeue, RequeueOutcome, bundles
from vidferry_worker.attempt.attempt import Attempt
from vidferry_worker.attempt.publisher import Publisher
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.engine import image_engine
from vidferry_worker.children.memory_cgroup import MemoryCgroup
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.children.zygotes import Zygotes
from vidferry_worker.context import WorkerContext
from vidferry_worker.cookies.directory import CookieDirectory
from vidferry_worker.fragment_budget import FragmentBudget
from vidferry_worker.network.proxy import Proxy
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites.file import SitesFile
from vidferry_worker.sites.rules import SiteRule, SiteRules

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def context(
    records: Records, worker_environment: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[WorkerContext]:
    """Of a worker whose bucket is a folder."""
    told = {"bucket": f"file://{tmp_path}/bucket", "signing_key": "k" * 32}
    bucket = open_bucket(BucketSettings.model_validate(told))
    settings = WorkerSettings.model_validate({**told, "redis_url": "redis://127.0.0.1"})
    async with hostile_zygote(LOOPBACK, Confinement(), tmp_path) as zygote:
        work = tmp_path / "work"
        await asyncio.to_thread(work.mkdir)
        yield WorkerContext(
            settings,
            records.store,
            bucket,
            Zygotes(lambda: zygote),
            FragmentBudget(1),
            worker_metrics(),
            MemoryCgroup.of_process(),
            uploads_while_downloading=False,
            folder=work,
            cookies=CookieDirectory(None),
            sites=SitesFile(None, settings.site_rule),
        )
    await bucket.close()


@pytest.fixture
async def publisher(records: Records) -> AsyncIterator[Publisher]:
    publisher = Publisher(records.store)
    sending = asyncio.create_task(publisher.run())
    yield publisher
    sending.cancel()


async def test_what_a_child_writes_after_its_end_changes_no_object(
    records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    """A file that is given to a folder becomes the object itself."""
    job, claim = await records.claimed(await records.created(url="https://site.example/writing_on"))
    await Attempt(context, publisher, claim).run()
    assert (await ended(records, job))["status"] == "completed"
    name = Identity("x", "site.example", "1", page=claim.url).object_name(claim.format.canonical())
    stored, data = await context.bucket.read(name, 2 * 2**20)
    assert stored.size == len(data) == 2**20 + 12
    assert await asyncio.to_thread(lambda: list(context.folder.iterdir())) == []


async def test_one_that_learns_again_that_it_is_lost_ends_all_the_same(
    records: Records,
    context: WorkerContext,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its lease tells it, and then its messages, while it looks at who runs now."""
    _, claim = await records.claimed(await records.created(url="https://site.example/silent"))
    look = records.store.downloads.read

    async def look_and_learn(download_id: str) -> DownloadRecord | None:
        attempt.abandon()
        return await look(download_id)

    monkeypatch.setattr(records.store.downloads, "read", look_and_learn)
    await records.store.downloads.requeue(claim.download_id, claim.attempt, Requeue(Cause.HANDOVER, queued_update()))
    attempt = Attempt(context, publisher, claim)
    await attempt.run()
    assert attempt.lost
    assert "attempt lost its lease to another attempt" in caplog.messages
    assert context.metrics.leases_lost.values == {(): 1}
    assert context.metrics.fenced_writes.values["message",] == 1
    assert context.metrics._attempts.values["site.example", "stopped"] == 1


async def test_what_an_extractor_does_not_understand_is_tried_once_more(
    records: Records, context: WorkerContext, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    job, claim = await records.claimed(await records.created(url="https://www.site.example/outdated"))
    await Attempt(context, publisher, claim).run()
    record = await records.store.jobs.read(job.job_id)
    assert record
    assert (record.state["status"], record.state["retries"], record.state["max_retries"]) == ("queued", 1, 1)

    _, again = await records.claimed(job, 2)
    await Attempt(context, publisher, again).run()
    error = (await ended(records, job))["error"]
    assert error == asdict(Failure.of(ErrorCode.EXTRACTOR_OUTDATED, "", "site.example", "2026.1.2"))
    told = [vars(each) for each in caplog.records if each.message == "attempt failed"]
    expected = {
        "site": "site.example",
        "yt_dlp_version": "2026.1.2",
        "code": "extractor_outdated",
        "job_ids": [job.job_id],
    }
    assert [{name: each[name] for name in expected} for each in told] == [expected] * 2
    assert {each["detail"] for each in told} == {"Unable to extract; https://cdn.example/v.mp4?…"}
    assert context.metrics._attempts.values["site.example", "service"] == 2


async def test_a_refusal_pauses_the_way_that_the_attempt_took(
    records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    _, claim = await records.claimed(await records.created(url="https://site.example/limited"))
    attempt = Attempt(context, publisher, claim)
    context.sites.rules = SiteRules(SiteRule(proxy=Proxy("http", "127.0.0.1", 9)))  # the file changes
    await attempt.run()

    assert await records.redis.zrange(keys.PAUSES, 0, -1) == [pause_key().encode()]


async def test_a_site_that_refuses_pauses_and_no_try_is_burnt(
    records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    job, claim = await records.claimed(await records.created(url="https://www.site.example/limited"))
    other = await records.created(url="https://site.example/other")
    await Attempt(context, publisher, claim).run()
    state = (await records.read(job)).state

    assert (state["status"], state["retries"], state["pause_code"]) == ("queued", 0, "rate_limited")
    assert state["message"].startswith("site.example asks for fewer requests. This download goes on after ")
    assert 110 < await seconds_left(records, pause_key("site.example")) <= 120, "as the site asks"
    assert await records.picked() == []
    await pass_time(records)
    assert await records.picked() == [other.download_id]


async def test_a_pause_that_comes_after_another_attempt_has_begun_is_a_refused_write(
    records: Records, context: WorkerContext, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = records.store.pauses.refuse

    async def refuse_late(download_id: str, attempt: int, *told: Any) -> RequeueOutcome:
        handover = Requeue(Cause.HANDOVER, queued_update())
        await records.store.downloads.requeue(download_id, attempt, handover)
        return await refuse(download_id, attempt, *told)

    monkeypatch.setattr(records.store.pauses, "refuse", refuse_late)
    _, claim = await records.claimed(await records.created(url="https://site.example/limited"))
    await Attempt(context, publisher, claim).run()

    assert context.metrics.fenced_writes.values[(FencedWrite.REQUEUE,)] == 1


@pytest.mark.parametrize(("path", "answers"), [("removed", True), ("writing_on", True), ("outdated", False)])
async def test_a_trial_shows_whether_its_site_answers(
    path: str, answers: bool, records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    """A video does, and so does a failure of its own, but none that a site in need of a rest may cause."""
    job, following = [await records.created(url=f"https://site.example/{each}") for each in (path, "following")]
    await records.store.pauses.refuse_look(Refusal(ErrorCode.BOT_CHECK, job.url), context.settings.pause_rule)
    assert await records.picked() == []
    await pass_time(records)
    assert await records.picked() == [job.download_id]
    _, claim = await records.claimed(job)

    await Attempt(context, publisher, claim).run()
    await tend(records)

    assert await records.redis.exists(pause_key("site.example")) == (not answers)
    assert await records.picked() == [following.download_id]


async def test_that_try_is_its_own_also_after_tries_for_other_failures(
    records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    job = await records.created(url="https://site.example/outdated")
    for attempt in range(1, context.settings.retries + 1):
        await records.claimed(job, attempt)
        await records.retried(job, attempt)
    last = context.settings.retries + 1

    _, claim = await records.claimed(job, last)
    await Attempt(context, publisher, claim).run()
    state = (await records.read(job)).state
    assert (state["status"], state["retries"], state["max_retries"]) == ("queued", last, last)
    _, again = await records.claimed(job, last + 1)
    await Attempt(context, publisher, again).run()

    assert (await ended(records, job))["status"] == "failed"


async def test_without_retries_it_is_not_tried_again(
    records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    job, claim = await records.claimed(await records.created(url="https://site.example/outdated"))
    settings = context.settings.model_copy(update={"retries": 0})
    await Attempt(replace(context, settings=settings), publisher, claim).run()

    assert (await ended(records, job))["status"] == "failed"


async def test_what_an_extractor_does_not_understand_waits_for_a_newer_one(
    records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    await of(records.redis.hset(keys.LEADER, "worker", "leader"))
    await records.store.bundles.check_look_due("leader", 9999)
    job, claim = await records.claimed(await records.created(url="https://site.example/outdated"))

    await Attempt(context, publisher, claim).run()

    assert await records.store.bundles.check_look_due("leader", 9999) == 0, "it has asked for a look"
    state = (await records.read(job)).state
    assert state["message"] == (
        "This service doesn't understand what the site sent, and looks for a newer yt-dlp. "
        "Vidferry will try again automatically."
    )
    until = datetime.fromisoformat(state["retry_at"]).timestamp()
    assert until == pytest.approx(await records.now_ms() / 1000 + bundles.LONGEST_WAIT, abs=60)
    await records.store.bundles.check_look_due("leader", 9999, ended=True)
    assert await records.picked() == [job.download_id]
    _, again = await records.claimed(job, 2)
    assert again.outdated == image_engine().yt_dlp
    await Attempt(context, publisher, again).run()
    assert (await ended(records, job))["status"] == "failed"


async def test_attempts_are_counted_for_the_yt_dlp_that_they_ran(
    records: Records, context: WorkerContext, publisher: Publisher
) -> None:
    version = image_engine().yt_dlp
    for path in ("outdated", "writing_on", "silent"):
        _, claim = await records.claimed(await records.created(url=f"https://{path}.example/{path}"))
        attempt = Attempt(context, publisher, claim)
        if path == "silent":
            attempt.abandon()
        await attempt.run()

    assert context.metrics.yt_dlp_attempts.read() == {
        (version, "worked"): 1, (version, "blamed"): 1, (version, "excused"): 0,
    }  # fmt: skip
    counted = f"{keys.YT_DLP_ATTEMPTS}:{version}"
    found = [await records.redis.zrange(counted + outcome, 0, -1) for outcome in (keys.WORKED, keys.FAILED)]
    assert [[pair.split()[-1] for pair in pairs] for pairs in found] == [[b"writing_on.example"], [b"outdated.example"]]


async def test_an_attempt_whose_zygote_forks_no_child_is_counted_too(
    records: Records, context: WorkerContext, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Zygote, "fork", refuse_to_fork)
    _, claim = await records.claimed(await records.created(url="https://example.com/a"))
    await Attempt(context, publisher, claim).run()

    assert context.metrics.yt_dlp_attempts.read()[image_engine().yt_dlp, "blamed"] == 1


async def test_a_setting_that_is_wrong_is_not_blamed_on_yt_dlp(
    records: Records, context: WorkerContext, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise JobFailure(ErrorCode.INTERNAL, "there is no such browser", final=True)

    monkeypatch.setattr(Zygote, "fork", fail)
    job, claim = await records.claimed(await records.created(url="https://example.com/a"))
    await Attempt(context, publisher, claim).run()

    assert (await ended(records, job))["status"] == "failed"
    assert context.metrics.yt_dlp_attempts.read().get((image_engine().yt_dlp, "blamed"), 0) == 0


async def refuse_to_fork(*_: object) -> None:
    raise OSError("it has died")


async def ended(records: Records, job: NewJob) -> dict[str, object]:
    record = await records.store.jobs.read(job.job_id)
    assert record
    return dict(record.state)
