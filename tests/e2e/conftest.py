"""One running product for each bucket and test process."""

from collections.abc import Iterator

import pytest

from support.gcs import Gcs, gcs, gcs_session
from support.origin.fixture import origin, site
from support.stack import Stack, running

__all__ = ["gcs", "gcs_session", "origin", "site"]


@pytest.fixture(scope="session")
def folder_stack() -> Iterator[Stack]:
    with running() as stack:
        yield stack


@pytest.fixture(scope="session")
def gcs_stack(gcs_session: Gcs) -> Iterator[Stack]:
    with running(**gcs_session.environment()) as stack:
        yield stack


@pytest.fixture(
    params=[
        pytest.param("folder", marks=pytest.mark.xdist_group("folder")),
        pytest.param("gcs", marks=pytest.mark.xdist_group("gcs")),
    ]
)
def stack(request: pytest.FixtureRequest) -> Stack:
    """The product with either bucket."""
    found: Stack = request.getfixturevalue(f"{request.param}_stack")
    return found
