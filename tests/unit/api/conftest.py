"""One api process for most tests; each test finds its Redis empty."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from support.api_process import ApiProcess, Backstage, environment
from support.redis_server import RedisServer, redis_server
from vidferry_api.app import create_app
from vidferry_api.settings import ApiSettings
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.settings import load_settings

StartApi = Callable[..., ApiProcess]
OpenApp = Callable[..., TestClient]


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def shared_bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bucket")


@pytest.fixture(scope="session")
def shared_api(shared_redis: RedisServer, shared_bucket: Path) -> Iterator[ApiProcess]:
    process = ApiProcess(shared_redis.url, shared_bucket).start()
    yield process
    assert process.close() in {0, -signal.SIGTERM}, "a clean end"


@pytest.fixture
def backstage(shared_redis: RedisServer, shared_bucket: Path) -> Backstage:
    found = Backstage(shared_redis, shared_bucket)
    found.empty()
    return found


@pytest.fixture
def api(shared_api: ApiProcess, backstage: Backstage) -> Iterator[httpx2.Client]:
    """A client of the running process."""
    with httpx2.Client(base_url=shared_api.url, timeout=20) as client:
        yield client


@pytest.fixture
def start_api() -> Iterator[StartApi]:
    """Further processes, with a Redis and settings of the test's choice."""
    with ExitStack() as stack:

        def start(redis_url: str, bucket: Path, path: str = "/readyz", **settings: str) -> ApiProcess:
            process = ApiProcess(redis_url, bucket, **settings).start(path)
            stack.callback(process.close)
            return process

        yield start


@pytest.fixture
def open_app(backstage: Backstage, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenApp]:
    """The application in this process, with settings of the test's choice."""
    with ExitStack() as stack:

        def opening(peer: str = "192.0.2.7", **settings: str) -> TestClient:
            told = {"allowed_hosts": "testserver", **settings}
            for name, value in environment(backstage.server.url, backstage.folder, **told).items():
                monkeypatch.setenv(name, value)
            client = TestClient(
                create_app(load_settings(ApiSettings), Registry(Service.API)),
                client=(peer, 50000),
                follow_redirects=False,
            )
            return stack.enter_context(client)

        yield opening
