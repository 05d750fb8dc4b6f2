"""The api as an ASGI application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

import vidferry_api.health.routes as health
import vidferry_api.jobs.routes as jobs
import vidferry_api.objects.routes as objects
import vidferry_api.page.routes as page
import vidferry_api.watch.routes as watch
from vidferry_api.dependencies import Services
from vidferry_api.http import problems
from vidferry_api.http.middleware import BoundedBody, Cors, RequestLog, SafeHeaders, StripPrefix
from vidferry_api.http.problems import ProblemDocument
from vidferry_api.metrics import ApiMetrics, QueueReader, RouteTemplates
from vidferry_api.redis_memory import RedisMemoryLog
from vidferry_api.settings import ApiSettings
from vidferry_common.bucket import Bucket, open_bucket
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http.asgi import KnownHost
from vidferry_common.metrics import Registry
from vidferry_common.startup import wait_for_redis_and_bucket
from vidferry_common.store import Store, connect_redis
from vidferry_common.store.client import connection_name

OWN_PATHS = frozenset({"/api", "/files", "/static"})
"""a public address below one of these can't be told from the path itself: there the proxy takes it off"""


def create_app(settings: ApiSettings, registry: Registry) -> FastAPI:
    """The application; its lifespan connects to Redis and the bucket. What it counts is in the registry.

    BucketError where the bucket is a folder that can't be used.
    """
    bucket = open_bucket(settings)
    app = FastAPI(
        title="Vidferry",
        version="1",
        summary="Fetches videos into a bucket and tells every step.",
        servers=[{"url": settings.public_url}] if settings.public_url else None,
        lifespan=_lifespan(settings, registry, bucket),
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be built from the Host header, and a POST does not follow it
        responses=problems.problem_responses(ProblemCode.INVALID_HOST, ProblemCode.UNKNOWN_HOST, ProblemCode.INTERNAL),
    )
    problems.install_handlers(app)
    modules = (jobs, objects, health, watch)
    for module in modules:
        app.include_router(module.router)
    page.mount_page(app)
    # FastAPI keeps an included router whole: its routes aren't among the app's.
    own = [route for module in (*modules, page) for route in module.router.routes]
    app.state.routes = [*own, *app.routes]
    app.state.metrics = ApiMetrics(registry, RouteTemplates(app.state.routes))
    # Those added last are the outermost.
    for each in reversed(_middleware_stack(settings, app.state.metrics)):
        app.add_middleware(each.cls, *each.args, **each.kwargs)
    _describe_problems(app)
    return app


def _lifespan(
    settings: ApiSettings, registry: Registry, bucket: Bucket
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        redis = connect_redis(settings, connection_name("api", "records"), max_connections=64)
        store = Store(redis, settings.record_seconds, settings.ended_limits)
        memory_log = RedisMemoryLog(store)
        services = app.state.services = Services(settings, store, bucket, app.state.metrics, memory_log)
        queue = QueueReader(registry, store)
        waiting = asyncio.create_task(_wait_until_ready(services))
        memory_log.start()
        try:
            yield
        finally:
            waiting.cancel()
            memory_log.close()
            queue.close()
            await bucket.close()
            await redis.aclose(close_connection_pool=True)

    return lifespan


async def _wait_until_ready(services: Services) -> None:
    await wait_for_redis_and_bucket(services.store, services.bucket)
    services.ready = True


def _middleware_stack(settings: ApiSettings, metrics: ApiMetrics) -> list[Middleware]:
    """The outermost first."""
    cors = Middleware(
        Cors,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=["content-type", "idempotency-key", "if-none-match", "traceparent"],
        expose_headers=[
            "location",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "idempotency-replayed",
            "traceresponse",
            "content-range",
            "etag",
        ],
        max_age=3600,
    )
    prefix = Middleware(StripPrefix, prefix=settings.prefix)
    return [
        Middleware(SafeHeaders),
        *([cors] if settings.cors_origins else []),
        *([prefix] if settings.prefix and settings.prefix not in OWN_PATHS else []),
        Middleware(RequestLog, metrics=metrics),
        Middleware(KnownHost, hosts=settings.hosts, proxies=settings.proxies),
        Middleware(BoundedBody),
    ]


def _describe_problems(app: FastAPI) -> None:
    """FastAPI describes its own form of a 422, which never leaves this app."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = generate()
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        described = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(described.pop("$defs", {}))
        schemas["ProblemDocument"] = described
        for operation in [operation for path in document["paths"].values() for operation in path.values()]:
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]  # of a path's id alone: a malformed one is a 404
        return document

    app.openapi = openapi  # type: ignore[method-assign]
