"""Redis goes and comes back: sockets stay, nobody misses a step or the end, nobody is told anything twice."""

import asyncio
import json
import signal
import ssl

import pytest
from websockets.asyncio.client import connect

from support.children import eventually
from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job, redis_client
from support.ports import free_port
from support.redis_server import RedisServer, redis_server
from support.scrape import Admin
from support.services import Gateway
from support.sse import close_code, follow
from support.tls import TlsFront, self_signed
from support.watchers import STEPS, listen, received, watch
from vidferry_common.store.client import RedisClient

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(start_gateway: StartGateway, redis: RedisServer) -> Gateway:
    process = start_gateway(redis.url)
    await process.connected()
    return process


@pytest.fixture
async def job(redis: RedisServer, store_of: OpenStore) -> Job:
    return await Job.create(await store_of(redis))


async def cut(client: RedisClient) -> None:
    """Ends the gateway's connection, as Redis does with a subscriber that falls behind."""
    (connection,) = [each for each in await client.client_list() if each["name"].startswith("vidferry-gateway:")]
    await client.client_kill_filter(_id=connection["id"])


async def away(gateway: Gateway) -> None:
    """Until it has found that Redis is away."""
    await asyncio.to_thread(gateway.wait_for, "Redis is away")


async def test_redis_killed_and_back_the_socket_stays_and_sees_the_end(
    gateway: Gateway, job: Job, redis: RedisServer
) -> None:
    async with connect(gateway.uri(job.id)) as socket:
        await listen(socket, received(1))
        await job.steps(0, 4)
        before = await listen(socket, received(4))
        redis.kill()
        await away(gateway)
        assert gateway.status("/healthz") == 200
        redis.start()
        await gateway.connected(2)
        await job.steps(4, 11)
        await job.finish()
        after = await listen(socket)
    assert [*before.progress, *after.progress] == STEPS
    assert after.code == 1000


async def test_the_end_told_while_the_gateway_was_away_is_read_again(
    gateway: Gateway, job: Job, redis: RedisServer
) -> None:
    """Redis lives on; the gateway's connection alone is cut, again and again, while steps are told."""
    async with connect(gateway.uri(job.id)) as socket, redis_client(redis) as client:
        await listen(socket, received(1))
        for first in range(0, 9, 3):
            await cut(client)
            await job.steps(first, first + 3)
            await gateway.connected(2 + first // 3)
        await cut(client)
        await job.steps(9, 11)
        await job.finish()
        seen = await listen(socket)
    assert (seen.progress, seen.code) == (STEPS, 1000)


async def test_nothing_new_is_nothing_sent(gateway: Gateway, job: Job, redis: RedisServer) -> None:
    await job.steps(0, 5)
    async with connect(gateway.uri(job.id)) as socket:
        await listen(socket, received(5))
        redis.restart()
        await gateway.connected(2)
        # A second watcher's answer comes behind the first one's re-read.
        async with connect(gateway.uri(job.id)) as second:
            await listen(second, received(5))
        await job.finish()
        assert (await listen(socket)).progress == [100]


async def test_a_record_that_went_back_is_shown(gateway: Gateway, job: Job, redis: RedisServer) -> None:
    await job.steps(0, 2)
    async with connect(gateway.uri(job.id)) as socket, redis_client(redis) as client:
        kept = [await client.dump(f"vidferry:job:{job.id}{part}") for part in ("", ":history")]
        await job.steps(2, 5)
        await listen(socket, received(5))
        for part, dump in zip(("", ":history"), kept, strict=True):
            await client.restore(f"vidferry:job:{job.id}{part}", 0, dump, replace=True)
        await cut(client)
        seen = await listen(socket, received(2))
        assert seen.progress == STEPS[:2]
        await job.finish()
        assert (await listen(socket)).progress == [100]


async def test_a_job_lost_with_redis_closes(gateway: Gateway, job: Job, redis: RedisServer) -> None:
    async with connect(gateway.uri(job.id)) as socket, redis_client(redis) as client:
        await listen(socket, received(1))
        await client.flushall()
        await cut(client)
        assert (await listen(socket)).code == 4504


async def test_a_gateway_that_falls_behind_is_dropped_by_redis_and_recovers(
    start_gateway: StartGateway, redis: RedisServer, store_of: OpenStore
) -> None:
    """At Redis's own limit for subscribers, 32 MiB. The gateway stands still meanwhile, as one without a processor."""
    admin = Admin(free_port())
    gateway = start_gateway(redis.url, admin_port=str(admin.port), log_level="info")
    await gateway.connected()
    job = await Job.create(await store_of(redis))
    async with connect(gateway.uri(job.id)) as socket, redis_client(redis) as client:
        await listen(socket, received(1))
        gateway.process.send_signal(signal.SIGSTOP)
        await job.steps(0, 5)
        flood = "websocket:" + job.id
        # Small ones: Valkey 9 does not count a large one that it holds only once.
        while await client.publish(flood, b"x" * 8_000):
            pass
        await job.steps(5, 11)
        gateway.process.send_signal(signal.SIGCONT)
        await gateway.connected(2)
        await job.finish()
        seen = await listen(socket)
    status = [json.loads(raw)["data"]["progress"] for raw in seen.raw if raw[:1] == "{"]
    assert (status, seen.code) == (STEPS, 1000)
    found = await asyncio.to_thread(admin.scrape)
    reasons = ("behind", "silent", "refused", "closed")
    told = {reason: found.value("vidferry_gateway_redis_lost_total", reason=reason) for reason in reasons}
    counts = "client_output_buffer_limit_disconnections" in redis.info("stats")  # Redis 7.0 does not
    assert told == {**dict.fromkeys(reasons, 0), "behind" if counts else "closed": 1}


async def test_why_a_connection_was_lost_is_counted(
    start_gateway: StartGateway, redis: RedisServer, store_of: OpenStore
) -> None:
    admin = Admin(free_port())
    gateway = start_gateway(redis.url, admin_port=str(admin.port), gateway_probe_seconds="0.5")
    await gateway.connected()
    async with redis_client(redis) as client:
        await cut(client)
        await gateway.connected(2)
    redis.restart()
    await gateway.connected(3)
    redis.freeze()
    await asyncio.to_thread(gateway.wait_for, "Redis is away", error="Redis did not answer for 0.5 s")
    redis.thaw()
    await gateway.connected(4)
    found = await asyncio.to_thread(admin.scrape)
    assert found.value("vidferry_gateway_redis_lost_total", reason="closed") == 2
    assert found.value("vidferry_gateway_redis_lost_total", reason="silent") == 1
    assert found.value("vidferry_gateway_redis_lost_total", reason="behind") == 0


async def test_redis_away_at_the_handshake(start_gateway: StartGateway, redis: RedisServer) -> None:
    redis.kill()
    gateway = start_gateway(redis.url)
    seen = await watch(gateway.uri("6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"))
    assert (seen.raw, seen.code) == ([], 1013)
    assert gateway.status("/readyz") == 503, "it has not seen Redis yet: a rollout must not replace those that have"
    redis.start()
    await gateway.connected()
    assert gateway.status("/readyz") == 200


async def test_in_an_outage_it_stays_in_rotation_and_tells_clients_to_come_back(
    gateway: Gateway, job: Job, redis: RedisServer
) -> None:
    redis.kill()
    await away(gateway)
    assert gateway.status("/readyz") == 200
    assert (await watch(gateway.uri(job.id))).code == 1013
    told = await follow(gateway, job.id)
    assert (told.status, close_code(told.seen)) == (200, 1013)
    assert told.seen[0].retry is not None
    redis.start()
    await gateway.connected(2)
    await job.finish()
    assert (await watch(gateway.uri(job.id))).code == 1000


async def test_in_a_full_redis_jobs_are_watched_as_ever(
    gateway: Gateway, job: Job, redis: RedisServer, store_of: OpenStore
) -> None:
    async with redis_client(redis) as client:
        await client.config_set("maxmemory", 1)
        async with connect(gateway.uri(job.id)) as socket:
            first = await listen(socket, received(1))
            await job.finish()
            rest = await listen(socket)
        again = await watch(gateway.uri(job.id))
        await client.config_set("maxmemory", 0)
    assert [*first.messages, *rest.messages][-1]["data"]["status"] == "completed"
    assert (rest.code, again.code) == (1000, 1000)
    assert not gateway.logged("Redis is away")


async def test_more_jobs_than_are_read_at_once_come_back(
    start_gateway: StartGateway, redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(redis.url, log_level="info")
    await gateway.connected()
    store = await store_of(redis)
    jobs = [await Job.create(store) for _ in range(300)]
    sockets = await asyncio.gather(*(connect(gateway.uri(job.id)) for job in jobs))
    await asyncio.gather(*(listen(socket, received(1)) for socket in sockets))
    redis.kill()
    await away(gateway)
    redis.start()
    await asyncio.gather(*(job.finish() for job in jobs))
    ends = await asyncio.gather(*(listen(socket) for socket in sockets))
    assert {(tuple(end.progress), end.code) for end in ends} == {((100.0,), 1000)}


async def test_a_password_and_a_user(start_gateway: StartGateway, store_of: OpenStore) -> None:
    rights = (
        "on",
        ">secret",
        "~vidferry:*",
        "&websocket:*",
        "-@all",
        "+@connection",
        "+@read",
        "+@pubsub",
        "+eval",
    )
    with redis_server("--user", "gateway", *rights) as server:
        told = {"redis_username": "gateway", "redis_password": "secret", "gateway_probe_seconds": "0.5"}
        gateway = start_gateway(server.url, **told)
        await gateway.connected()
        job = await Job.create(await store_of(server))
        await job.finish()
        assert (await watch(gateway.uri(job.id))).code == 1000
        async with redis_client(server) as client:

            async def refused_twice() -> bool:
                """A probe follows the answer to the one before it."""
                asked = (await client.info("commandstats")).get("cmdstat_time", {})
                return int(asked.get("rejected_calls", 0)) > 1

            await eventually(refused_twice)
        assert not gateway.logged("Redis is away"), "it may not ask for the time"


async def test_a_wrong_password_is_said_once_and_not_shown(start_gateway: StartGateway) -> None:
    with redis_server("--requirepass", "right") as server:
        gateway = start_gateway(server.url, redis_password="wrong-and-secret")
        entry, *_ = await asyncio.to_thread(gateway.wait_for, "Redis is away")
        assert "WRONGPASS" in entry["error"]
        assert (await watch(gateway.uri("6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"))).code == 1013
    assert "wrong-and-secret" not in gateway.log


async def test_over_tcp_in_another_database(
    start_gateway: StartGateway, redis: RedisServer, store_of: OpenStore
) -> None:
    gateway = start_gateway(redis.tcp_url.removesuffix("/0") + "/3")
    await gateway.connected()
    job = await Job.create(await store_of(redis))
    assert (await watch(gateway.uri(job.id))).code == 4504, "the job is in database 0"


async def test_over_tls(
    start_gateway: StartGateway, redis: RedisServer, store_of: OpenStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = self_signed(tmp_path_factory.mktemp("tls"), "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with TlsFront(redis.socket_path, context) as front:
        gateway = start_gateway(f"rediss://localhost:{front.port}/0?ssl_ca_certs={certificate}")
        await gateway.connected()
        job = await Job.create(await store_of(redis))
        await job.finish()
        assert (await watch(gateway.uri(job.id))).code == 1000
        untrusting = start_gateway(f"rediss://localhost:{front.port}/0")
        entry, *_ = await asyncio.to_thread(untrusting.wait_for, "Redis is away")
        assert "CERTIFICATE_VERIFY_FAILED" in entry["error"]
