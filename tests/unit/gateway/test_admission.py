"""Who is let in: from which pages, how many at once, and whose address counts behind a proxy."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import ClientConnection, connect

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job
from support.redis_server import RedisServer
from support.services import Gateway
from support.sse import close_code, follow, stream
from support.watchers import TIMEOUT, Seen, listen, received

pytestmark = pytest.mark.anyio

HOME = "https://media.example.org"


async def watched(uri: str, *, origin: str | None = None, forwarded: str = "") -> Seen:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    async with connect(uri, origin=origin, additional_headers=headers) as socket:  # type: ignore[arg-type]
        return await listen(socket, received(1))


async def come_in(stack: AsyncExitStack, uri: str, forwarded: str = "") -> ClientConnection:
    """One that stays."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    socket = await stack.enter_async_context(connect(uri, additional_headers=headers))
    await listen(socket, received(1))
    return socket


async def there_is_room(uri: str, forwarded: str = "") -> None:
    """Until one is let in: the gateway learns of a client's end a little later than the client."""
    deadline = time.monotonic() + TIMEOUT
    while (await watched(uri, forwarded=forwarded)).code is not None:
        assert time.monotonic() < deadline


async def ready(start_gateway: StartGateway, server: RedisServer, **settings: str) -> Gateway:
    gateway = start_gateway(server.url, **settings)
    await gateway.connected()
    return gateway


async def test_no_more_than_a_process_may_have(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = await ready(start_gateway, shared_redis, gateway_max_sockets="3")
    uri = gateway.uri((job := await Job.create(await store_of(shared_redis))).id)
    async with AsyncExitStack() as stack:
        first = await come_in(stack, uri)
        await come_in(stack, f"ws://127.0.0.1:{gateway.port}/ws/download/{job.id}")
        async with stream(gateway, job.id) as opened:
            await opened.until(lambda event: bool(event.data))
            refused = await watched(uri)
            assert (refused.raw, refused.code) == ([], 4429)
            assert close_code((await follow(gateway, job.id)).seen) == 4429
            assert gateway.status("/readyz") == 200, "who is in is served"
            await first.close()
            await there_is_room(uri)


async def test_no_more_than_an_address_may_have(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = await ready(start_gateway, shared_redis, gateway_max_sockets_per_address="2")
    uri = gateway.uri((await Job.create(await store_of(shared_redis))).id)
    async with AsyncExitStack() as stack:
        first = await come_in(stack, uri, "203.0.113.9")
        await come_in(stack, uri, "198.51.100.1, 203.0.113.9")
        assert (await watched(uri, forwarded="203.0.113.9")).code == 4429
        assert (await watched(uri, forwarded="203.0.113.10")).code is None
        await first.close()
        await there_is_room(uri, "203.0.113.9")
    (entry,) = await asyncio.to_thread(
        gateway.wait_for, "one client address reached VIDFERRY_GATEWAY_MAX_SOCKETS_PER_ADDRESS"
    )
    assert entry["address"] == "203.0.113.9"
    assert "VIDFERRY_TRUSTED_PROXIES" in entry["message"]


async def test_who_is_no_proxy_speaks_for_nobody(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = await ready(
        start_gateway, shared_redis, gateway_max_sockets_per_address="1", trusted_proxies="10.0.0.0/8"
    )
    uri = gateway.uri((await Job.create(await store_of(shared_redis))).id)
    async with AsyncExitStack() as stack:
        await come_in(stack, uri, "203.0.113.9")
        assert (await watched(uri, forwarded="203.0.113.10")).code == 4429


@pytest.mark.parametrize(
    ("allowed", "codes"),
    [
        ("", {"https://elsewhere.example": None}),
        ("*", {"https://elsewhere.example": None}),
        (
            f"https://a.example, {HOME}/",
            {HOME: None, None: None, "https://elsewhere.example": 4503, "null": 4503, "http://media.example.org": 4503},
        ),
    ],
)
async def test_pages_that_may_watch(
    start_gateway: StartGateway, shared_redis: RedisServer, job: Job, allowed: str, codes: dict[str | None, int | None]
) -> None:
    gateway = await ready(start_gateway, shared_redis, gateway_origins=allowed)
    await job.finish()
    for origin, code in codes.items():
        assert (await watched(gateway.uri(job.id), origin=origin)).code == code
        events = await follow(gateway, job.id, **({"origin": origin} if origin else {}))
        assert events.status == (403 if code else 200)
        if origin and not code:
            expected = origin if allowed.strip("*") else "*"
            assert events.headers["access-control-allow-origin"] == expected
            assert events.headers["vary"] == "Origin"
        elif code:
            assert "access-control-allow-origin" not in events.headers
