"""What the gateway uses of uvicorn's inner parts. None of it is documented: a new version has to pass here first."""

import asyncio
import inspect
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.asyncio.client import connect

from support.jobs import Job
from support.raw_websocket import frame, handshake
from support.redis_server import RedisServer
from support.tls import self_signed
from support.watchers import TIMEOUT, listen, received
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_gateway.gateway import Gateway
from vidferry_gateway.settings import GatewaySettings
from vidferry_gateway.uvicorn.server import DrainingServer

pytestmark = pytest.mark.anyio


class Recorder(asyncio.Protocol):
    """A `ws=` class that writes down what is done with it."""

    upgraded: ClassVar[asyncio.Queue["Recorder"]]

    def __init__(self, **arguments: Any) -> None:
        self.arguments, self.calls, self.data = arguments, ["made"], b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.calls.append("connection_made")
        self.arguments["server_state"].connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.calls.append("data_received")
        if not self.data:
            # At the end of this turn: the hand-over goes on when this returns.
            asyncio.get_running_loop().call_soon(self.upgraded.put_nowait, self)
        self.data += data

    def shutdown(self) -> None:
        self.calls.append("shutdown")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.arguments["server_state"].connections.discard(self)


class Server(uvicorn.Server):
    """uvicorn, in this process and without its signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@dataclass
class Serving:
    server: Server
    port: int
    stack: ExitStack

    def say(self, data: bytes) -> socket.socket:
        """On a connection of its own."""
        client = self.stack.enter_context(socket.create_connection(("127.0.0.1", self.port)))
        client.sendall(data)
        client.setblocking(False)
        return client

    async def upgraded(self, data: bytes) -> Recorder:
        """What the class was told once it had the request."""
        self.say(data)
        return await asyncio.wait_for(Recorder.upgraded.get(), TIMEOUT)


@asynccontextmanager
async def serving(app: Any = None, **options: Any) -> AsyncIterator[Serving]:
    Recorder.upgraded = asyncio.Queue()
    server = Server(uvicorn.Config(app or Starlette(), log_config=None, **options))
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        task = asyncio.create_task(server._serve([listener]))
        await asyncio.wait_for(server.up.wait(), TIMEOUT)
        try:
            yield Serving(server, listener.getsockname()[1], stack)
        finally:
            server.should_exit = True
            await task


def gateway() -> Gateway:
    return Gateway(GatewaySettings.model_validate({}), Registry(Service.GATEWAY))


async def test_how_the_class_is_made_and_called() -> None:
    async with serving(ws=Recorder, http=HttpToolsProtocol) as uvicorn_here:
        recorder = await uvicorn_here.upgraded(handshake("some-job", "X-Forwarded-For: 203.0.113.9"))
        assert set(recorder.arguments) == {"config", "server_state", "app_state"}
        assert recorder.arguments["server_state"] is uvicorn_here.server.server_state
        assert recorder.calls == ["made", "connection_made", "data_received"]
        assert recorder.transport.get_protocol() is recorder
        head = recorder.data.lower()
        assert head.startswith(b"get /ws/download/some-job http/1.1\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert b"\r\nsec-websocket-key: dghlihnhbxbszsbub25jzq==\r\n" in head
        assert b"\r\nx-forwarded-for: 203.0.113.9\r\n" in head, "no middleware has taken it"
    assert recorder.calls[-1] == "shutdown", "of what is in server_state.connections"


async def test_uvicorn_itself_still_loses_what_follows_a_handshake() -> None:
    """When this fails, GatewayHttpProtocol need not keep it any more."""
    async with serving(ws=Recorder, http=HttpToolsProtocol) as uvicorn_here:
        recorder = await uvicorn_here.upgraded(handshake("some-job") + frame(9, b"early"))
        assert recorder.data.endswith(b"\r\n\r\n")


async def test_the_gateways_class_keeps_it() -> None:
    ping = frame(9, b"early", masked=False)
    async with serving(**{**gateway().uvicorn_options, "ws": Recorder}) as uvicorn_here:
        recorder = await uvicorn_here.upgraded(handshake("some-job") + ping)
        assert recorder.data.endswith(b"\r\n\r\n" + ping)
        assert recorder.transport.get_protocol() is recorder


async def test_sockets_are_counted_by_a_limit_that_refuses_none() -> None:
    """Why `limit_concurrency` is never set: uvicorn answers health with 503 and lets upgrades pass."""
    async with serving(ws=Recorder, http=HttpToolsProtocol, limit_concurrency=2) as uvicorn_here:
        for _ in range(4):
            await uvicorn_here.upgraded(handshake("some-job"))
        client = uvicorn_here.say(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), TIMEOUT)
        assert answer.startswith(b"HTTP/1.1 503 ")
    assert "limit_concurrency" not in gateway().uvicorn_options


async def test_below_tls_no_message_goes_past_the_transport(
    shared_redis: RedisServer, job: Job, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path, "localhost")
    here = Gateway(GatewaySettings.model_validate({"redis_url": shared_redis.url}), Registry(Service.GATEWAY))
    await here.start()
    try:
        async with asyncio.timeout(TIMEOUT):
            while not here.ready:  # noqa: ASYNC110 - it tells its probes, and nobody else
                await asyncio.sleep(0)
        async with serving(**here.uvicorn_options, ssl_certfile=str(certificate)) as uvicorn_here:
            trust = ssl.create_default_context(cafile=certificate)
            uri = f"wss://127.0.0.1:{uvicorn_here.port}/ws/download/{job.id}"
            async with connect(uri, ssl=trust) as socket:
                await listen(socket, received(1))
                for percent in (21.0, 22.0, 23.0):
                    await job.progress(percent)
                    seen = await listen(socket, received(1))
                    assert seen.progress == [percent]
    finally:
        await here.stop()


async def test_the_inner_parts_that_are_overridden_or_used() -> None:
    """Names and parameters, as of the version that uvicorn is pinned to."""
    arguments = {"data_received": 2, "on_body": 2, "on_message_begin": 1, "on_headers_complete": 1}
    arguments |= {"on_message_complete": 1, "handle_websocket_upgrade": 1, "on_header": 3, "send_400_response": 2}
    arguments |= {"on_response_complete": 1, "_should_upgrade": 1, "_unsupported_upgrade_warning": 1}
    for name, count in arguments.items():
        assert len(inspect.signature(getattr(HttpToolsProtocol, name)).parameters) == count, name
    config = uvicorn.Config(Starlette(), log_config=None)
    protocol = HttpToolsProtocol(config, uvicorn.Server(config).server_state, {})
    assert isinstance(protocol.connections, set)
    assert vars(protocol).keys() >= {"app", "cycle", "headers", "loop", "parser", "pipeline", "transport"}
    protocol.on_message_begin()
    assert protocol.url == b""
    assert list(inspect.signature(uvicorn.Server.handle_exit).parameters) == ["self", "sig", "frame"]
    ours = set(vars(DrainingServer)) - {"__module__", "__doc__", "__init__"}
    assert ours & set(vars(uvicorn.Server)) == {"run", "startup", "handle_exit"}, "no name of ours hides one of theirs"
