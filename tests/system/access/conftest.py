from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.backstage import Backstage
from support.gateway_fixtures import OpenStore, shared_redis, store_of
from support.jobs import Job
from support.redis_server import RedisServer
from support.services import Api, Gateway
from support.tickets import ACCESS

__all__ = ["shared_redis", "store_of"]

OWNERS = ("team-a", "team-b")


@dataclass
class TwoOwners:
    """A job of each of two owners; the first is whose ticket is misused."""

    mine: Job
    theirs: Job


@pytest.fixture(scope="module")
def gateway(shared_redis: RedisServer) -> Iterator[Gateway]:
    with Gateway(shared_redis.url, **ACCESS) as process:
        process.wait_for("connected to Redis")
        yield process


@pytest.fixture(scope="module")
def backstage(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Backstage:
    return Backstage(shared_redis, tmp_path_factory.mktemp("bucket"))


@pytest.fixture(scope="module")
def api(backstage: Backstage) -> Iterator[Api]:
    folder: Path = backstage.folder
    with Api(backstage.server.url, folder, **ACCESS) as process:
        yield process


@pytest.fixture
async def jobs(shared_redis: RedisServer, store_of: OpenStore) -> AsyncIterator[TwoOwners]:
    store = await store_of(shared_redis)
    yield TwoOwners(*[await Job.create(store, owner) for owner in OWNERS])
