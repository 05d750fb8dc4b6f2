from collections.abc import Iterator
from pathlib import Path

import pytest

from life.service import Service
from support.gcs import Gcs, gcs_session
from support.origin.fixture import origin, site
from support.redis_server import RedisServer, redis_server

__all__ = ["gcs_session", "origin", "site"]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def service(redis: RedisServer, tmp_path: Path) -> Iterator[Service]:
    """With a folder as the bucket, and no worker yet."""
    with Service(redis, tmp_path).running() as found:
        yield found


@pytest.fixture
def cloud(gcs_session: Gcs) -> Iterator[Gcs]:
    """Whose requests can be held."""
    gcs_session.layer.forget()
    yield Gcs(gcs_session.layer, gcs_session.key_file)
    gcs_session.layer.forget()


@pytest.fixture
def cloud_service(redis: RedisServer, tmp_path: Path, cloud: Gcs) -> Iterator[Service]:
    """With Cloud Storage as the bucket."""
    with Service(redis, tmp_path, environment=cloud.environment()).running() as found:
        yield found
