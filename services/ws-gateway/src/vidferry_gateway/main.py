"""Starts the stand-alone gateway: `python -m vidferry_gateway`."""

import gc
import logging
import math
import resource
import socket
import sys

import uvicorn

from vidferry_common.log import set_up
from vidferry_common.metrics import AdminServer, PortTaken, Registry, catalogue
from vidferry_common.metrics.catalogue import Service
from vidferry_common.settings import load_settings
from vidferry_common.tracing import start_tracing
from vidferry_gateway.app import make_app
from vidferry_gateway.gateway import Gateway
from vidferry_gateway.settings import GatewaySettings
from vidferry_gateway.uvicorn.server import DrainingServer

_log = logging.getLogger(__name__)
_BACKLOG = 2048
_OTHER_DESCRIPTORS = 100
"""descriptors for files, listeners, and connections that are being refused"""


def main() -> None:
    settings = load_settings(GatewaySettings)
    set_up(settings, "gateway")
    listener = _open_listener(settings.gateway_host, settings.gateway_port)
    registry = Registry(Service.GATEWAY)
    tracer = start_tracing(settings, "gateway")
    registry.add_reading(catalogue.SPANS, tracer.count_spans)
    gateway = Gateway(settings, registry, tracer)
    try:
        admin = AdminServer(settings, registry, lambda: gateway.ready)
    except PortTaken as error:
        sys.exit(str(error))
    config = uvicorn.Config(
        make_app(gateway, admin),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # VIDFERRY_TRUSTED_PROXIES decides about them
        lifespan="on",
        backlog=_BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.gateway_close_seconds),
        **gateway.uvicorn_options,
    )
    host, port = listener.getsockname()[:2]
    _log.info("listening", extra={"host": host, "port": port})
    _raise_descriptor_limit(settings.gateway_max_sockets)
    _tune_garbage_collector()
    try:
        DrainingServer(config, gateway).run([listener])
    finally:
        tracer.close()


def _raise_descriptor_limit(sockets: int) -> None:
    """Raises the soft limit, 1,024 by default, to the hard limit."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    if resource.RLIM_INFINITY != hard_limit < sockets + _OTHER_DESCRIPTORS:
        _log.warning(
            "the limit of open files allows fewer clients than VIDFERRY_GATEWAY_MAX_SOCKETS",
            extra={"limit": hard_limit},
        )


def _tune_garbage_collector() -> None:
    """Takes everything imported so far out of garbage collection, and collects less often: by default a run would come
    with every seventh new connection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def _open_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        _log.critical("can't listen", extra={"host": host, "port": port, "error": error.strerror})
        sys.exit(1)
