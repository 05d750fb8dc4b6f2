from collections.abc import Iterator
from pathlib import Path

import pytest

from support.product import Product

SLOTS = 2
LEASE = 1.0
"""seconds; a dead worker's probe is taken over then"""


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with Product(tmp_path, {"worker_slots": str(SLOTS), "site_share": "1", "caller_share": "1", "lease": "1"}) as found:
        yield found
