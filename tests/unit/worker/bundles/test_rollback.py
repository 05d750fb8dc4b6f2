"""When a new bundle is taken back: by the sites that it broke, and by nobody's will."""

from itertools import product

import pytest

from support.metrics import worker_metrics
from support.records import Records, of
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract import keys
from vidferry_common.contract.bundles import Bundle
from vidferry_common.store import CallerAtSite, Tally, Trial
from vidferry_worker.bundles.rollback import RollbackWatch, find_broken_sites
from vidferry_worker.metrics import WorkerMetrics

__all__ = ["records", "shared_server"]


def pairs(callers: str, sites: str) -> frozenset[CallerAtSite]:
    """Each of the callers at each of the sites; one letter each."""
    return frozenset(CallerAtSite(*pair) for pair in product(callers, sites))


NOBODY = pairs("", "")


@pytest.mark.parametrize(
    ("worked_before", "failed_before", "worked", "failed", "broken"),
    [
        pytest.param(pairs("AB", "xyz"), NOBODY, NOBODY, pairs("AB", "xyz"), "xyz", id="all sites, two callers"),
        pytest.param(pairs("AB", "xyz"), NOBODY, NOBODY, pairs("AB", "xy"), "", id="two sites are not enough"),
        pytest.param(
            pairs("AB", "uvwxyz"), NOBODY, pairs("A", "uvw"), pairs("AB", "xyz"), "xyz", id="half of the sites"
        ),
        pytest.param(
            pairs("AB", "tuvwxyz"), NOBODY, pairs("A", "tuvw"), pairs("AB", "xyz"), "", id="fewer than half of them"
        ),
        pytest.param(
            pairs("AB", "xyz"), NOBODY, pairs("A", "x"), pairs("AB", "xyz"), "", id="one works for somebody still"
        ),
        pytest.param(
            NOBODY, pairs("AB", "xyz"), NOBODY, pairs("AB", "xyz"), "", id="they have never worked"
        ),
        pytest.param(NOBODY, NOBODY, NOBODY, pairs("AB", "uvwxyz"), "", id="nothing is known of the version before"),
        pytest.param(
            pairs("A", "xyz"), pairs("BC", "xyz"), NOBODY, pairs("ABC", "xyz"), "", id="they mostly failed before"
        ),
        pytest.param(
            pairs("AB", "xyz"), pairs("AB", "xyz"), NOBODY, pairs("AB", "xyz"), "xyz", id="they failed at times before"
        ),
        pytest.param(
            pairs("A", "xyz"), NOBODY, NOBODY, pairs("A", "xyz"), "xyz", id="the only caller there is"
        ),
        pytest.param(
            pairs("AB", "wxyz"), NOBODY, pairs("B", "w"), pairs("A", "xyz"), "", id="one caller of two"
        ),
        pytest.param(
            pairs("A", "xyz") | pairs("B", "w"), NOBODY, NOBODY, pairs("A", "xyz"), "", id="one caller of its own sites"
        ),
        pytest.param(
            pairs("A", "abcdefghijxyz") | pairs("B", "w"), NOBODY, pairs("B", "w"), pairs("A", "abcdefghijxyz"), "",
            id="one caller with many sites",
        ),
        pytest.param(
            pairs("AB", "wxyz"), NOBODY, NOBODY, pairs("A", "xyz") | pairs("B", "x"), "xyz", id="another one sees it"
        ),
        pytest.param(
            pairs("AB", "wxyz"), NOBODY, pairs("B", "w"), pairs("A", "xyz") | pairs("B", "x"), "xyz",
            id="another one sees it too, and one site that works",
        ),
        pytest.param(
            pairs("AB", "vwxyz"), NOBODY, pairs("B", "vw"), pairs("A", "xyz") | pairs("B", "x"), "",
            id="another one sees it, but mostly sites that work",
        ),
        pytest.param(pairs("AB", "xyz"), NOBODY, NOBODY, NOBODY, "", id="not tried yet"),
    ],
)  # fmt: skip
def test_the_rule(
    worked_before: frozenset[CallerAtSite],
    failed_before: frozenset[CallerAtSite],
    worked: frozenset[CallerAtSite],
    failed: frozenset[CallerAtSite],
    broken: str,
) -> None:
    trial = Trial("2026.11.20", Tally(worked_before, failed_before), Tally(worked, failed))

    assert "".join(sorted(find_broken_sites(trial))) == broken


@pytest.fixture
async def watch(records: Records) -> tuple[RollbackWatch, WorkerMetrics]:
    metrics = worker_metrics()
    await of(records.redis.hset(keys.LEADER, "worker", "leader"))
    await publish(records, "1.0", "")
    for caller in "AB":
        await attempts(records, caller, "1.0", worked=True)
    await publish(records, "2.0", "1.0")
    return RollbackWatch(records.store, "leader", metrics), metrics


async def publish(records: Records, version: str, previous: str) -> None:
    bundle = Bundle(version, "0.8.0", f"system/bundles/{version}/manifest.json", "0f" * 32, previous)
    assert await records.store.bundles.publish("leader", bundle) == "published"


async def attempts(records: Records, caller: str, version: str, *, worked: bool) -> None:
    """Of one caller at three sites."""
    for site in ("x.example", "y.example", "z.example"):
        job, _ = await records.claimed()
        await of(records.redis.hset(keys.DOWNLOAD + job.download_id, mapping={"caller": caller, "site": site}))
        await records.store.bundles.count_attempt(job.download_id, version, worked=worked)


async def current(records: Records) -> str:
    found = await records.store.bundles.current()
    return found.version if found else ""


@pytest.mark.anyio
async def test_the_leader_takes_a_bad_bundle_back_and_holds_it(
    records: Records, watch: tuple[RollbackWatch, WorkerMetrics]
) -> None:
    await attempts(records, "A", "2.0", worked=False)
    await watch[0].check_bundle()
    assert await current(records) == "2.0", "one caller alone says so"
    await attempts(records, "B", "2.0", worked=False)
    await RollbackWatch(records.store, "another", watch[1]).check_bundle()
    assert await current(records) == "2.0", "another worker leads"

    for _ in range(2):
        await watch[0].check_bundle()

    assert await current(records) == "1.0"
    held = await records.store.bundles.held()
    assert held["2.0"].reason == "these sites did not work any more: x.example, y.example, z.example"
    assert watch[1].bundle_rollbacks.values == {(): 1}


@pytest.mark.anyio
async def test_a_bundle_that_works_stays(records: Records, watch: tuple[RollbackWatch, WorkerMetrics]) -> None:
    for caller in "AB":
        await attempts(records, caller, "2.0", worked=False)
    await attempts(records, "A", "2.0", worked=True)

    await watch[0].check_bundle()

    assert (await current(records), await records.store.bundles.held()) == ("2.0", {})
