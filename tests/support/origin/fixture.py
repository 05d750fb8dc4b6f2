"""The fixtures: import both in a conftest.py.

`origin` is one server for each test process; `site` is a test's own corner of it, with addresses no other test uses.
"""

from collections.abc import Iterator

import pytest

from support.origin.server import Origin
from support.origin.site import Site


@pytest.fixture(scope="session")
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server
    assert not server.faults, "\n".join(server.faults)


@pytest.fixture
def site(origin: Origin) -> Site:
    return origin.site()
