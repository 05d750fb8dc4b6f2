"""The images, built twice on a base made here."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from system.images.container import Container
from vidferry_images.build import MEMBERS, ROOT, BuiltImage, build_all
from vidferry_images.builders import Builder, find_builder

BASE = "localhost/vidferry-base:bookworm"
CANARY = "index.canary.invalid"
"""A host that the second build is told about, as a machine's mirror would be."""

By = dict[str, BuiltImage]


@pytest.fixture(scope="session")
def builder() -> Builder:
    return find_builder("buildah")


@pytest.fixture(scope="session")
def base(builder: Builder) -> str:
    """That of VIDFERRY_TEST_BASE; else one made by debootstrap, once."""
    if named := os.environ.get("VIDFERRY_TEST_BASE"):
        return named
    if subprocess.run([builder.name, "inspect", "--type", "image", BASE], check=False, capture_output=True).returncode:
        subprocess.run([ROOT / "deploy/images/base", BASE], check=True)
    return BASE


@pytest.fixture(scope="session")
def built(builder: Builder, base: str, tmp_path_factory: pytest.TempPathFactory) -> By:
    return _by_name(build_all(builder, tmp_path_factory.mktemp("images"), base=base))


@pytest.fixture(scope="session")
def again(built: By, builder: Builder, base: str, tmp_path_factory: pytest.TempPathFactory) -> By:
    """From nothing, later, and on a machine that is set up in another way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_TRUSTED_HOST", CANARY)
        patch.setenv("UV_INSECURE_HOST", CANARY)
        return _by_name(build_all(builder, tmp_path_factory.mktemp("again"), base=base))


@pytest.fixture(params=list(MEMBERS))
def one(request: pytest.FixtureRequest, built: By) -> BuiltImage:
    """Each image."""
    return built[request.param]


@pytest.fixture(scope="session")
def containers(built: By) -> Iterator[dict[str, Container]]:
    opened = {name: Container(f"localhost/{each.name}", each.image.config) for name, each in built.items()}
    try:
        yield opened
    finally:
        for container in opened.values():
            container.close()


@pytest.fixture(params=list(MEMBERS))
def container(request: pytest.FixtureRequest, containers: dict[str, Container]) -> Container:
    found: Container = containers[request.param]
    return found


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """A folder that containers may write, as a volume with their group would be."""
    folder = tmp_path / "bucket"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def _by_name(images: list[BuiltImage]) -> By:
    return dict(zip(MEMBERS, images, strict=True))
