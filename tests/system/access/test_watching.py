"""Who may watch a job where access isn't open: who has a ticket for it, or for all jobs of its owner."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.gateway_fixtures import StartGateway, start_gateway
from support.jobs import redis_client
from support.redis_server import RedisServer
from support.services import Gateway
from support.sse import close_code, follow, messages, stream
from support.tickets import (
    ACCESS,
    TICKET_KEY,
    expired_ticket,
    owner_ticket,
    read_ticket,
    signer,
    watch_ticket,
)
from support.watchers import TIMEOUT
from system.access.conftest import OWNERS, TwoOwners
from system.access.misuse import INVALID, Attempt, Target, expired
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.contract.tickets import Purpose

__all__ = ["start_gateway"]

pytestmark = pytest.mark.anyio

UNKNOWN = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"
NEXT_KEY = "the-next-ticket-key-of-the-tests-1"


def target(jobs: TwoOwners) -> Target:
    return Target(Purpose.WATCH, jobs.mine.id, jobs.theirs.id, *OWNERS)


async def watched(gateway: Gateway, attempt: Attempt) -> int | dict[str, Any]:
    """The close code of a WebSocket, or the first message."""
    async with asyncio.timeout(TIMEOUT):
        uri = gateway.uri(attempt.job_id, attempt.query)
        async with connect(uri, additional_headers=attempt.headers, max_size=None) as socket:
            try:
                return dict(json.loads(await socket.recv()))
            except ConnectionClosed:
                return socket.close_code or 0


async def streamed(gateway: Gateway, attempt: Attempt) -> str | int | dict[str, Any]:
    """The problem's code, the close code of an event stream, or the first message."""
    async with stream(gateway, attempt.job_id, attempt.query, **attempt.headers) as opened:
        if opened.body:
            assert (opened.status, opened.headers["www-authenticate"]) == (401, 'Bearer realm="vidferry"')
            assert opened.headers["referrer-policy"] == "no-referrer"
            return str(json.loads(opened.body)["code"])
        got = await opened.until(lambda event: bool(event.data))
        return close_code(got) or messages(got)[0].json


async def reads_of_records(redis: RedisServer) -> int:
    async with redis_client(redis) as client:
        stats: Any = await client.info("commandstats")
        return int(stats.get("cmdstat_eval", {}).get("calls", 0))


async def test_a_ticket_opens_its_job(gateway: Gateway, jobs: TwoOwners) -> None:
    for job in (jobs.mine, jobs.theirs):
        attempt = Attempt(job.id, f"?pings=1&ticket={watch_ticket(job.id)}&after=x")
        for first in (await watched(gateway, attempt), await streamed(gateway, attempt)):
            assert isinstance(first, dict)
            assert first["data"]["job_id"] == job.id
        upper = await watched(gateway, Attempt(job.id.upper(), attempt.query))
        assert isinstance(upper, dict), "an id has two spellings, and both are of the ticket's job"


@pytest.mark.parametrize("misuse", list(INVALID))
async def test_anything_else_is_refused_before_redis_is_asked(
    gateway: Gateway, shared_redis: RedisServer, jobs: TwoOwners, misuse: str
) -> None:
    before = await reads_of_records(shared_redis)
    attempt = INVALID[misuse](target(jobs))
    assert await watched(gateway, attempt) == 4501
    assert await streamed(gateway, attempt) == "ticket_invalid"
    assert await reads_of_records(shared_redis) == before


async def test_an_expired_ticket_is_told_apart(gateway: Gateway, shared_redis: RedisServer, jobs: TwoOwners) -> None:
    before = await reads_of_records(shared_redis)
    attempt = expired(target(jobs))
    assert await watched(gateway, attempt) == 4401
    assert await streamed(gateway, attempt) == 4401
    assert await reads_of_records(shared_redis) == before
    for other in (jobs.theirs.id, UNKNOWN):
        assert await watched(gateway, Attempt(other, attempt.query)) == 4501


async def test_a_job_id_of_another_form_is_no_job(gateway: Gateway, jobs: TwoOwners) -> None:
    ticket = watch_ticket(jobs.mine.id)
    for spelling in (f"{{{jobs.mine.id}}}", jobs.mine.id.replace("-", ""), f"urn:uuid:{jobs.mine.id}", ""):
        assert await watched(gateway, Attempt(spelling, f"?ticket={ticket}")) == 4504
    answer = await follow(gateway, f"{jobs.mine.id}%3Fticket={ticket}")
    assert answer.status == 404
    answer = await follow(gateway, f"{jobs.mine.id}/{ticket}")
    assert answer.status == 404


async def test_head_and_options_tell_no_more(gateway: Gateway, jobs: TwoOwners) -> None:
    for method, query, status in (
        ("HEAD", "", 401),
        ("HEAD", f"?ticket={watch_ticket(jobs.theirs.id)}", 401),
        ("HEAD", f"?ticket={watch_ticket(jobs.mine.id)}", 200),
        ("OPTIONS", "", 204),
    ):
        async with stream(gateway, jobs.mine.id, query, method=method) as opened:
            assert opened.status == status
            assert opened.headers["referrer-policy"] == "no-referrer"


async def test_keys_are_rotated_in_a_running_cluster(
    start_gateway: StartGateway, shared_redis: RedisServer, jobs: TwoOwners
) -> None:
    """One gateway for each step of docs/operations.md: a ticket of either key opens while both are listed."""
    job_id = jobs.mine.id
    old = Attempt(job_id, f"?ticket={watch_ticket(job_id)}")
    new = Attempt(job_id, f"?ticket={signer(NEXT_KEY).make_job_ticket(Purpose.WATCH, job_id, time.time())}")
    opened = {}
    for keys in (TICKET_KEY, f"{TICKET_KEY},{NEXT_KEY}", f"{NEXT_KEY},{TICKET_KEY}", NEXT_KEY):
        process = start_gateway(shared_redis.url, **{**ACCESS, "ticket_keys": keys})
        await process.connected()
        opened[keys] = [isinstance(await watched(process, each), dict) for each in (old, new)]
    assert list(opened.values()) == [[True, False], [True, True], [True, True], [False, True]]


async def test_in_open_access_a_ticket_is_ignored(
    start_gateway: StartGateway, shared_redis: RedisServer, jobs: TwoOwners
) -> None:
    process = start_gateway(shared_redis.url)
    await process.connected()
    for misuse in ("no ticket", "an empty one", "twice", "huge"):
        attempt = INVALID[misuse](target(jobs))
        first = await watched(process, attempt)
        assert isinstance(first, dict)
        assert first["data"]["job_id"] == jobs.mine.id
    async with connect(f"ws://127.0.0.1:{process.port}/ws/downloads?ticket=x") as socket:
        told = await subscribe(socket, {jobs.mine.id: "y", jobs.theirs.id: None}, count=2)
        assert {each["data"]["job_id"] for each in told} == {jobs.mine.id, jobs.theirs.id}


async def test_a_ticket_that_expires_does_not_cut_its_socket(gateway: Gateway, jobs: TwoOwners) -> None:
    """Brief tickets, made so that they end while the socket is open; what ends is known by a second attempt."""
    brief = signer(lifetime=1).make_job_ticket(Purpose.WATCH, jobs.mine.id, time.time())
    attempt = Attempt(jobs.mine.id, f"?ticket={brief}")
    async with connect(gateway.uri(attempt.job_id, attempt.query)) as socket:
        await socket.recv()
        async with asyncio.timeout(TIMEOUT):
            while await watched(gateway, attempt) != 4401:
                pass
        await jobs.mine.steps(0, 1)
        assert json.loads(await socket.recv())["data"]["progress"] == 5


# Many jobs on one socket


@asynccontextmanager
async def socket_of(gateway: Gateway, ticket: str | None = None) -> AsyncIterator[ClientConnection]:
    query = "" if ticket is None else f"?ticket={ticket}"
    async with connect(f"ws://127.0.0.1:{gateway.port}/ws/downloads{query}") as socket:
        yield socket


async def subscribe(
    socket: ClientConnection, tickets: dict[str, str | None], *, count: int | None = None
) -> list[dict[str, Any]]:
    """Subscribes to jobs, each with its ticket if it has one, and returns so many answers."""
    given = {job_id: ticket for job_id, ticket in tickets.items() if ticket is not None}
    await socket.send(json.dumps({"type": "subscribe", "jobs": dict.fromkeys(tickets), "tickets": given}))
    async with asyncio.timeout(TIMEOUT):
        return [json.loads(await socket.recv()) for _ in range(len(tickets) if count is None else count)]


def errors(told: list[dict[str, Any]]) -> dict[str, str]:
    return {each["job_id"]: each["code"] for each in told if each["type"] == "error"}


def shown(told: list[dict[str, Any]]) -> set[str]:
    return {each["data"]["job_id"] for each in told if each["type"] == "status"}


async def test_each_job_of_a_socket_needs_its_ticket(gateway: Gateway, jobs: TwoOwners) -> None:
    mine, theirs = jobs.mine.id, jobs.theirs.id
    async with socket_of(gateway) as socket:
        told = await subscribe(socket, {mine: watch_ticket(mine), theirs: None})
        assert (shown(told), errors(told)) == ({mine}, {theirs: "ticket_invalid"})
        swapped = await subscribe(socket, {mine: watch_ticket(theirs), theirs: watch_ticket(mine)})
        assert errors(swapped) == {mine: "ticket_invalid", theirs: "ticket_invalid"}
        wrong = [
            read_ticket(mine), owner_ticket(OWNERS[0]), owner_ticket(OWNERS[1]), watch_ticket(mine)[:-1], "x" * 3000,
            watch_ticket(UNKNOWN), watch_ticket(mine) + "=", watch_ticket(mine).swapcase(), ".", "\ud83d\ude00",
        ]  # fmt: skip
        for ticket in wrong:
            assert errors(await subscribe(socket, {mine: ticket})) == {mine: "ticket_invalid"}
        late = await subscribe(socket, {mine: expired_ticket(Purpose.WATCH, mine)})
        assert errors(late) == {mine: "ticket_expired"}
        assert shown(await subscribe(socket, {theirs.upper(): watch_ticket(theirs)})) == {theirs}, "the socket is open"


async def test_the_ticket_of_an_owner_opens_its_jobs_alone(
    gateway: Gateway, shared_redis: RedisServer, jobs: TwoOwners
) -> None:
    mine, theirs = jobs.mine.id, jobs.theirs.id
    async with socket_of(gateway, owner_ticket(OWNERS[0])) as socket:
        told = await subscribe(socket, {mine: None, theirs: None, UNKNOWN: None})
        assert shown(told) == {mine}
        assert errors(told) == {theirs: "job_not_found", UNKNOWN: "job_not_found"}
        (theirs_error, unknown_error) = [{**each, "job_id": ""} for each in told if each["type"] == "error"]
        assert theirs_error == unknown_error, "another owner's job can't be told from none"
        given = await subscribe(socket, {theirs: watch_ticket(theirs)})
        assert shown(given) == {theirs}, "with a ticket of the job's own"
        wrong = await subscribe(socket, {mine: watch_ticket(theirs)})
        assert errors(wrong) == {mine: "ticket_invalid"}, "a ticket that is given counts"


async def test_the_messages_of_another_owner_never_come(gateway: Gateway, jobs: TwoOwners) -> None:
    async with socket_of(gateway, owner_ticket(OWNERS[0])) as one, socket_of(gateway, owner_ticket(OWNERS[1])) as two:
        both: dict[str, str | None] = {jobs.mine.id: None, jobs.theirs.id: None}
        for socket in (one, two):
            await subscribe(socket, both)
        for job in (jobs.mine, jobs.theirs):
            await job.steps(0, 3)
            await job.finish()
        for socket, own in ((one, jobs.mine), (two, jobs.theirs)):
            got = [json.loads(await socket.recv()) for _ in range(4)]
            assert {each["data"]["job_id"] for each in got} == {own.id}
            assert got[-1]["data"]["status"] == "completed"
            ended = await subscribe(socket, {UNKNOWN: None})
            assert errors(ended) == {UNKNOWN: "job_not_found"}, "nothing came in between"


async def test_a_record_without_an_owner_is_nobodys(
    gateway: Gateway, shared_redis: RedisServer, jobs: TwoOwners
) -> None:
    """An older release makes one, and open access."""
    async with redis_client(shared_redis) as client:
        await client.hdel(f"vidferry:job:{jobs.mine.id}", "owner")  # type: ignore[misc]
    async with socket_of(gateway, owner_ticket(OWNERS[0])) as socket:
        assert errors(await subscribe(socket, {jobs.mine.id: None})) == {jobs.mine.id: "job_not_found"}
        assert shown(await subscribe(socket, {jobs.mine.id: watch_ticket(jobs.mine.id)})) == {jobs.mine.id}


@pytest.mark.parametrize(
    ("ticket", "code"),
    [
        (lambda: expired_ticket(Purpose.WATCH_OWNER, OWNERS[0]), 4401),
        (lambda: "", 4501),
        (lambda: owner_ticket(OWNERS[0])[:-1], 4501),
        (lambda: watch_ticket(UNKNOWN), 4501),
        (lambda: owner_ticket("team-ab").replace("team-ab", "team-a"), 4501),
        (lambda: owner_ticket("team-a.x").replace("team-a.x", "team-a"), 4501),
        (lambda: owner_ticket(OWNERS[0]).replace("team-a", "team-b"), 4501),
        (lambda: owner_ticket(OWNERS[0]).replace("team-a", "TEAM-A"), 4501),
        (lambda: owner_ticket(OWNERS[0]).replace("team-a", "*"), 4501),
        (lambda: owner_ticket(OWNERS[0]).replace("team-a", ""), 4501),
        (lambda: f"{owner_ticket(OWNERS[0])}&ticket={owner_ticket(OWNERS[1])}", 4501),
        (lambda: signer("x" * 32).make_owner_ticket(OWNERS[0], time.time()), 4501),
    ],
)
async def test_a_wrong_ticket_of_an_owner_ends_the_socket(gateway: Gateway, ticket: Any, code: int) -> None:
    async with asyncio.timeout(TIMEOUT), socket_of(gateway, ticket()) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == code


async def test_an_owners_ticket_opens_no_job_once_it_has_expired(gateway: Gateway, jobs: TwoOwners) -> None:
    """What the socket watches goes on; for more it needs a new ticket."""
    brief = signer(lifetime=1).make_owner_ticket(OWNERS[0], time.time())
    async with socket_of(gateway, brief) as socket:
        assert shown(await subscribe(socket, {jobs.mine.id: None})) == {jobs.mine.id}
        async with asyncio.timeout(TIMEOUT):
            while errors(await subscribe(socket, {UNKNOWN: None})) != {UNKNOWN: "ticket_expired"}:
                pass
        await jobs.mine.steps(0, 1)
        assert shown([json.loads(await socket.recv())]) == {jobs.mine.id}


# What is handed out


async def test_links_in_messages_have_tickets_and_redis_has_none(
    gateway: Gateway, shared_redis: RedisServer, jobs: TwoOwners
) -> None:
    job = jobs.mine
    attempt = Attempt(job.id, f"?ticket={watch_ticket(job.id)}")
    link = f"http://localhost:3001/api/jobs/{job.id}/thumbnail"
    async with connect(gateway.uri(job.id, attempt.query)) as socket:
        await socket.recv()
        await job.tell(Update(Status.PROCESSING, Stage.DOWNLOADING, 30, "Downloading", 1, has_thumbnail=True))
        live = json.loads(await socket.recv())["data"]["thumbnail"]
    first = await watched(gateway, attempt)
    event = await streamed(gateway, attempt)
    assert isinstance(first, dict)
    assert isinstance(event, dict)
    for given in (live, first["data"]["thumbnail"], event["data"]["thumbnail"]):
        assert given.startswith(f"{link}?ticket=")
        signer().check_job_ticket(given.partition("?ticket=")[2], Purpose.READ, job.id, time.time())
    async with redis_client(shared_redis) as client:
        stored: Any = await client.hget(f"vidferry:job:{job.id}", "state")  # type: ignore[misc]
    assert json.loads(stored)["data"]["thumbnail"] == link


async def test_no_ticket_comes_into_the_log(
    start_gateway: StartGateway, shared_redis: RedisServer, jobs: TwoOwners
) -> None:
    process = start_gateway(shared_redis.url, **ACCESS, log_level="debug")
    await process.connected()
    mine, theirs = jobs.mine.id, jobs.theirs.id
    tickets = [watch_ticket(mine), watch_ticket(theirs), owner_ticket(OWNERS[0])]
    for ticket in tickets:
        await watched(process, Attempt(mine, f"?ticket={ticket}"))
        await streamed(process, Attempt(mine, f"?ticket={ticket}"))
        await follow(process, f"nowhere?ticket={ticket}")
        async with socket_of(process, tickets[2]) as socket:
            await subscribe(socket, {mine: ticket})
            await socket.send(f'{{"type": "subscribe", "jobs": 7, "tickets": {{"{mine}": "{ticket}"}}}}')
            await socket.recv()
    process.terminate()
    process.wait()
    assert process.logged("refused", code=4501)
    for ticket in tickets:
        assert ticket not in process.log
        assert ticket.rpartition(".")[2] not in process.log
