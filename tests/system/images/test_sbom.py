"""The list of what is in an image."""

import json
import re
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from system.images.conftest import By
from vidferry_images.build import ROOT, BuiltImage

pytestmark = [pytest.mark.images, pytest.mark.timeout(900), pytest.mark.xdist_group("images")]


def sbom(built: BuiltImage) -> dict[str, Any]:
    return dict(json.loads(built.sbom.read_text()))


def purls(built: BuiltImage) -> set[str]:
    return {component["purl"] for component in sbom(built)["components"] if "purl" in component}


def test_it_is_cyclonedx(one: BuiltImage) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(one.sbom.read_text()) is None


def test_it_names_the_image(one: BuiltImage) -> None:
    component = sbom(one)["metadata"]["component"]
    assert f"{component['name']}:{component['version']}" == one.name
    assert component["properties"] == [{"name": "vidferry:image-id", "value": one.image_id}]


def test_it_lists_python_s_distributions_as_the_lock_has_them(one: BuiltImage) -> None:
    lock = dict(re.findall(r"(?m)^([a-z0-9._-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text()))
    python = {purl.removeprefix("pkg:pypi/") for purl in purls(one) if purl.startswith("pkg:pypi/")}
    others = {part for part in python if not part.startswith("vidferry-")}
    assert len(others) > 10
    assert {part for part in others if lock.get(part.split("@")[0]) != part.split("@")[1]} == set()


@pytest.mark.parametrize(
    ("name", "has", "has_not"),
    [("api", "fastapi", "yt-dlp"), ("worker", "yt-dlp", "fastapi"), ("gateway", "starlette", "google-cloud-storage")],
)
def test_it_tells_the_images_apart(built: By, name: str, has: str, has_not: str) -> None:
    listed = {purl.split("@")[0] for purl in purls(built[name])}
    assert f"pkg:pypi/{has}" in listed
    assert f"pkg:pypi/{has_not}" not in listed


def test_it_lists_the_bases_packages(one: BuiltImage) -> None:
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls(one))


def test_it_holds_no_address_of_an_index(one: BuiltImage) -> None:
    text = one.sbom.read_text()
    assert re.findall(r"https?://[^\"]*(?:/simple|pythonhosted|pypi\.org)[^\"]*", text) == []
