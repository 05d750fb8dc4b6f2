"""The api's program."""

from typing import Any

import uvicorn

from vidferry_api.app import create_app
from vidferry_api.settings import ApiSettings
from vidferry_common import log
from vidferry_common.settings import load

GRACE_SECONDS = 20

SERVER_OPTIONS: dict[str, Any] = {
    "log_config": None,
    "access_log": False,  # it would tell the queries of signed links
    "proxy_headers": False,  # they count by VIDFERRY_TRUSTED_PROXIES, which needs the peer's own address
    "server_header": False,
    "lifespan": "on",
}
"""what uvicorn must be told wherever it serves the app of create_app"""


def main() -> None:
    settings = load(ApiSettings)
    log.set_up(settings, "api")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
        **SERVER_OPTIONS,
    )
