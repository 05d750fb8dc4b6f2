"""One running product for each bucket and test process."""

from collections.abc import Iterator

import pytest

from support.gcs import gcs_service
from support.stack import Stack, running


@pytest.fixture(scope="session")
def gcs_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with gcs_service(tmp_path_factory.mktemp("gcs")) as cloud, running(**cloud.environment()) as stack:
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
