from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.bundles import Index, package_index
from support.zygotes import worker_environment
from unit.common.store.conftest import records, shared_server
from vidferry_common.bucket import Bucket, BucketSettings, open_bucket

__all__ = ["records", "shared_server", "worker_environment"]


@pytest.fixture
async def bucket(tmp_path: Path) -> AsyncIterator[Bucket]:
    settings = {"bucket": f"file://{tmp_path}/bucket", "signing_key": "k" * 32}
    bucket = open_bucket(BucketSettings.model_validate(settings))
    yield bucket
    await bucket.close()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """A package index that pip asks."""
    with package_index(tmp_path / "index") as served:
        monkeypatch.setenv("PIP_INDEX_URL", served.url)
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield served
