from collections.abc import Iterator

import pytest

from support.product import Product

SLOTS = 2
LEASE = "3"
"""seconds; a dead worker's probe is taken over then"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    worker = {"worker_slots": str(SLOTS), "site_share": "1", "caller_share": "1", "lease": LEASE}
    with Product(tmp_path_factory.mktemp("product"), worker) as found:
        yield found
