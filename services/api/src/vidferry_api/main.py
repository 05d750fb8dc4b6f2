"""The api's program."""

import uvicorn

from vidferry_api.app import create_app
from vidferry_api.settings import ApiSettings
from vidferry_common import log
from vidferry_common.settings import load

GRACE_SECONDS = 20


def main() -> None:
    settings = load(ApiSettings)
    log.set_up(settings, "api")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
