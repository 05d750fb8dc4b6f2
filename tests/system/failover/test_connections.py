"""The client's and the gateway's connections against one Sentinel: whom they believe, and which they give up."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.gateway_fixtures import StartGateway
from support.jobs import Job
from support.ports import free_port
from support.redis_server import RedisServer, redis_server
from support.sentinel import NAME, SentinelProcess, client, until
from support.tls import TlsFront, self_signed
from support.watchers import watch as seen_by
from system.failover.conftest import Watch
from vidferry_common.store import RedisSettings, Store, StoreUnavailable, connect_redis
from vidferry_common.store.client import connection_name, connection_options

pytestmark = pytest.mark.anyio
OpenStore = Callable[..., Awaitable[Store]]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server(tcp=True) as found:
        yield found


@pytest.fixture
def other() -> Iterator[RedisServer]:
    with redis_server(tcp=True) as found:
        yield found


@pytest.fixture
async def open_store() -> AsyncIterator[OpenStore]:
    async with AsyncExitStack() as stack:

        async def opening(url: str, **settings: str) -> Store:
            redis = connect_redis(RedisSettings.model_validate({"redis_url": url, **settings}))
            stack.push_async_callback(redis.aclose, close_connection_pool=True)
            return Store(redis, 3600)

        yield opening


@pytest.fixture
def always_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process no answer of a Sentinel is believed for a while."""
    monkeypatch.setattr("vidferry_common.store.sentinel.FRESH_SECONDS", 0.0)


def told(server: RedisServer, *words: str) -> Any:
    """What the server answers."""
    with client(server.port) as redis:
        return redis.execute_command(*words)


def name_instead(sentinel: SentinelProcess, port: int) -> None:
    """The Sentinel names another primary, and does nothing to the one it named before."""
    sentinel.ask("remove", NAME)
    sentinel.ask("monitor", NAME, "127.0.0.1", port, 1)


def names_at(port: int) -> set[str]:
    """Of the connections to a server or Sentinel."""
    with client(port) as redis:
        return {each["name"] for each in redis.client_list()}


def vidferry(server: RedisServer) -> dict[str, str]:
    """Id and database of the connections that are Vidferry's: over TCP, as only its are beside the Sentinel's."""
    with client(server.port) as redis:
        found = [each for each in redis.client_list() if not each["name"].startswith("sentinel-")]
        return {each["id"]: each["db"] for each in found if each["id"] != str(redis.client_id())}


async def test_a_sentinel_that_is_away_is_passed_over(server: RedisServer, watch: Watch, open_store: OpenStore) -> None:
    sentinel = watch(server.port)
    store = await open_store(f"redis+sentinel://127.0.0.1:{free_port()},localhost:{sentinel.port}/{NAME}/3")
    await store.ping()
    assert list(vidferry(server).values()) == ["3"]


async def test_a_sentinel_sees_who_asks_it(server: RedisServer, watch: Watch, start_gateway: StartGateway) -> None:
    """For as long as a question takes, which is why there are many."""
    sentinel, name = watch(server.port), connection_name("worker", "queue")
    options = connection_options(RedisSettings.model_validate({"redis_url": sentinel.url}), name)

    seen = asyncio.create_task(
        asyncio.to_thread(until, lambda: name in names_at(sentinel.port), "the name of who asks")
    )
    while not seen.done():
        await options["sentinels"].find_primary()
    await seen
    gateway = start_gateway(sentinel.url, gateway_probe_seconds="0.001")
    await gateway.connected()
    named = connection_name("gateway", "messages")
    await asyncio.to_thread(until, lambda: named in names_at(sentinel.port), "the gateway's name")


async def test_what_each_sentinel_says_is_told(server: RedisServer, watch: Watch, open_store: OpenStore) -> None:
    sentinel, nobody = watch(server.port), free_port()
    store = await open_store(f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{sentinel.port}/another/0")
    with pytest.raises(StoreUnavailable) as raised:
        await store.ping()
    assert f"127.0.0.1:{nobody}: Error 111" in str(raised.value)
    assert f"127.0.0.1:{sentinel.port}: it watches none of that name" in str(raised.value)


@pytest.mark.parametrize(
    ("refuse", "allow"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    ],
    ids=["a replica", "a primary that no replica follows"],
)
async def test_a_connection_that_takes_no_writes_is_given_up(
    refuse: tuple[str, ...], allow: tuple[str, ...], server: RedisServer, watch: Watch, open_store: OpenStore
) -> None:
    store = await open_store(watch(server.port).url)
    await Job.create(store)
    before = vidferry(server)
    told(server, *refuse)
    with pytest.raises(StoreUnavailable, match=r"takes no writes|is no primary"):
        await Job.create(store)
    assert before
    assert not vidferry(server).keys() & before.keys()
    told(server, *allow)
    await Job.create(store)


async def test_a_replica_is_not_believed_to_be_the_primary(
    server: RedisServer, watch: Watch, open_store: OpenStore, start_gateway: StartGateway
) -> None:
    """A Sentinel may not have heard yet."""
    url = watch(server.port).url
    told(server, "REPLICAOF", "127.0.0.1", "1")
    store = await open_store(url)
    with pytest.raises(StoreUnavailable, match="is no primary"):
        await store.ping()
    gateway = start_gateway(url)
    entry, *_ = await asyncio.to_thread(gateway.wait_for, "Redis is away")
    assert "is no primary" in entry["error"]
    told(server, "REPLICAOF", "NO", "ONE")
    await gateway.connected()
    await store.ping()


@pytest.mark.usefixtures("always_asking")
async def test_another_primary_is_found_while_the_old_one_stays(
    server: RedisServer, other: RedisServer, watch: Watch, open_store: OpenStore, start_gateway: StartGateway
) -> None:
    """As where the Sentinels can't reach it, and could not end its connections."""
    sentinel = watch(server.port)
    store, gateway = await open_store(sentinel.url), start_gateway(sentinel.url, gateway_probe_seconds="0.1")
    await gateway.connected()
    job = await Job.create(store)
    name_instead(sentinel, other.port)
    await gateway.connected(2)
    assert await store.jobs.read(job.id) is None
    assert len(vidferry(other)) == 2


async def test_a_job_is_not_missed_at_a_server_that_is_the_primary_no_more(
    server: RedisServer, other: RedisServer, watch: Watch, open_store: OpenStore, start_gateway: StartGateway
) -> None:
    """Before the gateway asks by itself who the primary is, which it does once an hour here."""
    sentinel = watch(server.port)
    gateway = start_gateway(sentinel.url, gateway_probe_seconds="3600")
    await gateway.connected()
    unknown = await seen_by(gateway.uri("6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"))
    assert (unknown.code, unknown.messages) == (4504, [])

    name_instead(sentinel, other.port)
    job = await Job.create(await open_store(sentinel.url))
    await job.finish()
    known = await seen_by(gateway.uri(job.id))
    assert (known.code, known.messages[-1]["data"]["status"]) == (1000, "completed")


@pytest.mark.usefixtures("always_asking")
async def test_a_good_connection_stays_while_no_sentinel_answers(
    server: RedisServer, watch: Watch, open_store: OpenStore
) -> None:
    sentinel = watch(server.port)
    store = await open_store(sentinel.url)
    job = await Job.create(store)
    before = vidferry(server)
    sentinel.close()
    assert await store.jobs.read(job.id)
    assert vidferry(server) == before


async def test_passwords_of_both_and_none_is_shown(
    watch: Watch, open_store: OpenStore, start_gateway: StartGateway
) -> None:
    with redis_server("--requirepass", "of-the-server", tcp=True) as server:
        lines = (
            f"sentinel auth-pass {NAME} of-the-server",
            "user asker on >of-the-asker -@all +@connection +sentinel|masters",
            "requirepass of-the-others",
        )
        url = watch(server.port, *lines, password="of-the-others").url
        right = {
            "redis_password": "of-the-server",
            "redis_sentinel_username": "asker",
            "redis_sentinel_password": "of-the-asker",
        }
        await (await open_store(url, **right)).ping()
        await start_gateway(url, **right).connected()

        wrong = {**right, "redis_sentinel_password": "a-wrong-one"}
        with pytest.raises(StoreUnavailable, match="invalid username-password") as raised:
            await (await open_store(url, **wrong)).ping()
        gateway = start_gateway(url, **wrong)
        entry, *_ = await asyncio.to_thread(gateway.wait_for, "Redis is away")
        assert "invalid username-password" in entry["error"]
        for secret in ("a-wrong-one", "of-the-server", "of-the-asker"):
            assert secret not in str(raised.value) + gateway.log


async def test_tls_to_sentinels_and_servers(
    server: RedisServer, watch: Watch, open_store: OpenStore, start_gateway: StartGateway, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with TlsFront(server.socket_path, context) as front:
        sentinel = await asyncio.to_thread(watch, front.port)
        async with TlsFront(sentinel.socket_path, context) as before:
            address = f"rediss+sentinel://localhost:{before.port}/{NAME}"
            url = f"{address}?ssl_ca_certs={certificate}"
            await (await open_store(url)).ping()
            await start_gateway(url).connected()
            with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await (await open_store(address)).ping()
