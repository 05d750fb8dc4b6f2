"""Reads an image from an archive as `docker save` writes them."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Layer:
    diff_id: str
    """the digest of its unpacked bytes"""
    member: str
    """its name in the archive"""


@dataclass(frozen=True)
class Image:
    path: Path

    @cached_property
    def image_id(self) -> str:
        """The digest of the configuration, which names all layers by theirs."""
        return "sha256:" + Path(self._manifest["Config"]).name.removesuffix(".json")

    @cached_property
    def layers(self) -> list[Layer]:
        return [
            Layer(diff_id, member)
            for diff_id, member in zip(self.config["rootfs"]["diff_ids"], self._manifest["Layers"], strict=True)
        ]

    @cached_property
    def config(self) -> dict[str, Any]:
        with tarfile.open(self.path) as archive:
            return _json(archive, self._manifest["Config"])  # type: ignore[no-any-return]

    def size(self, layer: Layer) -> int:
        """Bytes, unpacked."""
        with tarfile.open(self.path) as archive:
            return archive.getmember(layer.member).size

    @contextmanager
    def opened(self, layer: Layer) -> Iterator[tarfile.TarFile]:
        with tarfile.open(self.path) as archive, tarfile.open(fileobj=_member(archive, layer.member)) as inner:
            yield inner

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        with tarfile.open(self.path) as archive:
            return _json(archive, "manifest.json")[0]  # type: ignore[no-any-return]


def above(image: Image, others: list[Image]) -> list[Layer]:
    """Its layers above what all of them begin with: the base."""
    shared = 0
    for at_once in zip(*([layer.diff_id for layer in one.layers] for one in [image, *others]), strict=False):
        if len(set(at_once)) > 1:
            break
        shared += 1
    return image.layers[shared:]


def _json(archive: tarfile.TarFile, name: str) -> Any:
    return json.load(_member(archive, name))


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found is not None
    return found
