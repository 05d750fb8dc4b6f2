"""Of all tests."""

import pytest
from _pytest.nodeid import coerce_node_id


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has tests of one xdist_group run in one process, so that they share what the group starts.

    pytest-xdist 3.8 writes the group into an attribute that names a test no more since pytest 9.2.
    """
    for item in items:
        named = vars(item).get("_nodeid")
        if named:
            item._id = coerce_node_id(named)
