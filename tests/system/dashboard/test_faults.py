"""Real faults of real services, as a real Prometheus sees them: the right alert fires and no other."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.alerts import write_rules
from support.gcs import Gcs, gcs_session
from support.origin.site import Site
from support.product import Product
from support.redis_server import RedisServer, redis_server
from system.dashboard.server import Prometheus, prometheus

__all__ = ["gcs_session"]

pytestmark = [pytest.mark.dashboard, pytest.mark.xdist_group("faults"), pytest.mark.timeout(400)]
SECONDS = 180.0
BUCKET, REDIS = "VidferryBucketUnavailable", "VidferryRedisUnavailable"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server("--maxmemory", "256mb") as server:
        yield server


@pytest.fixture(scope="module")
def product(folder: Path, redis: RedisServer, gcs_session: Gcs) -> Iterator[Product]:
    with Product(folder, {}, redis=redis, environment=gcs_session.environment(), admin=True) as found:
        yield found


@pytest.fixture(scope="module")
def server(folder: Path, product: Product) -> Iterator[Prometheus]:
    ports = dict(zip(("api", "worker", "gateway"), (admin.port for admin in product.admins), strict=True))
    with prometheus(folder, ports, write_rules(folder, hold="2s")) as found:
        yield found


def until(server: Prometheus, check: Callable[[set[str]], bool]) -> set[str]:
    """The names of the alerts that fire, once that is true of them."""
    deadline = time.monotonic() + SECONDS
    while not check(names := {alert["labels"]["alertname"] for alert in server.alerts()}):
        assert time.monotonic() < deadline, names
        time.sleep(0.5)
    return names


def test_a_bucket_that_refuses(server: Prometheus, product: Product, site: Site, gcs_session: Gcs) -> None:
    assert product.run(site.url("/media/clip.mp4")).last["status"] == "completed"
    assert until(server, lambda names: not names) == set()
    gcs_session.layer.faults.add("begin", status=403, times=10**6)
    assert product.run(site.url("/other/clip.mp4")).last["error"]["code"] == "storage_denied"
    assert until(server, lambda names: BUCKET in names) == {BUCKET}
    gcs_session.layer.forget()
    until(server, lambda names: not names)


def test_a_redis_that_is_killed(server: Prometheus, redis: RedisServer) -> None:
    until(server, lambda names: not names)
    redis.kill()
    assert until(server, lambda names: REDIS in names) == {REDIS}
    redis.start()
    until(server, lambda names: not names)
