from collections.abc import Iterator

import pytest

from support.redis_server import redis_server
from support.services import Api


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with redis_server() as redis, Api(redis.url, tmp_path_factory.mktemp("bucket")) as process:
        yield process
