"""Bundles on disk and in the bucket.

In the bucket each wheel is named by its SHA-256, and so is the manifest, which names the wheels. So what is there is
whole or unused: the manifest is stored after its wheels, and a bundle is published after its manifest. Everything that
is read is compared with the digest that Redis has of the manifest.
"""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from vidferry_common.bucket import NEW, Bucket, BucketError, ObjectNotFound, PreconditionFailed, Upload
from vidferry_common.contract.bundles import Bundle
from vidferry_worker.bundles.wheel import MAX_WHEEL, BadWheel, read_info, read_wheel, unpack
from vidferry_worker.children.work_dir import clear_folder_in_thread

FOLDER = "system/bundles"
"""in the bucket"""
MAX_MANIFEST = 4096
PACKAGES = ("yt-dlp", "yt-dlp-ejs")
UNUSED_SECONDS = 86400.0
"""after which what belongs to no bundle in use is removed from the bucket"""


class BadBundle(Exception):
    """What is in the bucket is not what was published, or can't be unpacked."""


@dataclass(frozen=True, slots=True)
class Wheels:
    """The wheels of a bundle on disk, by package."""

    version: str
    ejs_version: str
    paths: dict[str, Path]

    @classmethod
    def check(cls, paths: dict[str, Path]) -> "Wheels":
        """BadWheel where they are not of PACKAGES, or yt-dlp pins another yt-dlp-ejs."""
        infos = {package: read_info(paths[package], package) for package in PACKAGES}
        version, ejs_version = (infos[package].version for package in PACKAGES)
        if infos["yt-dlp"].ejs_pin != ejs_version:
            raise BadWheel(f"yt-dlp {version} pins another yt-dlp-ejs than {ejs_version}")
        return cls(version, ejs_version, paths)

    def unpack(self, folder: Path) -> None:
        """Their packages, side by side in a new folder; BadWheel, OSError."""
        folder.mkdir(mode=0o700)
        for package in PACKAGES:
            unpack(self.paths[package], package, folder)


class Library:
    """The bundles of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def save(self, wheels: Wheels, previous: str) -> Bundle:
        """Stores a bundle that is not published yet; BucketError. previous: the version that the fleet runs."""
        digests = {}
        for package, path in wheels.paths.items():
            content = await asyncio.to_thread(read_wheel, path)
            digests[package] = hashlib.sha256(content).hexdigest()
            await self._put(_wheel_name(digests[package]), content)
        manifest = orjson.dumps({
            "version": wheels.version, "ejs_version": wheels.ejs_version, "wheels": digests,
        })  # fmt: skip
        signature = hashlib.sha256(manifest).hexdigest()
        await self._put(_manifest_name(signature), manifest)
        return Bundle(wheels.version, wheels.ejs_version, _manifest_name(signature), signature, previous)

    async def load(self, bundle: Bundle, folder: Path) -> None:
        """Unpacks a published bundle into a new folder; BadBundle, BucketError, OSError."""
        digests = _parse_manifest(await self._get(bundle.manifest, bundle.digest, MAX_MANIFEST), bundle)
        async with temporary_folder(folder.with_name(f"{folder.name}-wheels")) as wheels:
            paths = {}
            for package, expected in digests.items():
                content = await self._get(_wheel_name(expected), expected, MAX_WHEEL)
                paths[package] = wheels / f"{package}.whl"
                await asyncio.to_thread(paths[package].write_bytes, content)
            try:
                found = await asyncio.to_thread(Wheels.check, paths)
                await asyncio.to_thread(found.unpack, folder)
            except BadWheel as error:
                raise BadBundle(str(error)) from error
        if (found.version, found.ejs_version) != (bundle.version, bundle.ejs_version):
            raise BadBundle("its wheels have other versions than it")

    async def remove_unused(self, in_use: list[Bundle]) -> None:
        """Removes what belongs to none of these, and is a day old; BucketError."""
        names = {bundle.manifest for bundle in in_use}
        for bundle in in_use:
            digests = _parse_manifest(await self._get(bundle.manifest, bundle.digest, MAX_MANIFEST), bundle)
            names |= {_wheel_name(each) for each in digests.values()}
        async with aclosing(self._bucket.list_objects(FOLDER)) as pages:
            async for page in pages:
                for stored in page:
                    if stored.name not in names and stored.created < time.time() - UNUSED_SECONDS:
                        try:
                            await self._bucket.delete(stored.name, stored.version)
                        except (ObjectNotFound, PreconditionFailed):
                            continue

    async def _put(self, name: str, content: bytes) -> None:
        """Stores the object, also in the place of one with other bytes."""
        stored = await self._bucket.stat(name)
        if stored is not None:
            _, there = await self._bucket.read(name, MAX_WHEEL)
            if there == content:
                return
        upload = Upload(name, "application/octet-stream", if_version=stored.version if stored else NEW)
        try:
            with tempfile.TemporaryFile() as file:
                file.write(content)
                await self._bucket.upload(upload, file, len(content), lambda _: None)
        except PreconditionFailed as error:
            raise BucketError("another worker stores the same bundle") from error

    async def _get(self, name: str, expected: str, limit: int) -> bytes:
        """BadBundle where the bucket has no such object, or one with other bytes."""
        try:
            _, content = await self._bucket.read(name, limit)
        except ObjectNotFound as error:
            raise BadBundle(f"{name} is not in the bucket") from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise BadBundle(f"{name} was changed after it was published")
        return content


@asynccontextmanager
async def temporary_folder(folder: Path) -> AsyncIterator[Path]:
    """A new folder, which is removed at the end."""
    await clear_folder_in_thread(folder)
    await asyncio.to_thread(partial(folder.mkdir, mode=0o700))
    try:
        yield folder
    finally:
        await asyncio.shield(clear_folder_in_thread(folder))


def _parse_manifest(manifest: bytes, bundle: Bundle) -> dict[str, str]:
    """The digest of each package's wheel; BadBundle."""
    try:
        told: Any = orjson.loads(manifest)
        wheels = {package: str(told["wheels"][package]) for package in PACKAGES}
        versions = (told["version"], told["ejs_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadBundle("its manifest can't be read") from error
    is_plain = all(len(each) == 64 and set(each) <= set("0123456789abcdef") for each in wheels.values())  # noqa: PLR2004
    if not is_plain or versions != (bundle.version, bundle.ejs_version):
        raise BadBundle("its manifest is another one's")
    return wheels


def _wheel_name(signature: str) -> str:
    return f"{FOLDER}/{signature}.whl"


def _manifest_name(signature: str) -> str:
    return f"{FOLDER}/{signature}.json"
