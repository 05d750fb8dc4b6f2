from collections.abc import Iterator

import pytest

from support.redis_server import RedisServer, redis_server
from support.services import MakeUp


@pytest.fixture(scope="session")
def folder_stack() -> Iterator[MakeUp]:
    """All of Vidferry, as `make up` runs it, with a folder as the bucket."""
    with MakeUp() as stack:
        yield stack


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server
