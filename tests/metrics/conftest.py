from collections.abc import Iterator

import pytest

from metrics.product import Product
from store.conftest import records, shared_server
from support.origin.fixture import origin, site
from support.redis_server import RedisServer, redis_server

__all__ = ["origin", "records", "shared_server", "site"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """For tests that leave it as it is, but for its figures."""
    with redis_server() as server, Product(server, tmp_path_factory.mktemp("product")).running() as found:
        yield found


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """For a test that takes it away."""
    with redis_server() as server:
        yield server
