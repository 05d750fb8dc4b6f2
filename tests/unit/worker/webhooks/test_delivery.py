import asyncio
import time
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from support.outbox import add_events
from support.receiver import ACCEPTED, HANG, OTHER_SECRET, SECRET, Receiver, answer
from support.records import Records, of
from unit.worker.webhooks.conftest import Running
from vidferry_common.contract import keys
from vidferry_common.contract.stages import INFO, STARTED
from vidferry_common.contract.webhooks import EventType, Webhook, event_id
from vidferry_common.store import EventLog, JobDeliveries, NewJob, ResendOutcome
from vidferry_common.store.webhooks import PLACES
from vidferry_worker.webhooks import delivery, schedule, sender

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine too, no try is made before a test asks for it, and no receiver is slow by chance."""
    monkeypatch.setattr(schedule, "SHORTEST_SECONDS", 300.0)
    monkeypatch.setattr(delivery, "SLOW_SECONDS", 100.0)


def hooked(url: str, **fields: Any) -> dict[str, Any]:
    return {"webhook": Webhook(url, tuple(EventType)), **fields}


async def cancelled(records: Records, url: str, **fields: Any) -> NewJob:
    job = await records.created(**hooked(url, **fields))
    await records.cancel(job)
    return job


async def come_due(records: Records, job: NewJob) -> None:
    await records.redis.zadd(keys.DELIVERIES, {job.job_id: 1}, xx=True)
    await of(records.redis.lpush(keys.DELIVERIES + keys.TASK_DOORBELL, "1"))


async def told(records: Records, job: NewJob, status: str, attempts: int = 1) -> EventLog:
    """What is told of the job's only event, once that is its status after so many tries."""
    (log,) = (await told_all(records, job, [status], [attempts])).logs.values()
    return log


async def test_a_job_tells_its_receiver_in_order_and_by_a_signature_of_each_secret(
    records: Records, running: Running
) -> None:
    with Receiver() as receiver:
        async with running():
            job, claim = await records.claimed(await records.created(**hooked(receiver.url, external_id="order-1")))
            await records.step(claim, STARTED, INFO)
            await records.cancel(job)
            got = await receiver.got(3)
            assert [each.event["type"] for each in got] == ["job.started", "job.info", "job.cancelled"]
            for each in got:
                event = each.verify(SECRET)
                assert each.verify(OTHER_SECRET) == event
                assert each.id == event_id(job.job_id, event["data"]["seq"])
                assert event["timestamp"] == event["data"]["timestamp"]
                assert event["data"]["external_id"] == "order-1"
                assert each.headers["traceparent"] == job.traceparent
            with pytest.raises(WebhookVerificationError):
                got[0].verify("whsec_" + "a" * 32)


async def test_an_event_that_is_not_accepted_is_sent_again_with_its_id_and_another_time(
    records: Records, running: Running
) -> None:
    answers = iter([answer(500), answer(302, "Location: http://127.0.0.1/"), answer(404), ACCEPTED])
    with Receiver(lambda _: next(answers)) as receiver:
        job = await cancelled(records, receiver.url)
        async with running():
            for count in range(1, 4):
                log = await told(records, job, "pending", count)
                assert log.next_attempt
                assert log.next_attempt > time.time() * 1000 - 1000
                await come_due(records, job)
            log = await told(records, job, "delivered", 4)
    assert [each.status for each in log.attempts] == [500, 302, 404, 204]
    assert len({each.id for each in receiver.received}) == 1
    assert len({each.body for each in receiver.received}) == 1
    for each in receiver.received:
        each.verify()


async def test_the_next_event_of_a_job_waits_for_the_one_before(records: Records, running: Running) -> None:
    answers = iter([answer(500), ACCEPTED, ACCEPTED])
    with Receiver(lambda _: next(answers)) as receiver:
        job, claim = await records.claimed(await records.created(**hooked(receiver.url)))
        await records.step(claim, STARTED, INFO)
        async with running():
            found = await told_all(records, job, ["pending", "pending"], [1, 0])
            assert len(found.logs[2].attempts) == 1
            await come_due(records, job)
            await told_all(records, job, ["delivered", "delivered"], [2, 1])
    assert [each.event["type"] for each in receiver.received] == ["job.started", "job.started", "job.info"]


async def test_a_receiver_gets_the_time_that_it_asks_for(records: Records, running: Running) -> None:
    with Receiver(lambda _: answer(503, "Retry-After: 3000")) as receiver:
        job = await cancelled(records, receiver.url)
        async with running():
            log = await told(records, job, "pending")
    assert log.next_attempt
    assert 2990 < log.next_attempt / 1000 - time.time() <= 3001


async def test_after_a_day_an_event_is_given_up_and_the_next_one_goes_on(records: Records, running: Running) -> None:
    with Receiver(lambda received: answer(500) if b"job.started" in received.body else ACCEPTED) as receiver:
        job, claim = await records.claimed(await records.created(**hooked(receiver.url)))
        await records.step(claim, STARTED, INFO)
        log = keys.JOB + job.job_id + keys.DELIVERY_LOG
        await of(records.redis.hset(log, "2", '{"type":"job.started","created":1,"since":1}'))
        async with running():
            got = await receiver.got(2)
            await told_all(records, job, ["failed", "delivered"], [1, 1])
    assert [each.event["type"] for each in got] == ["job.started", "job.info"]


async def told_all(records: Records, job: NewJob, statuses: list[str], attempts: list[int]) -> JobDeliveries:
    async with asyncio.timeout(60):
        while True:
            found = await records.store.webhooks.read(job.job_id)
            logs = found.logs.values()
            if [log.status for log in logs] == statuses and [log.attempt_count for log in logs] == attempts:
                return found
            await asyncio.sleep(0.01)


async def test_an_endpoint_that_answers_410_gets_no_more_until_an_event_is_sent_again(
    records: Records, running: Running
) -> None:
    answers = iter([answer(410), ACCEPTED, ACCEPTED])
    with Receiver(lambda _: next(answers)) as receiver:
        async with running():
            first = await cancelled(records, receiver.url)
            await told(records, first, "disabled")
            second = await cancelled(records, receiver.url)
            log = await told(records, second, "disabled", 0)
            (seq,) = (await records.store.webhooks.read(second.job_id)).logs
            assert len(receiver.received) == 1
            sent = await records.store.webhooks.resend(second.job_id, seq, log, int(time.time() * 1000))
            assert sent is ResendOutcome.SENT
            await told(records, second, "delivered")
            await told(records, await cancelled(records, receiver.url), "delivered")


async def test_without_a_secret_nothing_is_sent(records: Records, running: Running) -> None:
    with Receiver() as receiver:
        async with running():
            job = await cancelled(records, receiver.url, owner="team-a")
            log = await told(records, job, "pending")
    assert (log.attempts[0].error, receiver.received) == ("no_secret", [])
    states = await records.redis.keys(f"{keys.RECEIVER}*{keys.RECEIVER_STATE}")
    assert states == [], "nobody was asked, so nothing is known of the receiver"


async def test_a_worker_that_stops_gives_back_what_it_sends(records: Records, running: Running) -> None:
    with Receiver(lambda _: HANG) as receiver:
        job = await cancelled(records, receiver.url)
        async with running():
            await receiver.got(1)
        receiver.answer_to = lambda _: ACCEPTED
        async with running():
            await told(records, job, "delivered")
    assert len({each.id for each in receiver.received}) == 1


async def test_ten_thousand_that_are_due_to_a_receiver_that_hangs_delay_nobody_else(
    records: Records, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has far fewer slots than there are jobs that wait for the one that hangs."""
    monkeypatch.setattr(sender, "TOTAL_SECONDS", 100)
    with Receiver(lambda _: HANG) as hangs, Receiver() as works:
        await add_events(records.redis, hangs.url, 10_000, domain="hangs.example")
        await add_events(records.redis, works.url, 50, domain="works.example", first=20_001)
        async with running(slots=PLACES + 4, hold=200):
            await works.got(50)
            await waiting(records, 10_000)
        assert len(hangs.received) <= PLACES
    await waiting(records, 10_000)


async def test_receivers_that_hang_leave_slots_for_others_however_many_they_are(
    records: Records, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TOTAL_SECONDS", 100)
    with Receiver(lambda _: HANG) as hangs, Receiver() as works:
        async with running(slots=8, hold=200):
            await add_events(records.redis, works.url, 1, domain="works.example")
            await works.got(1)  # from now on it is known to be prompt
            for number in range(20):
                first = 1000 * (number + 1)
                await add_events(records.redis, hangs.url, 5, domain=f"hangs{number}.example", first=first)
            await hangs.got(3)
            await add_events(records.redis, works.url, 20, domain="works.example", first=2)
            await works.got(21)


@pytest.mark.parametrize(("liars", "owner"), [(20, "team-b"), (3, "")], ids=["of another owner", "of the same owner"])
async def test_receivers_that_accepted_an_event_and_hang_leave_slots_for_others(
    records: Records, running: Running, monkeypatch: pytest.MonkeyPatch, liars: int, owner: str
) -> None:
    monkeypatch.setattr(sender, "TOTAL_SECONDS", 100)
    with Receiver() as hangs, Receiver() as works:
        async with running(slots=16, hold=200):
            await add_events(records.redis, works.url, 1, domain="works.example", owner=owner)
            await works.got(1)
            for number in range(liars):
                await add_events(records.redis, hangs.url, 1, f"liar{number}.example", first=1000 * (number + 1))
            await hangs.got(liars)
            await waiting(records, 0)
            hangs.answer_to = lambda _: HANG
            for number in range(liars):
                await add_events(records.redis, hangs.url, 20, f"liar{number}.example", first=1000 * (number + 1) + 1)
            await hangs.got(liars + 7)
            await add_events(records.redis, works.url, 20, domain="works.example", first=2, owner=owner)
            await works.got(21)
            assert len(hangs.received) <= liars + 8, "half of the slots"


async def test_what_is_due_at_once_arrives_though_a_worker_stops(records: Records, running: Running) -> None:
    with Receiver() as receiver:
        for number in range(4):
            first = 1000 * number + 1
            await add_events(records.redis, receiver.url, 100, domain=f"receiver{number}.example", first=first)
        async with running(hold=10):
            async with running(hold=10):
                await receiver.got(100)
            await waiting(records, 0)
    assert len({each.id for each in receiver.received}) == 400


async def waiting(records: Records, jobs: int) -> None:
    """Once so many jobs have events that wait."""
    async with asyncio.timeout(100):
        while True:
            if (await records.store.webhooks.read_undelivered()).jobs == jobs:
                return
            await asyncio.sleep(0.01)
