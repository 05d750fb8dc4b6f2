from collections.abc import Iterator
from pathlib import Path

import pytest

from support.redis_server import RedisServer, redis_server
from support.services import MakeUp


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the tests of a module run in one process, which starts once what they share: services, or a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


@pytest.fixture(scope="session")
def folder_stack() -> Iterator[MakeUp]:
    """All of Vidferry, as `make up` runs it, with a folder as the bucket."""
    with MakeUp() as stack:
        yield stack


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server
