"""The gateway, without a server: what is started, stopped and drained, and the classes that uvicorn is given."""

import asyncio
from typing import Literal, TypedDict

from vidferry_common.contract.close import CloseCode
from vidferry_common.http.asgi import KnownHost
from vidferry_common.metrics import Registry, catalogue
from vidferry_gateway.admission import Admission
from vidferry_gateway.clients.registry import ConnectionRegistry
from vidferry_gateway.clients.sse import EventStream
from vidferry_gateway.hub import Hub
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.redis.feed import Feed
from vidferry_gateway.refusals import websocket_only
from vidferry_gateway.settings import GatewaySettings
from vidferry_gateway.uvicorn.http_protocol import GatewayHttpProtocol
from vidferry_gateway.uvicorn.websocket_protocol import GatewayWebSocketProtocol


class UvicornOptions(TypedDict):
    """Arguments of uvicorn.Config."""

    ws: type[asyncio.Protocol]
    http: type[asyncio.Protocol]
    loop: Literal["asyncio"]
    """whatever is installed: uvloop gains nothing here (docs/adr/0010)"""


class Gateway:
    """The gateway of a process, which is served by `uvicorn.Config(app, **gateway.uvicorn_options)`.

    start and stop belong in the app's lifespan.
    """

    def __init__(self, settings: GatewaySettings, registry: Registry) -> None:
        self.settings = settings
        metrics = GatewayMetrics(registry)
        self.admission = Admission(settings)
        self.connections = ConnectionRegistry(settings, metrics)
        self._feed = Feed(settings, settings.gateway_probe_seconds, metrics, self.connections)
        registry.reading(catalogue.REDIS_CONNECTED, lambda: int(self._feed.connected))
        registry.reading(catalogue.SLOW_SOCKETS, lambda: self.connections.slow_count)
        registry.reading(catalogue.SLOW_BYTES, self.connections.buffered_bytes)
        self._draining = False
        self._drained = False
        # uvicorn hands over its own arguments and no more, so each gateway has classes of its own.
        bound = {"__slots__": (), "services": self}
        self._websocket = type("BoundGatewayWebSocketProtocol", (GatewayWebSocketProtocol,), bound)
        stream = type("BoundEventStream", (EventStream,), bound)
        refusing = KnownHost(websocket_only, settings.hosts, settings.proxies)
        answering = {"stream_class": stream, "websocket_only": refusing}
        self._http = type("BoundGatewayHttpProtocol", (GatewayHttpProtocol,), answering)

    @property
    def hub(self) -> Hub:
        return self._feed.hub

    @property
    def ready(self) -> bool:
        """Whether clients are to be sent here: Redis has been there since the start, and the process does not stop.

        An outage of Redis, which all gateways share, changes nothing: without any of them a proxy has nobody who tells
        clients to come back. refusal() does.
        """
        return self._feed.reached and not self._draining

    @property
    def uvicorn_options(self) -> UvicornOptions:
        return {"ws": self._websocket, "http": self._http, "loop": "asyncio"}

    async def start(self) -> None:
        """Begins to connect to Redis, and returns at once: `ready` tells when it is there."""
        self.connections.start()
        self._feed.start()

    async def stop(self) -> None:
        """Gives back the connection to Redis; sockets are closed before, by drain() or by uvicorn's shutdown."""
        self.connections.stop()
        await self._feed.stop()

    async def drain(self) -> None:
        """Is not ready any more, and after a while closes every socket with 1012, paced; those that come meanwhile too.

        Whoever sends clients here takes its time to notice, so they are served until then.
        """
        self._draining = True
        await asyncio.sleep(self.settings.gateway_settle_seconds)
        await self.connections.drain(self.settings.gateway_drain_seconds)
        self._drained = True
        await self.connections.wait_until_closed()

    def refusal(self, origin: str | None, address: str) -> CloseCode | None:
        """Why a client is turned away whatever it asks for; None lets it in."""
        if self._drained:
            return CloseCode.DRAINING
        refusal = self.admission.refusal(origin, address)
        if refusal is None and not self._feed.connected:
            return CloseCode.REDIS_AWAY
        return refusal
