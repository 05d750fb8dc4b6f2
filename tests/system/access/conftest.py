from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.access import KeysFile, bearer
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
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> KeysFile:
    return KeysFile(tmp_path_factory.mktemp("keys") / "keys.toml")


@pytest.fixture(scope="module")
def owners(keys_file: KeysFile) -> dict[str, dict[str, str]]:
    """The header of each owner's key."""
    return {owner: bearer(keys_file.add(owner)) for owner in OWNERS}


@pytest.fixture(scope="module")
def api(backstage: Backstage, keys_file: KeysFile, owners: dict[str, dict[str, str]]) -> Iterator[Api]:
    with Api(backstage.server.url, backstage.folder, **(keys_file.settings() | ACCESS)) as process:
        yield process


@pytest.fixture
async def jobs(shared_redis: RedisServer, store_of: OpenStore) -> TwoOwners:
    store = await store_of(shared_redis)
    return TwoOwners(*[await Job.create(store, owner) for owner in OWNERS])
