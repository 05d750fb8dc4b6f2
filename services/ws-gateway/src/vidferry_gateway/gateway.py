"""The gateway without a server: starts, drains and stops its parts, and makes the protocol classes for uvicorn."""

import asyncio
from typing import Literal, TypedDict

from vidferry_common.contract.close import CloseCode
from vidferry_common.http.asgi import KnownHost
from vidferry_common.metrics import Registry, catalogue
from vidferry_common.tracing import NO_TRACER, Tracer
from vidferry_gateway.admission import Admission
from vidferry_gateway.clients.registry import ConnectionRegistry
from vidferry_gateway.clients.sse import EventStream
from vidferry_gateway.hub import Hub
from vidferry_gateway.link_tickets import LinkTickets
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.redis.feed import RedisFeed
from vidferry_gateway.refusals import refuse_without_upgrade
from vidferry_gateway.settings import GatewaySettings
from vidferry_gateway.uvicorn.http_protocol import GatewayHttpProtocol
from vidferry_gateway.uvicorn.websocket_protocol import GatewayWebSocketProtocol
from vidferry_gateway.watch_traces import WatchTraces


class UvicornOptions(TypedDict):
    """Arguments for uvicorn.Config."""

    ws: type[asyncio.Protocol]
    http: type[asyncio.Protocol]
    loop: Literal["asyncio"]
    """even where uvloop is installed, which gains nothing here (docs/adr/0010-how-messages-fan-out.md)"""


class Gateway:
    """The gateway of a process. `uvicorn.Config(app, **gateway.uvicorn_options)` serves it.

    The app's lifespan must call start() and stop().
    """

    def __init__(self, settings: GatewaySettings, registry: Registry, tracer: Tracer = NO_TRACER) -> None:
        self.settings = settings
        metrics = GatewayMetrics(registry)
        self.admission = Admission(settings)
        self.connections = ConnectionRegistry(settings, metrics)
        self.tickets = settings.tickets
        link_tickets = LinkTickets(self.tickets) if self.tickets else None
        traces = WatchTraces(tracer) if tracer.enabled else None
        self._feed = RedisFeed(
            settings, settings.gateway_probe_seconds, metrics, self.connections, link_tickets, traces
        )
        registry.add_reading(catalogue.REDIS_CONNECTED, lambda: int(self._feed.connected))
        registry.add_reading(catalogue.SLOW_SOCKETS, lambda: self.connections.slow_count)
        registry.add_reading(catalogue.SLOW_BYTES, self.connections.buffered_bytes)
        self._draining = False
        self._drained = False
        # uvicorn passes nothing of ours to its protocol classes, so each gateway binds itself to subclasses.
        connection_attributes = {"__slots__": (), "services": self}
        self._websocket_class = type(
            "BoundGatewayWebSocketProtocol", (GatewayWebSocketProtocol,), connection_attributes
        )
        http_attributes = {
            "stream_class": type("BoundEventStream", (EventStream,), connection_attributes),
            "refuse_without_upgrade": KnownHost(refuse_without_upgrade, settings.hosts, settings.proxies),
        }
        self._http_class = type("BoundGatewayHttpProtocol", (GatewayHttpProtocol,), http_attributes)

    @property
    def hub(self) -> Hub:
        return self._feed.hub

    @property
    def ready(self) -> bool:
        """Whether clients are to be sent here: Redis was reached once, and the process is not stopping.

        An outage of Redis changes nothing, since it hits all gateways at once: if none were ready, the proxy could
        send clients nowhere. Instead client_refusal() tells clients to come back later.
        """
        return self._feed.has_connected and not self._draining

    @property
    def uvicorn_options(self) -> UvicornOptions:
        return {"ws": self._websocket_class, "http": self._http_class, "loop": "asyncio"}

    async def start(self) -> None:
        """Starts connecting to Redis and returns immediately; `ready` tells when Redis has been reached."""
        self.connections.start()
        self._feed.start()

    async def stop(self) -> None:
        """Closes the connection to Redis. The clients' connections must be closed already: by drain() or by uvicorn."""
        self.connections.stop()
        await self._feed.stop()

    async def drain(self) -> None:
        """Becomes unready, waits, then closes every connection with 1012 at an even pace, including new ones.

        The wait is for load balancers, which go on sending clients here until they notice.
        """
        self._draining = True
        await asyncio.sleep(self.settings.gateway_settle_seconds)
        await self.connections.drain(self.settings.gateway_drain_seconds)
        self._drained = True
        await self.connections.wait_until_closed()

    def client_refusal(self, origin: str | None, address: str) -> CloseCode | None:
        """Why a client is turned away, whatever it asks for; None if it is let in."""
        if self._drained:
            return CloseCode.DRAINING
        refusal = self.admission.client_refusal(origin, address)
        if refusal is None and not self._feed.connected:
            return CloseCode.REDIS_AWAY
        return refusal
