"""Makes the api's ASGI application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from starlette.middleware import Middleware

import vidferry_api.batches.routes as batches
import vidferry_api.health.routes as health
import vidferry_api.jobs.routes as jobs
import vidferry_api.objects.routes as objects
import vidferry_api.page.routes as page
import vidferry_api.probes.routes as probes
import vidferry_api.sign_in.routes as sign_in
import vidferry_api.tickets.routes as tickets
import vidferry_api.versions.routes as versions
import vidferry_api.watch.routes as watch
import vidferry_api.webhooks.routes as webhooks
from vidferry_api.access.authenticator import Authenticator
from vidferry_api.access.openapi import SECURITY_SCHEMES, declare_access
from vidferry_api.access.request_limiter import RequestLimiter
from vidferry_api.dependencies import Services
from vidferry_api.http import openapi, problems
from vidferry_api.http.compression import Compression
from vidferry_api.http.deprecation import DeprecationHeaders, has_deprecated
from vidferry_api.http.middleware import BoundedBody, Cors, RequestLog, SafeHeaders, StripPrefix
from vidferry_api.metrics import ApiMetrics, QueueMetrics, RouteTemplates
from vidferry_api.redis_memory import RedisMemoryLog
from vidferry_api.settings import ApiSettings
from vidferry_common.access import AccessMode
from vidferry_common.bucket import Bucket, open_bucket
from vidferry_common.http.asgi import KnownHost
from vidferry_common.metrics import BucketCalls, Registry
from vidferry_common.startup import wait_for_redis_and_bucket
from vidferry_common.store import JobChanges, Store, connect_redis
from vidferry_common.store.client import connection_name
from vidferry_common.tracing import NO_TRACER, Tracer

OWN_PATHS = frozenset({"/api", "/files", "/static"})
"""A public URL may have one of these as its path. It can't be told from the api's own path then, so it is not stripped
here: the proxy has to strip it."""


def create_app(settings: ApiSettings, registry: Registry, tracer: Tracer = NO_TRACER) -> FastAPI:
    """Makes the application. Its lifespan connects to Redis and the bucket; the registry gets its metrics.

    Raises BucketError if the bucket is a folder that can't be used, and KeysFileWrong if the keys file can't be.
    """
    bucket = open_bucket(settings)
    app = FastAPI(
        title="Vidferry",
        version="1",
        summary="Fetches videos into a bucket and tells every step.",
        description=openapi.DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=openapi.TAGS,
        servers=[
            {"url": settings.public_url, "description": "Vidferry's public URL"}
            if settings.public_url
            else {"url": ".", "description": "Where this document is served"}
        ],
        docs_url=None,  # this page and the next load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,  # the redirect would use the Host header, and clients don't repeat a POST
    )
    problems.install_error_handlers(app)
    modules = (batches, jobs, webhooks, probes, objects, tickets, health, sign_in, versions, watch)
    for module in modules:
        app.include_router(module.router)
    page.mount_page(app)
    # FastAPI keeps an included router as one route, so its routes are not among the app's.
    included = [route for module in (*modules, page) for route in module.router.routes]
    app.state.routes = [*included, *app.routes]
    for route in included:
        declare_access(route, optional=settings.access is AccessMode.NONE)
    bucket.observe_calls(BucketCalls(registry))
    app.state.metrics = ApiMetrics(registry, RouteTemplates(app.state.routes))
    authenticator = Authenticator(settings, app.state.metrics)
    app.router.lifespan_context = _lifespan(settings, registry, bucket, authenticator, tracer)
    # The last one added is the outermost.
    deprecations = [Middleware(DeprecationHeaders)] if has_deprecated(included) else []
    for each in reversed([*_middleware_stack(settings, app.state.metrics, tracer), *deprecations]):
        app.add_middleware(each.cls, *each.args, **each.kwargs)
    openapi.install_openapi(app, SECURITY_SCHEMES)
    return app


def _lifespan(
    settings: ApiSettings, registry: Registry, bucket: Bucket, authenticator: Authenticator, tracer: Tracer
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        redis = connect_redis(settings, connection_name("api", "records"), max_connections=64)
        store = Store(redis, settings.record_seconds, settings.ended_limits)
        changes = JobChanges(settings, connection_name("api", "changes"), settings.max_waits)
        memory_log = RedisMemoryLog(store)
        services = app.state.services = Services(
            settings,
            authenticator,
            RequestLimiter(redis),
            settings.tickets,
            store,
            changes,
            bucket,
            app.state.metrics,
            memory_log,
        )
        queue_metrics = QueueMetrics(registry, store)
        ready_task = asyncio.create_task(_wait_until_ready(services))
        memory_log.start()
        authenticator.start()
        try:
            yield
        finally:
            ready_task.cancel()
            authenticator.close()
            memory_log.close()
            queue_metrics.close()
            await changes.close()
            await bucket.close()
            await redis.aclose(close_connection_pool=True)
            await asyncio.to_thread(tracer.close)

    return lifespan


async def _wait_until_ready(services: Services) -> None:
    await wait_for_redis_and_bucket(services.store, services.bucket)
    services.ready = True


def _middleware_stack(settings: ApiSettings, metrics: ApiMetrics, tracer: Tracer) -> list[Middleware]:
    """The middleware, the outermost first."""
    cors = Middleware(
        Cors,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
        allow_headers=[
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "traceparent",
            "x-request-id",
        ],
        expose_headers=[
            "location",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "idempotency-replayed",
            "traceresponse",
            "traceparent",
            "x-request-id",
            "content-range",
            "etag",
            "www-authenticate",
        ],
        max_age=3600,
    )
    prefix = Middleware(StripPrefix, prefix=settings.prefix)
    return [
        Middleware(SafeHeaders),
        *([cors] if settings.cors_origins else []),
        *([prefix] if settings.prefix and settings.prefix not in OWN_PATHS else []),
        Middleware(RequestLog, metrics=metrics, tracer=tracer, trusts_callers=settings.trust_traceparent),
        Middleware(KnownHost, hosts=settings.hosts, proxies=settings.proxies),
        Middleware(BoundedBody),
        Middleware(Compression),
    ]
