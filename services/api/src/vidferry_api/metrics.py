"""The api's metrics: requests, jobs, and the state of queue and Redis.

The api exports the queue's depth, not the workers, since there may be no worker.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount

from vidferry_common.contract.bundles import Bundle
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.metrics import Registry, catalogue
from vidferry_common.store import QueueDepth, RedisMemory, Store, StoreUnavailable, Undelivered

logger = logging.getLogger(__name__)

ANY_ROUTE_STATUSES = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
"""statuses that every route may answer with"""
SCRAPE_SECONDS = 1.0
"""how long a scrape waits for Redis, and how long what was read counts as current"""


class ApiMetrics:
    """The counters and histograms of an api."""

    def __init__(self, registry: Registry, routes: "RouteTemplates") -> None:
        self._routes = routes
        self._requests = registry.add_counter(catalogue.HTTP_REQUESTS, route=routes.templates)
        for route, method, status in routes.answers:
            self._requests.start_series(route, method, status)
        self._durations = registry.add_histogram(catalogue.HTTP_DURATION, route=routes.templates)
        self._problems = registry.add_counter(catalogue.HTTP_PROBLEMS)
        self.accepted = registry.add_counter(catalogue.JOBS_ACCEPTED)
        self.refused = registry.add_counter(catalogue.JOBS_REFUSED)
        self.access_refused = registry.add_counter(catalogue.ACCESS_REFUSED)
        self.cancelled = registry.add_counter(catalogue.JOBS_CANCELLED)

    def count_request(self, scope: Mapping[str, Any], status: int, seconds: float, trace: str = "") -> None:
        """Counts a request, and its problem document if one was sent; status is 0 if no response was sent.

        trace: the id of its trace, if that is recorded.
        """
        route, method = self._routes.template_of(scope), scope["method"]
        self._requests.add(route, method, str(status) if status else catalogue.NO_CODE)
        self._durations.observe(seconds, route, method, trace=trace)
        if problem := scope["state"].get("problem"):
            self._problems.add(problem)


class RouteTemplates:
    """The path templates of an app's routes, which label its metrics."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        paths = [str(getattr(route, "path", "")) for route in routes]
        self.templates = tuple(dict.fromkeys(filter(None, paths)))
        self.answers = tuple(_declared_answers(routes))
        """(template, method, status) of every documented response, and of those that any route may send"""
        self._mounts = tuple(f"{route.path}/" for route in routes if isinstance(route, Mount))

    def template_of(self, scope: Mapping[str, Any]) -> str:
        """The template of the request's route, or its path if none matched, which the counter counts as other."""
        template = getattr(scope.get("route"), "path", None)
        if template:
            return str(template)
        path = str(scope["path"])
        return next((mount[:-1] for mount in self._mounts if path.startswith(mount)), path)


def _declared_answers(routes: list[BaseRoute]) -> Iterator[tuple[str, str, str]]:
    for route in routes:
        if isinstance(route, APIRoute):
            statuses = {route.status_code or HTTPStatus.OK, *ANY_ROUTE_STATUSES, *route.responses}
            for method in route.methods or ():
                yield from ((route.path, method, str(int(status))) for status in statuses)


class QueueMetrics:
    """The metrics of the queue and of Redis, read at a scrape, at most once a second and with a short timeout."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._store, self._clock_offset = store, registry.clock_offset
        self._depth: QueueDepth | None = None
        self._memory: RedisMemory | None = None
        self._undelivered: Undelivered | None = None
        self._bundle: Bundle | None = None
        self._held = 0
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        registry.before_scrape(self._read_if_old)
        registry.add_reading(catalogue.QUEUE, self._queue_states)
        registry.add_reading(catalogue.REDIS_MEMORY, self._memory_kinds)
        registry.add_reading(catalogue.QUEUE_OLDEST, lambda: None if self._depth is None else self._depth.oldest)
        registry.add_reading(catalogue.PAUSED_SITES, lambda: self._pause_figures("sites"))
        registry.add_reading(catalogue.PAUSED_DOWNLOADS, lambda: self._pause_figures("downloads"))
        registry.add_reading(catalogue.UNDELIVERED, lambda: self._undelivered_figure("jobs"))
        registry.add_reading(catalogue.UNDELIVERED_OLDEST, lambda: self._undelivered_figure("oldest"))
        registry.add_reading(catalogue.BUNDLE_PUBLISHED, self._bundle_published)
        registry.add_reading(catalogue.BUNDLES_HELD, lambda: None if self._depth is None else self._held)
        registry.add_reading(catalogue.REDIS_UP, lambda: int(self._depth is not None))

    def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    def _queue_states(self) -> dict[tuple[str, ...], float]:
        depth = self._depth
        if depth is None:
            return {}
        return {("waiting",): depth.waiting, ("deferred",): depth.deferred, ("running",): depth.running}

    def _pause_figures(self, name: str) -> dict[tuple[str, ...], float]:
        if self._depth is None:
            return {}
        pauses = self._depth.pauses
        codes = [code for code in ErrorCode if code.parks_site]
        return {(code,): float(getattr(pauses[code], name)) if code in pauses else 0.0 for code in codes}

    def _undelivered_figure(self, name: str) -> float | None:
        return None if self._depth is None or self._undelivered is None else float(getattr(self._undelivered, name))

    def _bundle_published(self) -> float | None:
        return None if self._depth is None or self._bundle is None else self._bundle.published / 1000

    def _memory_kinds(self) -> dict[tuple[str, ...], float]:
        memory = self._memory
        return {} if self._depth is None or memory is None else {("used",): memory.used, ("max",): memory.maximum}

    async def _read_if_old(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._read_at < SCRAPE_SECONDS:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_redis())
        # The read is not cancelled on a timeout: cancelling amid a reply costs the connection.
        await asyncio.wait({self._reading}, timeout=SCRAPE_SECONDS)
        if not self._reading.done():
            self._depth = None

    async def _read_redis(self) -> None:
        try:
            self._clock_offset.record_measure(*await self._store.read_clock())
            self._memory = await self._store.read_memory()
            self._undelivered = await self._store.webhooks.read_undelivered()
            self._bundle = await self._store.bundles.current()
            self._held = len(await self._store.bundles.held())
            self._depth = await self._store.queue.read_depth()
            self._read_at = asyncio.get_running_loop().time()
        except StoreUnavailable as error:
            self._depth = None
            logger.debug("the queue's depth is unknown", extra={"error": str(error)})
