"""Writes the SBOM of an image in CycloneDX: its Python distributions, and the Debian packages of its base."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from vidferry_images.archive import Image
from vidferry_images.builders import BuildFailed

DPKG = "var/lib/dpkg/status"


def write_sbom(image: Image, name: str, target: Path) -> None:
    """Writes the SBOM. It is reproducible: it has no time, no serial number, and no address of an index."""
    with tempfile.TemporaryDirectory(prefix="vidferry-sbom-") as folder:
        packages = _read_packages(image, Path(folder))
        bom = _python_bom(packages, Path(folder))
    bom["components"] += sorted(packages.debian, key=lambda part: part["name"])
    bom["metadata"]["tools"] = {
        "components": [
            {key: tool[key] for key in ("type", "name", "version")} for tool in bom["metadata"]["tools"]["components"]
        ]
    }
    title, _, version = name.partition(":")
    bom["metadata"]["component"] = {
        "bom-ref": "image",
        "type": "container",
        "name": title,
        "version": version,
        "properties": [{"name": "vidferry:image-id", "value": image.image_id}],
    }
    target.write_text(json.dumps(bom, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


class _Packages:
    """The packages in an image: Python metadata unpacked into a folder, and Debian packages as components."""

    def __init__(self, site_packages: Path) -> None:
        self.site_packages = site_packages
        self.debian: list[dict[str, Any]] = []


def _read_packages(image: Image, folder: Path) -> _Packages:
    """Reads the packages from the layers, and unpacks Python's metadata into the folder."""
    packages = _Packages(folder / "site-packages")
    packages.site_packages.mkdir()
    for layer in image.layers:
        with image.open_layer(layer) as files:
            for entry in files:
                path = PurePosixPath(entry.name)
                if path.name == "METADATA" and path.parent.suffix == ".dist-info" and path.is_relative_to("opt"):
                    target = packages.site_packages / path.parent.name / "METADATA"
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(_read_bytes(files.extractfile(entry)))
                elif str(path) == DPKG:
                    packages.debian = list(_debian_components(_read_bytes(files.extractfile(entry)).decode()))
    return packages


def _read_bytes(file: Any) -> bytes:
    return bytes(file.read())


def _python_bom(packages: _Packages, folder: Path) -> dict[str, Any]:
    """Has cyclonedx-py list the unpacked metadata. It asks an interpreter for its path: a script answers instead."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\necho '{json.dumps([str(packages.site_packages)])}'\n")
    python.chmod(0o700)
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command = [str(tool), "environment", "--output-reproducible", "--output-format", "JSON", str(python)]
    result = subprocess.run(command, env=dict(os.environ), check=False, capture_output=True, text=True)  # noqa: S603
    if result.returncode:
        raise BuildFailed(f"{result.stderr[-2000:]}\nThe SBOM could not be written.")
    bom: dict[str, Any] = json.loads(result.stdout)
    return bom


def _debian_components(status: str) -> Iterator[dict[str, Any]]:
    for paragraph in status.strip().split("\n\n"):
        fields = Parser().parsestr(paragraph, headersonly=True)
        if not fields["Status"].endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={fields['Architecture']}"
        yield {"bom-ref": purl, "type": "library", "name": name, "version": version, "purl": purl}
