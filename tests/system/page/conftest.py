from collections.abc import Iterator

import pytest

from support.browser import browser, open_page, shared_context
from system.page.scripted import Scripted, scripted_server

__all__ = ["browser", "open_page", "shared_context"]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script
