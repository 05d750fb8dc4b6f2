"""Reads images from archives in the format of `docker save`."""

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
    """A layer of an image."""

    diff_id: str
    """the digest of the unpacked layer"""
    member: str
    """the layer's name in the archive"""


@dataclass(frozen=True)
class Image:
    """An image in an archive."""

    path: Path

    @cached_property
    def image_id(self) -> str:
        """The digest of the configuration, which contains the digests of all layers."""
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
            return _read_json(archive, self._manifest["Config"])  # type: ignore[no-any-return]

    def size(self, layer: Layer) -> int:
        """The size of the unpacked layer in bytes."""
        with tarfile.open(self.path) as archive:
            return archive.getmember(layer.member).size

    @contextmanager
    def open_layer(self, layer: Layer) -> Iterator[tarfile.TarFile]:
        with tarfile.open(self.path) as archive, tarfile.open(fileobj=_open_member(archive, layer.member)) as inner:
            yield inner

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        with tarfile.open(self.path) as archive:
            return _read_json(archive, "manifest.json")[0]  # type: ignore[no-any-return]


def layers_above_base(image: Image, others: list[Image]) -> list[Layer]:
    """The image's layers without those that it shares with all others: the base."""
    shared = 0
    for diff_ids in zip(*([layer.diff_id for layer in one.layers] for one in [image, *others]), strict=False):
        if len(set(diff_ids)) > 1:
            break
        shared += 1
    return image.layers[shared:]


def _read_json(archive: tarfile.TarFile, name: str) -> Any:
    return json.load(_open_member(archive, name))


def _open_member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    assert member is not None
    return member
