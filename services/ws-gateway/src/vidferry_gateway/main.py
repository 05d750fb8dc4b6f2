"""The stand-alone gateway: `python -m vidferry_gateway`."""

import gc
import logging
import math
import resource
import socket
import sys

import uvicorn

from vidferry_common.log import set_up
from vidferry_common.metrics import AdminServer, PortTaken, Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.settings import load
from vidferry_gateway.app import make_app
from vidferry_gateway.gateway import Gateway
from vidferry_gateway.settings import GatewaySettings
from vidferry_gateway.uvicorn.server import DrainingServer

_log = logging.getLogger(__name__)
_BACKLOG = 2048
_OTHER_DESCRIPTORS = 100
"""files, the listeners, connections that are being refused"""


def main() -> None:
    settings = load(GatewaySettings)
    set_up(settings, "gateway")
    listener = _open_listener(settings.gateway_host, settings.gateway_port)
    registry = Registry(Service.GATEWAY)
    gateway = Gateway(settings, registry)
    try:
        admin = AdminServer(settings, registry, lambda: gateway.ready)
    except PortTaken as error:
        sys.exit(str(error))
    config = uvicorn.Config(
        make_app(gateway, admin),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # they count by VIDFERRY_TRUSTED_PROXIES
        lifespan="on",
        backlog=_BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.gateway_close_seconds),
        **gateway.uvicorn_options,
    )
    host, port = listener.getsockname()[:2]
    _log.info("listening", extra={"host": host, "port": port})
    _raise_descriptor_limit(settings.gateway_max_sockets)
    _freeze_collector()
    DrainingServer(config, gateway).run([listener])


def _raise_descriptor_limit(sockets: int) -> None:
    """As many as the system lets this process have: by default it begins with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if resource.RLIM_INFINITY != most < sockets + _OTHER_DESCRIPTORS:
        _log.warning("the limit of %d open files allows fewer clients than VIDFERRY_GATEWAY_MAX_SOCKETS", most)


def _freeze_collector() -> None:
    """The collector need not look through all that was imported, nor run at every seventh socket that comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def _open_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        _log.error("can't listen on %s port %s: %s", host, port, error.strerror)
        sys.exit(1)
