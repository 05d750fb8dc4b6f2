from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_receiver import OtlpReceiver
from support.product import Product


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def product(collector: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """All of Vidferry, which sends its spans to the collector."""
    home: Path = tmp_path_factory.mktemp("traces")
    environment = collector.environment
    with Product(home, {"lease": "2", "retries": "1", "worker_slots": "4"}, environment=environment) as product:
        yield product
