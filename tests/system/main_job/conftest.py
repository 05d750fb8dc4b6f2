"""One running product for each bucket and test process."""

import hashlib
from collections.abc import Iterator

import pytest

from support.gcs import gcs_service
from support.oidc_issuer import OidcIssuer
from support.services import MakeUp


@pytest.fixture(scope="session")
def gcs_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeUp]:
    with gcs_service(tmp_path_factory.mktemp("gcs")) as cloud, MakeUp(cloud.environment()) as stack:
        yield stack


@pytest.fixture(scope="session")
def key() -> str:
    """The API key that `keys_stack` asks for."""
    return "vf_" + "k" * 43


@pytest.fixture(scope="session")
def issuer() -> Iterator[OidcIssuer]:
    """The issuer of the tokens that `keys_stack` takes."""
    with OidcIssuer() as started:
        yield started


@pytest.fixture(scope="session")
def keys_stack(key: str, issuer: OidcIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeUp]:
    """The product, which asks for a key or a token."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(
        f"""
        [[keys]]
        name = "test"
        owner = "team-a"
        sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"
        scopes = ["jobs:write", "jobs:read", "objects:read"]
        """
    )
    with MakeUp(access_keys_file=str(keys), **issuer.settings()) as stack:
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
