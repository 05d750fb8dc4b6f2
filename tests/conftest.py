"""What all tests share, each started once in a process of tests: an origin, Cloud Storage, an S3, a zygote."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from _pytest.nodeid import coerce_node_id

from support.gcs import gcs, gcs_session
from support.jobs import Jobs, jobs_in
from support.origin.fixture import origin, site
from support.redis_server import RedisServer, redis_server
from support.s3 import s3, s3_session
from support.zygotes import warm_zygote, worker_environment, zygote

__all__ = ["gcs", "gcs_session", "origin", "s3", "s3_session", "site", "warm_zygote", "worker_environment", "zygote"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has tests of one xdist_group run in one process, so that they share what the group starts.

    pytest-xdist 3.8 writes the group into an attribute that names a test no more since pytest 9.2.
    """
    for item in items:
        named = vars(item).get("_nodeid")
        if named:
            item._id = coerce_node_id(named)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Accepts nothing by itself: who has connected waits there to be seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
async def jobs(redis: RedisServer) -> AsyncIterator[Jobs]:
    """The jobs in the `redis` of the test's folder or module."""
    async with jobs_in(redis) as found:
        yield found


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """For a test that takes it away, or whose workers nobody may help."""
    with redis_server() as server:
        yield server
