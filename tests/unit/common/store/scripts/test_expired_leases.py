"""One worker leads; after an outage nothing is reaped before those who live could renew."""

import asyncio

import pytest

from support.records import Records, of
from vidferry_common.contract import keys

pytestmark = pytest.mark.anyio
SILENCE, GAP, LEASE = 10.0, 30.0, 60.0


async def find_expired(records: Records, worker: str) -> list[str] | None:
    return await records.store.leases.find_expired(worker, SILENCE, GAP, LEASE)


async def silent_for(records: Records, seconds: float) -> None:
    """As if nobody had led for so long."""
    await moved(records, "last_seen", -seconds)


async def moved(records: Records, field: str, seconds: float) -> None:
    await of(records.redis.hincrbyfloat(keys.LEADER, field, int(seconds * 1000)))


async def dead(records: Records) -> str:
    """A download whose lease has ended."""
    job, _ = await records.claimed()
    await records.end_lease(job.download_id)
    return job.download_id


async def test_one_at_a_time(records: Records) -> None:
    found = await asyncio.gather(*(find_expired(records, f"w{number}") for number in range(20)))
    assert found.count(None) == 19

    leader = f"w{found.index([])}"
    assert [await find_expired(records, worker) for worker in ("x", leader, "y", leader)] == [None, [], None, []]


async def test_a_silent_one_is_replaced_and_that_is_no_outage(records: Records) -> None:
    await find_expired(records, "first")
    lost = await dead(records)
    await silent_for(records, SILENCE - 1)
    assert await find_expired(records, "second") is None

    await silent_for(records, 2)

    assert await find_expired(records, "second") == [lost]
    assert await find_expired(records, "first") is None, "it is the second's now"


@pytest.mark.parametrize("worker", ["first", "freshly started"])
async def test_after_a_gap_nothing_is_reaped_for_one_lease(worker: str, records: Records) -> None:
    await find_expired(records, "first")
    lost = await dead(records)
    await silent_for(records, GAP + 1)

    assert await find_expired(records, worker) == []
    await moved(records, "reap_from", 2 - LEASE)
    assert await find_expired(records, worker) == [], "not one lease yet"
    await moved(records, "reap_from", -2)
    assert await find_expired(records, worker) == [lost]


async def test_a_lease_renewed_within_the_grace_is_not_reaped(records: Records) -> None:
    await find_expired(records, "first")
    lost = await dead(records)
    await silent_for(records, GAP + 1)
    await find_expired(records, "first")

    assert await records.store.leases.renew({lost: 1}, LEASE) == set()

    await moved(records, "reap_from", -LEASE)
    assert await find_expired(records, "first") == []


async def test_another_leader_holds_to_the_grace(records: Records) -> None:
    await find_expired(records, "first")
    await dead(records)
    await silent_for(records, GAP + 1)
    await find_expired(records, "first")
    await silent_for(records, SILENCE + 1)

    assert await find_expired(records, "second") == []


async def test_where_nobody_ever_kept_house_there_was_no_outage(records: Records) -> None:
    lost = await dead(records)

    assert await find_expired(records, "first") == [lost]
