"""What the tests of pauses share: sites that refuse downloads, and time that passes."""

from typing import Any

from support.records import Records, at, of
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.stages import INFO
from vidferry_common.store import Claim, Ending, NewJob, PauseRule, Refusal, RequeueOutcome

RULE = PauseRule(first=60, longest_asked=7200)
SITE = "site.example"


def pause_key(site: str = SITE, credential: str = "", way: str = "") -> str:
    return f"{keys.SITE}{site}{keys.ACCOUNT}{credential}{keys.PAUSE}{way}"


async def refuse(records: Records, claim: Claim, way: str = "", asked: float = 0) -> RequeueOutcome:
    """The site refuses an attempt."""
    refusal = Refusal(ErrorCode.RATE_LIMITED, claim.url, way, asked)
    update, failure = at(INFO, claim.attempt).as_waiting(), Failure.of(ErrorCode.RATE_LIMITED)
    return await records.store.pauses.refuse(claim.download_id, claim.attempt, refusal, RULE, update, failure)


async def answer(records: Records, claim: Claim) -> None:
    """The site answers an attempt, which ends with that."""
    ended = at(INFO, claim.attempt).as_failed(ErrorCode.REMOVED).body()
    assert await records.store.downloads.finish(claim, ended, Ending(site_answered=True)) is not None


async def pass_time(records: Records, pause: str = "") -> None:
    """As if the time of the pause, or of all pauses, were over."""
    ended = await records.now_ms() - 1
    for key in [pause] if pause else [each.decode() for each in await records.redis.zrange(keys.PAUSES, 0, -1)]:
        if not await of(records.redis.hexists(key, "over")):
            await of(records.redis.hset(key, "until", str(int(ended))))
            await records.redis.zadd(keys.PAUSES, {key: ended})


async def tend(records: Records) -> int:
    """All that pauses leave to be done. Returns how many calls that took."""
    calls = 1
    while await records.store.pauses.tend():
        calls += 1
    return calls


async def claim(records: Records, job: NewJob) -> Claim:
    """Its next attempt."""
    attempt = (await records.download(job.download_id)).attempt + 1
    found = await records.store.leases.claim(job.download_id, attempt, 60, "worker")
    assert found is not None
    return found


async def refused(records: Records, **fields: Any) -> NewJob:
    """A new download, which its site has refused."""
    job = await records.created(**{"url": f"https://{SITE}/first"} | fields)
    assert await records.picked() == [job.download_id]
    assert await refuse(records, await claim(records, job)) == "requeued"
    return job


async def seconds_left(records: Records, pause: str = "") -> float:
    ends = float(await of(records.redis.hget(pause or pause_key(), "until")))
    return (ends - await records.now_ms()) / 1000
