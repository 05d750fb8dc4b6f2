"""One running product for each bucket and test process."""

from collections.abc import Iterator

import pytest

from support.gcs import gcs_service
from support.services import MakeUp


@pytest.fixture(scope="session")
def gcs_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeUp]:
    with gcs_service(tmp_path_factory.mktemp("gcs")) as cloud, MakeUp(cloud.environment()) as stack:
        yield stack


@pytest.fixture(
    params=[
        pytest.param("folder", marks=pytest.mark.xdist_group("folder")),
        pytest.param("gcs", marks=pytest.mark.xdist_group("gcs")),
    ]
)
def stack(request: pytest.FixtureRequest) -> MakeUp:
    """The product with either bucket."""
    found: MakeUp = request.getfixturevalue(f"{request.param}_stack")
    return found
