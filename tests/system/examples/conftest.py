from collections.abc import Iterator

import pytest

from support.backstage import Backstage
from support.redis_server import redis_server
from support.services import Api


@pytest.fixture(scope="module")
def backstage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backstage]:
    with redis_server() as redis:
        yield Backstage(redis, tmp_path_factory.mktemp("bucket"))


@pytest.fixture(scope="module")
def api(backstage: Backstage) -> Iterator[Api]:
    with Api(backstage.server.url, backstage.folder) as process:
        yield process
