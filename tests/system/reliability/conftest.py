"""Two running products, one for each bucket: they cost more than what is tried on them. Workers come and go."""

from collections.abc import Iterator

import pytest

from support.gcs import Gcs, gcs_service
from system.reliability.proxied import ProxiedProduct


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedProduct]:
    """With a folder as the bucket. Who takes its Redis away brings it back."""
    home = tmp_path_factory.mktemp("life")
    with ProxiedProduct(home) as found:
        yield found


@pytest.fixture
def service(shared: ProxiedProduct) -> Iterator[ProxiedProduct]:
    """Without a worker; those that the test starts are gone afterwards."""
    with shared.crew():
        yield shared


@pytest.fixture(scope="module")
def staffed(shared: ProxiedProduct) -> Iterator[ProxiedProduct]:
    """With one worker for all tests of a module."""
    with shared.crew():
        shared.worker_named("worker")
        yield shared


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    """Whose requests can be held."""
    with gcs_service(tmp_path_factory.mktemp("gcs")) as service:
        yield service


@pytest.fixture(scope="session")
def shared_cloud(cloud: Gcs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedProduct]:
    with ProxiedProduct(tmp_path_factory.mktemp("cloud"), environment=cloud.environment()) as found:
        yield found


@pytest.fixture
def cloud_service(shared_cloud: ProxiedProduct, cloud: Gcs) -> Iterator[ProxiedProduct]:
    """With Cloud Storage as the bucket, and no worker yet."""
    cloud.layer.forget()
    with shared_cloud.crew():
        yield shared_cloud
    cloud.layer.forget()
