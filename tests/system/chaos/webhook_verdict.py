"""What must be true of webhooks afterwards."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from system.chaos.cast import Owner
from system.chaos.receiver import Request
from system.chaos.watched_job import WatchedJob
from vidferry_common.contract.webhooks import parse_event_id

AGAIN_SECONDS = 0.5


async def until_delivered(jobs: Sequence[WatchedJob]) -> None:
    """Returns when no event of these waits any more, as the api tells it."""
    for job in jobs:
        while any(event["status"] == "pending" for event in await job.read_deliveries()):  # noqa: ASYNC110 - the api's
            await asyncio.sleep(AGAIN_SECONDS)


async def of_deliveries(jobs: Sequence[WatchedJob]) -> list[str]:
    """The api tells of each event that a job's life demands, and of no other, that it was delivered."""
    wrong = []
    for job in jobs:
        told = [(event["event_id"], event["type"], event["status"]) for event in await job.read_deliveries()]
        due = [(event_id, event, "delivered") for event_id, event in job.due_events().items()]
        if told != due:
            wrong.append(f"{job.id} has the deliveries {told} instead of {due}")
    return wrong


def of_receivers(owners: Sequence[Owner], jobs: Sequence[WatchedJob]) -> list[str]:
    """Each receiver got each event of its owner's jobs, and no other; signed, in order, the same at each try."""
    wrong = []
    by_id = {job.id: job for job in jobs}
    for owner in owners:
        by_job: dict[str, list[Request]] = defaultdict(list)
        for request in owner.receiver.requests:
            if not request.event:
                wrong.append(f"a request to {owner.name} has no valid signature: {request.received}")
            else:
                by_job[request.event["data"]["job_id"]].append(request)
        strange = by_job.keys() - {job.id for job in jobs if job.caller.owner is owner}
        wrong += [f"{owner.name} was told of {by_id.get(job_id, job_id)}, none of its jobs" for job_id in strange]
        for job in jobs:
            if job.caller.owner is owner:
                wrong += [f"{owner.name}'s {job.id} {each}" for each in _compare_requests(job, by_job[job.id])]
    return wrong


def _compare_requests(job: WatchedJob, requests: Sequence[Request]) -> list[str]:
    """What is wrong with the requests for one job."""
    wrong, due = [], job.due_events()
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for request in requests:
        received, event = request.received, request.event
        bodies[received.id].add(received.body)
        if received.id not in due or due[received.id] != event["type"]:
            wrong.append(f"sent {received.id} ({event['type']}), and due are {due}")
        elif (event["data"]["job_id"], event["data"]["seq"]) != parse_event_id(received.id):
            wrong.append(f"sent {event['data']} as {received.id}")
        if job.webhook and not job.webhook.url.endswith(received.target):
            wrong.append(f"sent {received.id} to {received.target} instead of {job.webhook.url}")
    wrong += [f"sent {len(each)} bodies as {event_id}" for event_id, each in bodies.items() if len(each) > 1]
    return wrong + _check_order(list(due), requests)


def _check_order(due: Sequence[str], requests: Sequence[Request]) -> list[str]:
    """Each event was accepted, and none was sent before the one ahead of it was accepted."""
    wrong, accepted = [], set[str]()
    for request in requests:
        event_id = request.received.id
        if event_id in due and not accepted.issuperset(due[: due.index(event_id)]):
            wrong.append(f"sent {event_id} too early, since due are {due}")
        if request.accepted:
            accepted.add(event_id)
    return wrong + [f"never delivered {event_id}" for event_id in due if event_id not in accepted]


def count_requests(owners: Sequence[Owner]) -> Mapping[str, int]:
    """Figures of all requests."""
    requests = [request for owner in owners for request in owner.receiver.requests]
    accepted = Counter(request.received.id for request in requests if request.accepted)
    return {
        "events that were delivered": len(accepted),
        "of these more than once": sum(count > 1 for count in accepted.values()),
        "requests for them": len(requests),
        "of these refused or cut": sum(not request.accepted for request in requests),
    }
