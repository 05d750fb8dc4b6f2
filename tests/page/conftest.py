from collections.abc import Iterator

import pytest

from page.scripted import Scripted, scripted_server
from support.browser import browser, open_page

__all__ = ["browser", "open_page"]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script
