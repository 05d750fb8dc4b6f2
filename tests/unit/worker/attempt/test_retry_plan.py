"""How often and when a failed download is tried again."""

from dataclasses import replace

import pytest

from support.records import Records, of
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract import keys, stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.store import StoreUnavailable, bundles
from vidferry_worker.attempt.retry_plan import RetryPlan, plan_retry
from vidferry_worker.settings import WorkerSettings

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio
YT_DLP = "2026.10.26"
OUTDATED = JobFailure(ErrorCode.EXTRACTOR_OUTDATED)
REASON = "This service doesn't understand what the site sent."
SETTINGS = WorkerSettings.model_validate({"redis_url": "redis://127.0.0.1", "bucket": "file:///b", "retry_delay": 8})


async def plan(
    records: Records, failure: JobFailure, *, tried: int = 0, outdated: str = "", yt_dlp: str = YT_DLP, retries: int = 3
) -> RetryPlan:
    """Of a download that was tried so often before, with settings that allow so many retries."""
    _, claim = await records.claimed()
    claim = replace(claim, retries=tried, outdated=outdated)
    settings = SETTINGS.model_copy(update={"retries": retries})
    return await plan_retry(failure, claim, yt_dlp, settings, records.store)


async def look_for_bundles(records: Records) -> None:
    await of(records.redis.hset(keys.LEADER, "worker", "leader"))
    assert await records.store.bundles.check_look_due("leader", 9999) is not None


async def test_other_failures_are_tried_as_often_as_the_settings_say(records: Records) -> None:
    await look_for_bundles(records)

    found = await plan(records, JobFailure(ErrorCode.NETWORK), outdated=YT_DLP)

    assert 4 <= found.delay <= 8
    sentence = "The site could not be reached, or the connection broke. Vidferry will try again automatically."
    assert found == RetryPlan(3, found.delay, sentence)
    assert await records.store.bundles.check_look_due("leader", 9999, ended=True) == 9999, "none asks for a look"


async def test_no_try_is_sooner_than_the_site_asked_for(records: Records) -> None:
    found = await plan(records, JobFailure(ErrorCode.NETWORK, retry_after=100))

    assert 100 <= found.delay <= 105


@pytest.mark.parametrize("tried", [0, 2, 3])
async def test_what_is_outdated_is_tried_once_more_whatever_was_tried_before(records: Records, tried: int) -> None:
    found = await plan(records, OUTDATED, tried=tried)

    assert found == RetryPlan(tried + 1, found.delay, f"{REASON} {stages.TRIED_AGAIN}", YT_DLP)


@pytest.mark.parametrize(("outdated", "retries"), [(YT_DLP, 3), ("", 0)])
async def test_the_next_such_failure_is_the_last_and_without_retries_the_first(
    records: Records, outdated: str, retries: int
) -> None:
    await look_for_bundles(records)

    found = await plan(records, OUTDATED, tried=1, outdated=outdated, retries=retries)

    assert (found.limit, found.awaits_bundle) == (1, False), "the next one is the second"
    assert await of(records.redis.hget(keys.BUNDLE_LOOKS, "asked")) is None


async def test_where_somebody_looks_for_bundles_it_waits_for_a_look(records: Records) -> None:
    await look_for_bundles(records)

    found = await plan(records, OUTDATED)

    message = f"{stages.LOOKS_FOR_NEWER} {stages.TRIED_AGAIN}"
    assert found == RetryPlan(1, bundles.LONGEST_WAIT, message, YT_DLP, awaits_bundle=True)
    assert await of(records.redis.hget(keys.BUNDLE_LOOKS, "asked")) is not None


async def test_it_waits_no_shorter_than_the_site_asked_for(records: Records) -> None:
    await look_for_bundles(records)

    found = await plan(records, JobFailure(ErrorCode.EXTRACTOR_OUTDATED, retry_after=2000))

    assert found.delay >= 2000


async def test_without_redis_or_a_version_it_waits_for_nothing(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    await look_for_bundles(records)
    nameless = await plan(records, OUTDATED, yt_dlp="")

    async def refuse(_: str) -> float:
        raise StoreUnavailable

    monkeypatch.setattr(records.store.bundles, "ask_for_newer", refuse)
    cut_off = await plan(records, OUTDATED)

    assert (nameless.awaits_bundle, nameless.outdated) == (False, "unknown")
    assert (cut_off.awaits_bundle, cut_off.outdated) == (False, YT_DLP)
