"""One api process for most tests; each test finds its Redis empty."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from support.backstage import Backstage
from support.redis_server import RedisServer, redis_server
from support.services import KEY, Api, variables
from vidferry_api.app import create_app
from vidferry_api.settings import ApiSettings
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.settings import load_settings

StartApi = Callable[..., Api]
OpenApp = Callable[..., TestClient]


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def shared_bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bucket")


@pytest.fixture(scope="session")
def shared_api(shared_redis: RedisServer, shared_bucket: Path) -> Iterator[Api]:
    process = Api(shared_redis.url, shared_bucket).start()
    yield process
    assert process.stop() in {0, -signal.SIGTERM}, "a clean end"


@pytest.fixture
def backstage(shared_redis: RedisServer, shared_bucket: Path) -> Backstage:
    found = Backstage(shared_redis, shared_bucket)
    found.empty()
    return found


@pytest.fixture
def api(shared_api: Api, backstage: Backstage) -> Iterator[httpx2.Client]:
    """A client of the running process."""
    with httpx2.Client(base_url=shared_api.url, timeout=20) as client:
        yield client


@pytest.fixture
def start_api() -> Iterator[StartApi]:
    """Further processes, with a Redis and settings of the test's choice."""
    with ExitStack() as stack:

        def start(redis_url: str, bucket: Path, path: str = "/readyz", **settings: str) -> Api:
            process = Api(redis_url, bucket, **settings)
            stack.callback(process.close)
            return process.start(path)

        yield start


@pytest.fixture
def open_app(backstage: Backstage, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenApp]:
    """The application in this process, with settings of the test's choice."""
    with ExitStack() as stack:

        def opening(peer: str = "192.0.2.7", **settings: str) -> TestClient:
            told = {
                "redis_url": backstage.server.url, "bucket": f"file://{backstage.folder}", "signing_key": KEY,
                "admin_port": "0", "allowed_hosts": "testserver",
            }  # fmt: skip
            for name, value in variables(told | settings).items():
                monkeypatch.setenv(name, value)
            client = TestClient(
                create_app(load_settings(ApiSettings), Registry(Service.API)),
                client=(peer, 50000),
                follow_redirects=False,
            )
            return stack.enter_context(client)

        yield opening
