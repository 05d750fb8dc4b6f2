from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.browser import OpenPage, browser, open_page, shared_context
from support.gateway_fixtures import shared_redis, start_gateway
from support.redis_server import RedisServer
from system.clients.files import files, serving
from system.clients.watchers import JavaScript, Python, React, Watcher
from system.clients.world import World, world

__all__ = ["browser", "open_page", "shared_context", "shared_redis", "start_gateway"]

StartWatcher = Callable[..., Watcher]
"""of a URL, and of a fresh one for when its ticket has expired"""
# A browser says in its console what it could not reach.
OUTAGES = ["WebSocket connection to"]


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(files()) as url:
        yield url


@pytest.fixture
def told(shared_redis: RedisServer) -> Iterator[World]:
    with world(shared_redis) as opened:
        yield opened


@pytest.fixture(params=["javascript", "react", "python"])
def start_watcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartWatcher]:
    """One of the documented clients, on the address that it is given."""
    with ExitStack() as stack:

        def start(ws_url: str, fresh_url: str = "") -> Watcher:
            if request.param == "python":
                process = Python(tmp_path, ws_url, fresh_url)
                stack.callback(process.close)
                return process
            open_page: OpenPage = request.getfixturevalue("open_page")
            page = open_page(request.getfixturevalue("site"), expected=OUTAGES)
            return {"javascript": JavaScript, "react": React}[request.param](page, ws_url, fresh_url=fresh_url)

        yield start
