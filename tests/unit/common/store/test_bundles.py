"""The records of bundles: who may publish, what is never taken, what workers report, and how attempts are counted."""

from dataclasses import replace

import pytest

from support.records import Records, at, of
from vidferry_common.contract import keys
from vidferry_common.contract.bundles import MAX_REASON, Bundle, Versions
from vidferry_common.contract.stages import INFO, Status
from vidferry_common.store import (
    CallerAtSite,
    Cause,
    Publishing,
    Requeue,
    RequeueOutcome,
    Tally,
    WorkerReport,
    bundles,
)

pytestmark = pytest.mark.anyio
LEADER, OLD, NEW = "leader", "2026.10.26", "2026.11.20"


def bundle(version: str = NEW, previous: str = OLD) -> Bundle:
    return Bundle(version, "0.8.1", f"system/bundles/{version}/manifest.json", "0f" * 32, previous)


async def lead(records: Records, worker: str = LEADER) -> None:
    await of(records.redis.hset(keys.LEADER, "worker", worker))


async def publish(records: Records, *published: Bundle) -> None:
    await lead(records)
    for each in published:
        assert await records.store.bundles.publish(LEADER, each) is Publishing.PUBLISHED


async def test_a_bundle_is_the_fleets_once_it_is_published(records: Records) -> None:
    assert await records.store.bundles.current() is None
    await publish(records, bundle())

    current = await records.store.bundles.current()

    assert current is not None
    assert replace(current, published=0) == bundle()
    assert current.published == pytest.approx(await records.now_ms(), abs=60_000)


async def test_a_leader_that_was_replaced_publishes_nothing(records: Records) -> None:
    await publish(records, bundle())
    await lead(records, "another")

    assert await records.store.bundles.publish(LEADER, bundle("2026.12.1", NEW)) is Publishing.NOT_LEADER
    assert not await records.store.bundles.roll_back(LEADER, NEW, "it is bad")
    assert (await records.store.bundles.held(), await version(records)) == ({}, NEW)


async def test_nobody_publishes_where_nobody_leads(records: Records) -> None:
    assert await records.store.bundles.publish("", bundle()) is Publishing.NOT_LEADER


async def version(records: Records) -> str:
    current = await records.store.bundles.current()
    return current.version if current else ""


async def test_a_publication_again_after_a_lost_reply_changes_nothing(records: Records) -> None:
    await publish(records, bundle(OLD, ""), bundle())
    before = await records.dump()

    await publish(records, bundle())

    assert await records.dump() == before


async def test_a_held_version_is_not_published(records: Records) -> None:
    await lead(records)
    await records.store.bundles.hold(NEW, "its canary failed")
    await records.store.bundles.hold(NEW, "another reason")

    assert await records.store.bundles.publish(LEADER, bundle()) is Publishing.HELD
    assert await records.store.bundles.current() is None
    assert (await records.store.bundles.held())[NEW].reason == "its canary failed"


async def test_the_fleet_goes_back_to_the_bundle_before(records: Records) -> None:
    await publish(records, bundle(OLD, ""), bundle())
    first = await records.store.bundles.before()

    assert await records.store.bundles.roll_back(LEADER, NEW, "it is bad")

    assert await records.store.bundles.current() == first
    assert await records.store.bundles.before() is None
    assert (await records.store.bundles.held())[NEW].reason == "it is bad"
    assert await records.store.bundles.publish(LEADER, bundle()) is Publishing.HELD


async def test_the_fleet_goes_back_to_its_image_where_there_was_no_bundle(records: Records) -> None:
    await publish(records, bundle(OLD, ""))
    assert await records.store.bundles.roll_back(LEADER, OLD, "bad")
    await publish(records, bundle())

    assert await records.store.bundles.roll_back(LEADER, NEW, "bad")

    assert await records.store.bundles.current() is None


async def test_a_rollback_again_after_a_lost_reply_leaves_the_bundle_before(records: Records) -> None:
    await publish(records, bundle(OLD, ""), bundle())
    assert await records.store.bundles.roll_back(LEADER, NEW, "bad")

    assert not await records.store.bundles.roll_back(LEADER, NEW, "bad")

    assert await version(records) == OLD


async def test_held_versions_and_reasons_are_bounded(records: Records) -> None:
    for number in range(bundles.MAX_HELD + 3):
        await records.store.bundles.hold(f"1.{number}", "x" * 9999)

    held = await records.store.bundles.held()

    assert len(held) == bundles.MAX_HELD
    assert f"1.{bundles.MAX_HELD + 2}" in held, "the newest stays"
    assert {len(each.reason) for each in held.values()} == {MAX_REASON}
    with pytest.raises(ValueError, match="version"):
        await records.store.bundles.hold("../1", "")


async def test_workers_report_until_their_reports_expire(records: Records) -> None:
    one, two = Versions("0.3.0", OLD, "0.8.0", "2.9.8", "7.1"), Versions("0.3.0", NEW)
    await records.store.bundles.report("b", two, "x" * 9999)
    await records.store.bundles.report("a", one)
    await records.store.bundles.report("a", two)
    await records.store.bundles.report("a", one)

    assert await records.store.bundles.reports() == [WorkerReport("a", one), WorkerReport("b", two, "x" * MAX_REASON)]

    await records.redis.zadd(keys.REPORTING_WORKERS, {"b": await records.now_ms() - 1})
    assert await records.store.bundles.reports() == [WorkerReport("a", one)]
    await records.store.bundles.report("a", one)
    assert await of(records.redis.hlen(keys.WORKER_VERSIONS)) == 1
    assert 0 < await records.redis.pttl(keys.WORKER_VERSIONS) <= bundles.REPORT_SECONDS * 1000


async def test_reports_are_bounded(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_REPORTS", 3)
    for worker in "abcde":
        await records.store.bundles.report(worker, Versions())

    assert [each.worker for each in await records.store.bundles.reports()] == ["c", "d", "e"]
    assert await of(records.redis.hlen(keys.WORKER_VERSIONS)) == 3


async def attempt(records: Records, caller: str, site: str, version: str, *, worked: bool) -> None:
    job, _ = await records.claimed()
    await of(records.redis.hset(keys.DOWNLOAD + job.download_id, mapping={"caller": caller, "site": site}))
    await records.store.bundles.count_attempt(job.download_id, version, worked=worked)


async def test_the_leader_reads_how_a_new_bundle_does_beside_the_one_before(records: Records) -> None:
    await attempt(records, "ann", "a.example", OLD, worked=True)
    await attempt(records, "ann", "b.example", OLD, worked=False)
    await publish(records, bundle())
    await attempt(records, "ann", "a.example", NEW, worked=False)
    await attempt(records, "ann", "a.example", NEW, worked=False)
    await attempt(records, "", "b.example", NEW, worked=True)

    trial = await records.store.bundles.read_trial(LEADER)

    a, b, nobody = CallerAtSite("ann", "a.example"), CallerAtSite("ann", "b.example"), CallerAtSite("", "b.example")
    assert trial == bundles.Trial(
        NEW, Tally(frozenset({a}), frozenset({b})), Tally(frozenset({nobody}), frozenset({a}))
    )
    assert await records.store.bundles.read_trial("another") is None


async def test_a_bundle_is_on_trial_for_an_hour_and_beside_the_last_day(records: Records) -> None:
    await attempt(records, "ann", "a.example", OLD, worked=True)
    await publish(records, bundle())
    now, counted = await records.now_ms(), f"{keys.YT_DLP_ATTEMPTS}:{OLD}{keys.WORKED}"
    await records.redis.zadd(counted, {"ann a.example": now - 25 * 3600_000})
    trial = await records.store.bundles.read_trial(LEADER)
    assert trial is not None
    assert trial.before == Tally()

    await of(records.redis.hset(keys.BUNDLE, mapping={"published": int(now - 3601_000)}))

    assert await records.store.bundles.read_trial(LEADER) is None


async def test_a_bundle_after_an_unknown_version_is_not_on_trial(records: Records) -> None:
    await publish(records, bundle(previous=""))

    assert await records.store.bundles.read_trial(LEADER) is None


async def test_counts_are_bounded_and_expire(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_PAIRS", 5)
    for number in range(9):
        await attempt(records, "ann", f"{number}.example", NEW, worked=True)
    for number in range(bundles.MAX_COUNTED):
        await attempt(records, "ann", "a.example", f"1.{number}", worked=False)

    found = {key.decode() for key in await records.redis.keys(keys.YT_DLP_ATTEMPTS + "*")}

    assert f"{keys.YT_DLP_ATTEMPTS}:{NEW}{keys.WORKED}" not in found, "the oldest version is forgotten"
    assert len(found) == 1 + bundles.MAX_COUNTED
    assert {0 < await records.redis.ttl(key) <= bundles.COUNTED_SECONDS for key in found} == {True}
    for number in range(9):
        await attempt(records, "ann", f"{number}.example", "1.7", worked=True)
    assert await of(records.redis.zcard(f"{keys.YT_DLP_ATTEMPTS}:1.7{keys.WORKED}")) == 5


async def test_an_attempt_whose_download_is_gone_counts_nothing(records: Records) -> None:
    await records.store.bundles.count_attempt("unknown", NEW, worked=True)

    assert await records.redis.keys("*bundle*") == []
    assert await records.redis.keys(keys.YT_DLP_ATTEMPTS + "*") == []


async def test_a_look_is_due_at_once_then_after_the_interval(records: Records) -> None:
    check = records.store.bundles.check_look_due
    assert await check(LEADER, 100) is None, "it does not lead"
    await lead(records)
    assert await check(LEADER, 100) == 0

    assert await check(LEADER, 100, ended=True) == 100

    due = await check(LEADER, 100)
    assert due is not None
    assert 0 < due < 100
    assert await check("another", 100, ended=True) is None


async def test_a_download_asks_for_a_look_and_waits_for_it(records: Records) -> None:
    ask, check = records.store.bundles.ask_for_newer, records.store.bundles.check_look_due
    assert await ask(OLD) is None, "nobody looks"
    await lead(records)
    await check(LEADER, 9999, ended=True)
    assert await ask(OLD) == 0, "a look has just found nothing"
    await of(
        records.redis.hset(keys.BUNDLE_LOOKS, mapping={"looked": await records.now_ms() - bundles.LOOK_PAUSE * 1000})
    )

    assert await ask(OLD) == bundles.LONGEST_WAIT
    assert await check(LEADER, 9999) == 0, "the leader is to look"
    assert await ask(OLD) == bundles.LONGEST_WAIT, "others wait for the same look"

    assert await check(LEADER, 9999, ended=True) == 9999
    assert await ask(OLD) == 0
    await publish(records, bundle())
    assert await ask(OLD) == bundles.SWITCH_SECONDS, "its worker has not switched yet"
    assert await ask(NEW) == 0


async def test_nobody_waits_for_looks_that_have_stopped(records: Records) -> None:
    await lead(records)
    await records.store.bundles.check_look_due(LEADER, 9999)
    await of(records.redis.hset(keys.BUNDLE_LOOKS, mapping={"watched_until": await records.now_ms() - 1}))

    assert await records.store.bundles.ask_for_newer(OLD) is None


async def wait_for_look(records: Records) -> str:
    """A download that failed on a version that is too old, and waits; its id."""
    job, claim = await records.claimed()
    how = Requeue(
        Cause.RETRY, at(INFO).as_waiting("waits"), bundles.LONGEST_WAIT, limit=1, outdated=OLD, awaits_bundle=True
    )
    outcome = await records.store.downloads.requeue(job.download_id, claim.attempt, how)
    assert outcome is RequeueOutcome.REQUEUED
    return job.download_id


async def test_downloads_wait_until_the_look_has_ended(records: Records) -> None:
    await lead(records)
    await records.store.bundles.check_look_due(LEADER, 9999)
    assert await records.store.bundles.ask_for_newer(OLD) == bundles.LONGEST_WAIT
    first = await wait_for_look(records)
    assert await records.store.bundles.check_look_due(LEADER, 9999) == 0
    assert await records.picked() == []
    await records.redis.delete(keys.DOORBELL)

    await records.store.bundles.check_look_due(LEADER, 9999, ended=True)

    assert await of(records.redis.llen(keys.DOORBELL)) == 1
    assert await records.picked() == [first]
    claim = await records.store.leases.claim(first, 2, 60, "worker")
    assert claim is not None
    assert (claim.outdated, claim.retries) == (OLD, 1)
    assert claim.waited < 60
    second = await wait_for_look(records)  # it has asked before the look ended, and arrives afterwards
    await records.store.bundles.check_look_due(LEADER, 9999)
    assert await records.picked() == [second]


async def test_downloads_wait_for_the_fleet_to_switch(records: Records) -> None:
    await publish(records, bundle())
    await records.store.bundles.check_look_due(LEADER, 9999)
    assert await records.store.bundles.ask_for_newer(NEW) == bundles.LONGEST_WAIT
    download = await wait_for_look(records)

    await records.store.bundles.check_look_due(LEADER, 9999, ended=True)

    assert await records.picked() == []
    due = await records.redis.zscore(keys.DELAYED, keys.arq_id(download, 2))
    assert due is not None
    assert due == pytest.approx(await records.now_ms() + bundles.SWITCH_SECONDS * 1000, abs=30_000)
    assert due == await records.redis.zscore(keys.QUEUE, keys.arq_id(download, 2))


async def test_a_cancelled_download_that_waited_is_not_woken(records: Records) -> None:
    await lead(records)
    job = await records.created()
    _, claim = await records.claimed(job)
    how = Requeue(Cause.RETRY, at(INFO).as_waiting(), 900, limit=1, outdated=OLD, awaits_bundle=True)
    await records.store.downloads.requeue(job.download_id, claim.attempt, how)
    await records.cancel(job)

    await records.store.bundles.check_look_due(LEADER, 9999, ended=True)

    assert (await records.read(job)).status is Status.CANCELLED
    assert await records.picked() == []
    assert await records.redis.exists(keys.AWAITING_BUNDLE, keys.DELAYED, keys.QUEUE) == 0
