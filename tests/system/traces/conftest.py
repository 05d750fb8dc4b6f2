from collections.abc import Iterator
from pathlib import Path

import pytest

from support.otlp_receiver import OtlpReceiver
from support.product import Product
from support.receiver import SECRET as WEBHOOK_SECRET
from support.services import variables
from system.traces.caller import Caller

SECRET = "token-of-the-collector"


@pytest.fixture(scope="package")
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def product(collector: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """All of Vidferry, which sends its spans to the collector."""
    home: Path = tmp_path_factory.mktemp("traces")
    webhooks = variables({"webhook_secrets": WEBHOOK_SECRET, "webhook_http": "true"})
    environment = {**collector.environment, **webhooks, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={SECRET}"}
    with Product(
        home, {"lease": "2", "retries": "1", "worker_slots": "4"}, environment=environment, admin=True
    ) as product:
        yield product


@pytest.fixture
def caller() -> Caller:
    return Caller()
