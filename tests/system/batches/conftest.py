from collections.abc import Iterator
from pathlib import Path

import pytest

from support.product import Product


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """Without a worker: a test starts its own."""
    with Product(tmp_path) as found:
        yield found
