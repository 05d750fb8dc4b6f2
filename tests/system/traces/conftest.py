from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_receiver import OtlpReceiver
from support.product import Product

SECRET = "token-of-the-collector"


@pytest.fixture(scope="package")
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def product(collector: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """All of Vidferry, which sends its spans to the collector."""
    home: Path = tmp_path_factory.mktemp("traces")
    environment = {**collector.environment, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={SECRET}"}
    with Product(
        home, {"lease": "2", "retries": "1", "worker_slots": "4"}, environment=environment, admin=True
    ) as product:
        yield product
