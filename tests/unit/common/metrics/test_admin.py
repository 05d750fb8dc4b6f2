"""The admin port itself: what it answers, what it refuses, and that its answers are true."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from support.ports import free_port
from support.product import Product
from support.redis_server import RedisServer
from support.services import Api, Gateway, Worker
from vidferry_common.metrics import AdminServer, AdminSettings, PortTaken, Registry
from vidferry_common.metrics.admin import MAX_CONNECTIONS, MAX_HEAD
from vidferry_common.metrics.catalogue import Service

pytestmark = pytest.mark.anyio
in_product = pytest.mark.xdist_group("product")


@asynccontextmanager
async def serving(ready: Callable[[], bool] = lambda: True) -> AsyncIterator[int]:
    """An admin port in this process."""
    settings = AdminSettings.model_validate({"admin_port": free_port(), "admin_host": "127.0.0.1"})
    async with AdminServer(settings, Registry(Service.API), ready):
        yield settings.admin_port


async def ask(port: int, request: bytes) -> bytes:
    """The whole answer, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost:9090\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\nhost:\t127.0.0.1\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.1\r\nX: y\r\nHost: evil.example:9090\r\n\r\n", 421),
        (b"GET /metrics HTTP/1.1\r\nhost : evil.example\r\n\r\n", 421),
        (b"GET /metrics HTTP/1.1\r\nHost:\r\n\r\n", 421),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics?name[]=up HTTP/1.1\r\n\r\n", 200),
        (b"HEAD /readyz HTTP/1.1\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/ HTTP/1.1\r\n\r\n", 404),
        (b"GET http://elsewhere/metrics HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"get /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/2\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET /" + b"x" * 2 * MAX_HEAD + b" HTTP/1.1\r\n\r\n", 431),
    ],
)
async def test_it_is_strict(request_: bytes, status: int) -> None:
    async with serving() as port:
        answer = await ask(port, request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n")[1:])}
    assert fields[b"connection"] == b"close"
    assert request_.startswith(b"HEAD") or int(fields[b"content-length"]) == len(body)
    assert request_.startswith(b"HEAD") <= (body == b"")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (b"Accept: application/openmetrics-text; version=1.0.0, */*;q=0.1\r\n", b"application/openmetrics-text"),
        (b"accept:text/html\r\nACCEPT: application/openmetrics-text\r\n", b"application/openmetrics-text"),
        (b"Accept: */*\r\n", b"text/plain"),
        (b"X-Accept: application/openmetrics-text\r\n", b"text/plain"),
        (b"", b"text/plain"),
    ],
)
async def test_who_asks_for_openmetrics_gets_it(accept: bytes, kind: bytes) -> None:
    async with serving() as port:
        head, _, body = (await ask(port, b"GET /metrics HTTP/1.1\r\n" + accept + b"\r\n")).partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: " + kind + b"; version=" in head
    assert body.endswith(b"# EOF\n") is kind.startswith(b"application")


async def test_a_client_that_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_common.metrics.admin.REQUEST_SECONDS", 0.2)
    async with serving() as port:
        assert await ask(port, b"GET /metrics HTTP/1.1\r\n") == b""


async def test_connections_are_bounded() -> None:
    async with serving() as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        assert await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n") == b""
        for _, writer in idle:
            await close(writer)
        while not await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"):
            pass


async def test_readiness_is_the_services_own() -> None:
    ready = False
    async with serving(lambda: ready) as port:
        assert b"503" in (await ask(port, b"GET /readyz HTTP/1.1\r\n\r\n")).splitlines()[0]
        ready = True
        assert b"200" in (await ask(port, b"GET /readyz HTTP/1.1\r\n\r\n")).splitlines()[0]


async def test_port_0_opens_nothing() -> None:
    settings = AdminSettings.model_validate({"admin_port": 0, "admin_host": "127.0.0.1"})
    async with AdminServer(settings, Registry(Service.API), lambda: True) as server:
        assert server._server is None


def test_a_taken_port_can_not_be_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = AdminSettings.model_validate({"admin_port": taken.getsockname()[1], "admin_host": "127.0.0.1"})
        with pytest.raises(PortTaken, match="VIDFERRY_ADMIN_PORT"):
            AdminServer(settings, Registry(Service.API), lambda: True)


@pytest.mark.parametrize("module", ["vidferry_api", "vidferry_gateway", "vidferry_worker"])
def test_a_taken_port_ends_a_service_with_a_sentence(module: str, own_redis: RedisServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = Worker(own_redis.url, tmp_path, admin_port=str(taken.getsockname()[1])).environment
        ended = subprocess.run(
            [sys.executable, "-m", module],
            env={**env, "VIDFERRY_GATEWAY_PORT": "0", "VIDFERRY_ADMIN_HOST": "127.0.0.1"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "the admin port" in ended.stderr
    assert "the port is in use" in ended.stderr
    assert "Traceback" not in ended.stderr


@in_product
def test_nothing_of_it_is_on_the_public_ports(product: Product) -> None:
    for path in ("/metrics", "/metrics/", "//metrics", "/api/metrics", "/ws/metrics"):
        assert httpx2.get(product.api.url + path).status_code == 404
        assert product.gateway.status(path) == 404


@in_product
def test_a_blocked_loop_does_not_answer(product: Product) -> None:
    for process in (product.api, product.worker, product.gateway):
        admin = process.admin
        assert admin.get("/healthz").text == "ok\n"
        process.signal(signal.SIGSTOP)
        try:
            with pytest.raises(httpx2.TimeoutException):
                admin.get("/healthz", timeout=0.5)
        finally:
            process.signal(signal.SIGCONT)
        assert admin.status("/healthz") == 200


def test_without_redis_all_live_and_tell_their_figures(own_redis: RedisServer, tmp_path: Path) -> None:
    with Product(tmp_path, {}, redis=own_redis, admin=True) as product:
        own_redis.kill()
        product.worker.admin.wait("/readyz", 503)
        product.gateway.admin.until(lambda scrape: scrape.value("vidferry_gateway_redis_connected") == 0)
        lost = product.api.admin.until(lambda scrape: scrape.value("vidferry_redis_up") == 0)
        assert lost.labels("vidferry_queue_downloads") == lost.labels("vidferry_queue_oldest_waiting_seconds") == []
        assert [admin.status("/healthz") for admin in product.admins] == [200, 200, 200]
        assert product.api.admin.status("/readyz") == 200, "as the public one: an outage is told by 503s"
        assert product.gateway.admin.status("/readyz") == 200, "it is told by 1013"

        own_redis.start()
        for admin in product.admins:
            admin.wait("/readyz", 200)
        product.api.admin.until(lambda scrape: scrape.value("vidferry_redis_up") == 1)
        product.gateway.admin.until(lambda scrape: scrape.value("vidferry_gateway_redis_connections_total") == 2)


def test_a_redis_that_hangs_does_not_hold_a_scrape(own_redis: RedisServer, tmp_path: Path) -> None:
    with Api(own_redis.url, tmp_path, admin_port=str(free_port())) as api:
        api.admin.until(lambda scrape: scrape.value("vidferry_redis_up") == 1)
        own_redis.freeze()
        lost = api.admin.until(lambda scrape: scrape.value("vidferry_redis_up") == 0)
        assert lost.labels("vidferry_queue_downloads") == []
        own_redis.thaw()
        api.admin.until(lambda scrape: scrape.value("vidferry_redis_up") == 1)


def test_services_are_not_ready_before_redis_is_there(tmp_path: Path) -> None:
    with Gateway("unix:///nowhere/redis.sock", admin_port=str(free_port())) as gateway:
        gateway.admin.wait("/readyz", 503)
        assert gateway.admin.status("/healthz") == 200
