from collections.abc import Iterator

import pytest

from support.product import Product
from unit.common.store.conftest import records, shared_server

__all__ = ["records", "shared_server"]


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """For tests that leave it as it is, but for its figures."""
    with Product(tmp_path_factory.mktemp("product"), {"retries": "1"}, admin=True) as found:
        yield found
