import json
from typing import Any

import pytest

from support.records import CAP, Records, at, body, new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.stages import DONE, DOWNLOAD_STARTED, INFO, STARTED
from vidferry_common.contract.webhooks import EventType, Webhook
from vidferry_common.store import (
    Cause,
    Delivery,
    DeliveryAttempt,
    DeliverySlots,
    Ending,
    NewJob,
    OutboxEvent,
    QueueFull,
    QuotaExceeded,
    ReceiverState,
    Requeue,
    ResendOutcome,
    Settlement,
    SlotShare,
)
from vidferry_common.store.webhooks import PLACES, SLOW_MEMORY_SECONDS, UNPROVEN_PLACES

pytestmark = pytest.mark.anyio

URL = "https://hooks.example.org/vidferry"
HOLD = 60


def hooked(url: str = URL, events: tuple[EventType, ...] = tuple(EventType), **fields: Any) -> dict[str, Any]:
    return {"webhook": Webhook(url, events), **fields}


async def taken(records: Records, count: int = 100) -> list[Delivery]:
    return [Delivery.parse(task) for task in (await records.store.deliveries.take(count, HOLD))[0]]


async def accepted(
    records: Records,
    delivery: Delivery,
    event: OutboxEvent | None = None,
    state: ReceiverState = ReceiverState.PROMPT,
) -> OutboxEvent | None:
    event = event or delivery.event
    log = event.log.with_attempt(DeliveryAttempt(1, 0.1, 204, None), "delivered")
    held = Delivery(**{name: getattr(delivery, name) for name in delivery.__slots__} | {"event": event})
    return await records.store.deliveries.settle(held, Settlement(log, settled=True, receiver_state=state))


async def refused(records: Records, delivery: Delivery, delay: float = 30) -> None:
    log = delivery.event.log.with_attempt(DeliveryAttempt(1, 15, None, "timeout"), "pending", 2)
    await records.store.deliveries.settle(delivery, Settlement(log, delay=delay, receiver_state=ReceiverState.FAILING))


async def proven(records: Records, url: str = URL) -> None:
    """The receiver has accepted an event."""
    await cancelled(records, **hooked(url))
    for each in await taken(records):
        await accepted(records, each)


async def come_due(records: Records, *jobs: NewJob) -> None:
    for job in jobs:
        await records.redis.zadd(keys.DELIVERIES, {job.job_id: 1}, xx=True)


async def cancelled(records: Records, **fields: Any) -> NewJob:
    """A job that has one event: that it was cancelled."""
    job = await records.created(**fields)
    await records.cancel(job)
    return job


async def room(records: Records) -> int:
    return int(await of(records.redis.hget(keys.ROOM, "undelivered")) or 0)


async def test_the_events_of_a_job_wait_in_their_order_with_the_document_of_their_step(records: Records) -> None:
    job, claim = await records.claimed(await records.created(**hooked(external_id="order-1")))
    await records.step(claim, STARTED, INFO, DOWNLOAD_STARTED, INFO)
    await records.store.downloads.finish(claim, body(DONE).replace(b"processing", b"completed"), Ending())

    (delivery,) = await taken(records)
    assert (delivery.task.id, delivery.url, delivery.owner, delivery.disabled) == (job.job_id, URL, "", False)
    event: OutboxEvent | None = delivery.event
    found = []
    while event is not None:
        data = json.loads(event.message)["data"]
        found.append((event.type, data["stage"], data["external_id"], data["seq"] == event.seq))
        event = await accepted(records, delivery, event)
    assert found == [
        (EventType.JOB_STARTED, "started", "order-1", True),
        (EventType.JOB_INFO, "info", "order-1", True),
        (EventType.JOB_COMPLETED, "done", "order-1", True),
    ]
    told = await records.store.webhooks.read(job.job_id)
    assert told.webhook == Webhook(URL, tuple(EventType)[:5])
    assert [(log.type, log.status, log.attempt_count) for log in told.logs.values()] == [
        (kind, "delivered", 1) for kind, *_ in found
    ]
    assert await room(records) == 0
    left = [key for key in await records.redis.keys("*") if b"deliveries" in key or b"undelivered" in key]
    assert sorted(left) == [
        f"{keys.JOB}{job.job_id}{keys.DELIVERY_LOG}".encode(),
        f"{keys.DELIVERIES}:doorbell".encode(),
    ]


async def test_a_job_tells_what_was_asked_for_and_no_other_job_tells_anything(records: Records) -> None:
    mine = await records.created(**hooked(events=(EventType.JOB_FAILED, EventType.BATCH_COMPLETED)))
    await records.created(url=mine.url)  # shares its download, and has no webhook
    _, claim = await records.claimed(mine)
    await records.step(claim, STARTED, INFO)
    assert await taken(records) == []
    how = Requeue(Cause.RETRY, at(INFO), 0, limit=0)
    await records.store.downloads.requeue(claim.download_id, 1, how)
    (delivery,) = await taken(records)
    assert (delivery.task.id, delivery.event.type) == (mine.job_id, EventType.JOB_FAILED)
    assert await accepted(records, delivery) is None


async def test_one_that_joins_later_is_told_what_it_missed(records: Records) -> None:
    first, claim = await records.claimed()
    await records.step(claim, STARTED, INFO)
    late = await records.created(url=first.url, **hooked())
    (delivery,) = await taken(records)
    assert (delivery.task.id, delivery.event.type) == (late.job_id, EventType.JOB_STARTED)


async def test_an_attempt_that_begins_again_tells_nothing_again(records: Records) -> None:
    job, claim = await records.claimed(await records.created(**hooked()))
    await records.step(claim, STARTED)
    await records.retried(job, delay=0)
    _, claim = await records.claimed(job, 2)
    await records.step(claim, STARTED)
    (delivery,) = await taken(records)
    assert await accepted(records, delivery) is None


async def test_an_event_that_comes_amid_a_delivery_follows_it(records: Records) -> None:
    _, claim = await records.claimed(await records.created(**hooked()))
    await records.step(claim, STARTED)
    (delivery,) = await taken(records)
    await records.step(claim, INFO)
    assert await taken(records) == []
    following = await accepted(records, delivery)
    assert following is not None
    assert following.type is EventType.JOB_INFO


async def test_an_event_is_delivered_though_the_reply_to_the_one_before_was_lost(records: Records) -> None:
    _, claim = await records.claimed(await records.created(**hooked()))
    await records.step(claim, STARTED, INFO)
    await records.store.downloads.finish(claim, body(DONE).replace(b"processing", b"completed"), Ending())
    (delivery,) = await taken(records)
    for _ in range(2):
        following = await accepted(records, delivery)
        assert following is not None
        assert following.type is EventType.JOB_INFO
    last = await accepted(records, delivery, following)
    assert last is not None
    assert last.type is EventType.JOB_COMPLETED
    for _ in range(2):
        assert await accepted(records, delivery, last) is None
    assert await room(records) == 0


async def test_a_failed_try_is_told_and_made_again_later(records: Records) -> None:
    job = await cancelled(records, **hooked())
    (delivery,) = await taken(records)
    await refused(records, delivery, delay=30)
    assert await taken(records) == []
    told = await records.store.webhooks.read(job.job_id)
    (log,) = told.logs.values()
    assert (log.status, log.attempt_count, log.next_attempt, log.attempts[0].error) == ("pending", 1, 2, "timeout")
    await come_due(records, job)
    (again,) = await taken(records)
    assert (again.event.seq, again.event.log.attempt_count, again.task.taken) == (delivery.event.seq, 1, 2)


async def test_a_dead_workers_delivery_is_made_by_another_and_its_late_word_counts_for_nothing(
    records: Records,
) -> None:
    job = await cancelled(records, **hooked())
    (first,) = await taken(records)
    await come_due(records, job)
    (second,) = await taken(records)
    await refused(records, first)
    assert (await records.store.webhooks.read(job.job_id)).logs[first.event.seq].attempt_count == 0
    assert await accepted(records, second) is None


async def test_a_receiver_has_its_places_and_whoever_waits_for_them_holds_up_nobody(records: Records) -> None:
    await proven(records, "https://slow.example.org/")
    slow = [await cancelled(records, **hooked("https://slow.example.org/")) for _ in range(PLACES + 2)]
    other = await cancelled(records, **hooked("https://slow.example.net/"))
    namesake = await cancelled(records, **hooked("https://slow.example.org/", owner="team-b"))
    await come_due(records, *slow)

    held = await taken(records)
    assert {each.task.id for each in held} >= {other.job_id, namesake.job_id}
    assert len(held) == PLACES + 2
    assert await taken(records) == []

    mine = [each for each in held if each.task.id in {job.job_id for job in slow}]
    await accepted(records, mine[0])
    (woken,) = await taken(records)
    # One that hangs gets two places: the other one that waits has to wait for those before it.
    for each in [*mine[1 : PLACES - UNPROVEN_PLACES + 1], woken][:-1]:
        await refused(records, each)
    assert await taken(records) == []
    for each in mine[PLACES - UNPROVEN_PLACES + 1 :]:
        await accepted(records, each)
    assert len(await taken(records)) == 1


async def test_receivers_that_are_slow_fail_or_are_unknown_have_a_share_of_the_slots(records: Records) -> None:
    prompt, slow, failing, unknown = (f"https://{name}.example/" for name in ("prompt", "slow", "failing", "unknown"))
    for url, state in ((prompt, ReceiverState.PROMPT), (slow, ReceiverState.SLOW), (failing, ReceiverState.FAILING)):
        await cancelled(records, **hooked(url))
        (first,) = await taken(records)
        assert first.state is None
        await accepted(records, first, state=state)
    jobs = [await cancelled(records, **hooked(url)) for url in (prompt, slow, failing, unknown)]

    async def taken_with(slow: int, unproven: int) -> dict[str, ReceiverState | None]:
        await come_due(records, *jobs)
        tasks, _ = await records.store.deliveries.take(100, HOLD, slots(prompt=100, unknown=unproven, slow=slow))
        for task in tasks:
            await records.store.deliveries.put_back(task)
        return {each.url: each.state for each in map(Delivery.parse, tasks)}

    assert await taken_with(0, 0) == {prompt: ReceiverState.PROMPT}
    assert await taken_with(0, 1) == {prompt: ReceiverState.PROMPT, unknown: None}
    assert await taken_with(1, 0) == {prompt: ReceiverState.PROMPT}
    assert len(await taken_with(1, 2)) == 3
    assert await taken_with(3, 5) == {
        prompt: ReceiverState.PROMPT, slow: ReceiverState.SLOW, failing: ReceiverState.FAILING, unknown: None,
    }  # fmt: skip
    await come_due(records, *jobs)
    await records.store.deliveries.take(100, HOLD, slots(prompt=100, unknown=0, slow=0))
    left = [await records.redis.zscore(keys.DELIVERIES, job.job_id) or 0 for job in jobs[1:]]
    assert max(left) < await records.now_ms() + 1500, "what found no slot is due again soon"


def slots(**free: int) -> DeliverySlots:
    """Of a worker that delivers nothing yet."""
    return DeliverySlots({SlotShare(name): count for name, count in free.items()}, {share: {} for share in SlotShare})


async def test_receivers_leave_slots_for_others_of_their_owner_and_owners_for_others(records: Records) -> None:
    liars = [f"https://liar{number}.example/" for number in range(3)]
    for url in liars:
        await proven(records, url)
    await proven(records, "https://prompt.example/")
    jobs = [await cancelled(records, **hooked(url)) for url in liars for _ in range(PLACES)]
    own = await cancelled(records, **hooked("https://prompt.example/"))
    theirs = await cancelled(records, **hooked("https://prompt.example/", owner="team-b"))
    every = {"prompt": 24, "unknown": 24, "slow": 24}

    held = [Delivery.parse(task) for task in (await records.store.deliveries.take(24, HOLD, slots(**every)))[0]]
    found = [each.task.id for each in held]
    assert {own.job_id, theirs.job_id} <= set(found)
    by_liars = [each for each in held if each.task.id not in {own.job_id, theirs.job_id}]
    assert len(by_liars) < 12, "less than half, though the liars have events for all"

    # What found no slot goes on as soon as one is free, not only when it is looked at again.
    assert await taken(records) == []
    await accepted(records, by_liars[0])
    assert {each.task.id for each in await taken(records)} <= {job.job_id for job in jobs} - set(found)


async def test_a_receiver_that_took_long_is_slow_for_a_minute_however_it_answers(records: Records) -> None:
    async def next_delivery() -> Delivery:
        await cancelled(records, **hooked())
        (delivery,) = await taken(records)
        return delivery

    await accepted(records, await next_delivery())
    hung = await next_delivery()
    assert hung.state is ReceiverState.PROMPT
    log = hung.event.log.with_attempt(DeliveryAttempt(1, 15, None, "timeout"), "failed")
    await records.store.deliveries.settle(
        hung, Settlement(log, settled=True, receiver_state=ReceiverState.FAILING, slow=True)
    )
    failing = await next_delivery()
    assert failing.state is ReceiverState.FAILING
    await accepted(records, failing)
    for _ in range(3):
        slow = await next_delivery()
        assert slow.state is ReceiverState.SLOW
        await accepted(records, slow)

    key = keys.RECEIVER + slow.receiver + keys.RECEIVER_STATE
    state, until = (await records.redis.get(key)).decode().split(" ")
    left = int(until) - await records.now_ms()
    assert 50_000 < left <= SLOW_MEMORY_SECONDS * 1000
    await records.redis.set(key, f"{state} {int(until) - int(left)}")
    assert (await next_delivery()).state is ReceiverState.PROMPT


async def test_places_of_dead_workers_are_free_again(records: Records) -> None:
    jobs = [await cancelled(records, **hooked()) for _ in range(UNPROVEN_PLACES + 1)]
    held = await taken(records)
    assert len(held) == UNPROVEN_PLACES, "nothing is known of the receiver"
    waiting = next(job for job in jobs if job.job_id not in {each.task.id for each in held})
    receiver = keys.RECEIVER + held[0].receiver
    for each in held:
        await records.redis.zadd(receiver, {each.task.id: 1})
    await come_due(records, waiting)  # it is looked at again by itself
    assert [each.task.id for each in await taken(records)] == [waiting.job_id]
    for each in held:
        await accepted(records, each)
    assert await taken(records) == [], "it is not made due while it is held"


async def test_an_endpoint_that_is_gone_is_marked_for_its_owner_alone_until_it_wants_events_again(
    records: Records,
) -> None:
    mine, theirs = await cancelled(records, **hooked()), await cancelled(records, **hooked(owner="team-b"))
    first = next(each for each in await taken(records) if each.task.id == mine.job_id)
    await records.store.deliveries.settle(
        first, Settlement(first.event.log, settled=True, receiver_state=ReceiverState.PROMPT, disabled=True)
    )
    assert (await records.store.webhooks.read(mine.job_id)).disabled_until
    assert not (await records.store.webhooks.read(theirs.job_id)).disabled_until

    await cancelled(records, **hooked())
    (later,) = await taken(records)
    assert later.disabled
    await records.store.deliveries.settle(later, Settlement(later.event.log, settled=True, disabled=False))
    assert not (await records.store.webhooks.read(mine.job_id)).disabled_until


async def test_an_event_is_sent_again_once_it_is_done_with(records: Records) -> None:
    job = await cancelled(records, **hooked())
    store = records.store.webhooks
    (seq,) = (await store.read(job.job_id)).logs
    known = (await store.read(job.job_id)).logs[seq]
    assert await store.resend(job.job_id, seq, known, 5) is ResendOutcome.WAITING
    (delivery,) = await taken(records)
    await accepted(records, delivery)
    assert await store.resend(job.job_id, seq + 1, known, 5) is ResendOutcome.NONE
    known = (await store.read(job.job_id)).logs[seq]
    assert await store.resend(job.job_id, seq, known, 5) is ResendOutcome.SENT
    assert await store.resend(job.job_id, seq, known, 5) is ResendOutcome.WAITING
    (again,) = await taken(records)
    assert (again.event.type, again.event.seq) == (EventType.JOB_CANCELLED, seq)
    assert (again.event.log.resent, again.event.log.since, again.event.log.attempt_count) == (True, 5, 1)
    assert json.loads(again.event.message)["data"]["status"] == "cancelled"


async def test_events_that_wait_take_room_from_new_jobs_and_those_of_one_owner_from_others_last(
    records: Records,
) -> None:
    job = await cancelled(records, **hooked(owner="team-a"))
    size = await room(records)
    assert size > 1024
    create = records.store.jobs.create

    # The owner has used its quarter; others have room.
    with pytest.raises(QuotaExceeded, match="events_waiting"):
        await create(new_job(**hooked(owner="team-a")), CAP, 4 * size - 1)
    roomy = 40 * size
    await of(records.redis.hset(keys.ROOM, "undelivered", str(roomy // 2 + 1)))
    with pytest.raises(QuotaExceeded, match="events_waiting"):
        await create(new_job(**hooked(owner="team-b")), CAP, roomy)
    await create(new_job(owner="team-a"), CAP, roomy)
    await of(records.redis.hset(keys.ROOM, "undelivered", str(roomy)))
    with pytest.raises(QueueFull):
        await create(new_job(owner="team-b"), CAP, roomy)

    (delivery,) = await taken(records)
    await accepted(records, delivery)
    await create(new_job(**hooked(owner="team-a")), CAP, roomy)  # nothing waits, whatever the count says
    assert job.owner == delivery.owner


async def test_events_that_are_sent_again_count_like_new_ones(records: Records) -> None:
    jobs = [await cancelled(records, **hooked(owner="team-a")) for _ in range(3)]
    size = await room(records)
    while held := await taken(records):
        for each in held:
            await accepted(records, each)
    assert await room(records) == 0
    store = records.store.webhooks

    async def resend(job: NewJob, queue_bytes: int) -> ResendOutcome:
        ((seq, known),) = (await store.read(job.job_id)).logs.items()
        return await store.resend(job.job_id, seq, known, 5, queue_bytes)

    roomy = 4 * size // 2  # a quarter is of an event and a half
    assert await resend(jobs[0], roomy) is ResendOutcome.SENT
    assert await resend(jobs[1], roomy) is ResendOutcome.SENT, "the quarter is not used up yet"
    with pytest.raises(QuotaExceeded, match="events_waiting"):
        await resend(jobs[2], roomy)
    ((_, log),) = (await store.read(jobs[2].job_id)).logs.items()
    assert log.status == "delivered", "it is as before"
    await records.store.jobs.create(new_job(owner="team-b"), CAP, roomy + 10**5)


async def test_what_waits_is_as_old_as_its_first_event(records: Records) -> None:
    assert (await records.store.webhooks.read_undelivered()).oldest == 0
    job = await cancelled(records, **hooked())
    await records.redis.zadd(keys.UNDELIVERED, {job.job_id: await records.now_ms() - 90_000})
    waiting = await records.store.webhooks.read_undelivered()
    assert (waiting.jobs, round(waiting.oldest)) == (1, 90)


async def test_what_became_of_events_goes_with_the_job(records: Records) -> None:
    job = await cancelled(records, **hooked())
    assert await records.redis.ttl(keys.JOB + job.job_id + keys.DELIVERY_LOG) > 0
    element = await of(records.redis.lindex(keys.ENDED_JOBS, 0))
    plain = await cancelled(records)
    assert int(element.split()[1]) - int((await of(records.redis.lindex(keys.ENDED_JOBS, -1))).split()[1]) > 4096
    assert await records.store.webhooks.read(plain.job_id) == await records.store.webhooks.read("unknown")
