"""The bucket in a folder."""

import io
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from pydantic import SecretStr

from vidferry_common.bucket.checksum import Crc32c, crc32c
from vidferry_common.bucket.disposition import other_filename
from vidferry_common.bucket.errors import BucketError, ObjectNotFound, PreconditionFailed
from vidferry_common.bucket.folder.files import FolderFiles, next_version, translate_errors, write_all
from vidferry_common.bucket.folder.links import LinkSigner
from vidferry_common.bucket.interface import ListedObject, SignedLink, StoredObject, Upload
from vidferry_common.bucket.names import checked_name
from vidferry_common.bucket.source import Source
from vidferry_common.bucket.threads import ThreadedBucket
from vidferry_common.bucket.uploads import version_of

CHUNK = 1024 * 1024
_TRIES = 5


@dataclass(frozen=True, slots=True)
class OpenedObject:
    """An object's bytes, readable to the end also when it is deleted or replaced meanwhile. The caller closes file."""

    stored: StoredObject
    file: BinaryIO
    """unbuffered, a regular file of stored.size bytes: good for seek, os.pread and os.sendfile"""


class FolderBucket(ThreadedBucket):
    """The Bucket protocol on a file system, and open_link() for the api, which serves the folder's links."""

    def __init__(self, root: Path, signing_key: SecretStr | None) -> None:
        super().__init__()
        self._files = FolderFiles(root)
        self._signer = LinkSigner(signing_key)
        with translate_errors():
            self._files.prepare()

    async def links_from(self, folder: Path) -> bool:
        return await self._threads.run("stat", self._links_from, folder)

    async def sign_link(self, stored: StoredObject, lifetime: float, filename: str = "") -> SignedLink:
        return self._sign_link(stored, lifetime, other_filename(filename, stored.filename))  # blocks on nothing

    async def open_link(self, name: str, query: Mapping[str, str], now: float | None = None) -> OpenedObject:
        """The object that a link names, under the file name that the link gives it.

        name is the decoded path below links.PATH, now seconds since 1970. Raises LinkInvalid,
        LinkExpired, and ObjectNotFound where the object was deleted or replaced since.
        """
        version = self._signer.verify_link(name, query, time.time() if now is None else now)
        opened = await self._threads.run("read", self._open, checked_name(name), version)
        filename = query.get("filename") or opened.stored.filename
        return replace(opened, stored=replace(opened.stored, filename=filename))

    def _stat(self, name: str) -> StoredObject | None:
        with translate_errors():
            return self._files.read_meta(name)

    def _upload(self, what: Upload, source: Source, progress: Callable[[int], None], allow_link: bool) -> StoredObject:
        with translate_errors():
            self._require_version(what)  # before the copy, so that a refusal costs nothing
            if allow_link:
                with self._files.link_incoming(source.fileno(), source.size) as linked:
                    if linked:
                        _read_and_sync(source, progress)
                        return self._commit(what, source, linked)
            with self._files.create_incoming() as (written, target):
                _copy(source, target, progress)
                source.raise_if_stopped()
                return self._commit(what, source, written)

    def _links_from(self, folder: Path) -> bool:
        with (
            translate_errors(),
            NamedTemporaryFile(dir=folder) as file,
            self._files.link_incoming(file.fileno(), 0) as linked,
        ):
            return linked is not None

    def _commit(self, what: Upload, source: Source, written: str) -> StoredObject:
        with self._files.hold_lock(what.name) as lock:
            source.raise_if_stopped()  # another may have held the lock for long
            current = self._require_version(what)
            stored = StoredObject(
                name=what.name,
                version=next_version(lock, current),
                size=source.size,
                content_type=what.content_type,
                crc32c=source.crc32c,
                filename=what.filename,
                metadata=dict(what.metadata),
            )
            return self._files.publish(written, stored)

    def _require_version(self, what: Upload) -> StoredObject | None:
        """The object as it is now; PreconditionFailed where that is not what the upload is to replace."""
        current = self._files.read_meta(what.name)
        if version_of(current) != what.if_version:
            raise PreconditionFailed(f"{what.name} is at version {version_of(current)}")
        return current

    def _open(self, name: str, version: str | None) -> OpenedObject:
        """The version named, or the present one: tried again where that is replaced between record and bytes."""
        with translate_errors():
            for _ in range(_TRIES):
                stored = self._files.read_meta(name)
                if stored is None or version not in {None, stored.version}:
                    break
                try:
                    return OpenedObject(stored, io.FileIO(self._files.open_data(stored), "rb"))
                except FileNotFoundError:
                    continue
        raise ObjectNotFound(name)

    def _read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        opened = self._open(name, None)
        with opened.file, translate_errors():
            if opened.stored.size > limit:
                raise BucketError(f"{name} has {opened.stored.size} bytes, more than {limit}")
            data = opened.file.read()
        if crc32c(data) != opened.stored.crc32c:
            raise BucketError(f"{name} is damaged: its checksum is wrong")
        return opened.stored, data

    def _list_pages(self, folder: str, page: int) -> Iterator[list[ListedObject]]:
        found = self._files.walk(folder)
        with translate_errors():
            while listed := list(islice(found, page)):
                yield listed

    def _describe_pages(self, folder: str, after: str, page: int) -> Iterator[list[StoredObject]]:
        found = self._files.walk_sorted(folder, after)
        with translate_errors():
            while described := list(islice(found, page)):
                yield described

    def _update_metadata(self, stored: StoredObject, metadata: Mapping[str, str]) -> StoredObject:
        with translate_errors(), self._files.hold_lock(stored.name):
            current = self._files.read_meta(stored.name)
            if current is None:
                raise ObjectNotFound(stored.name)
            if current != stored:
                raise PreconditionFailed(f"{stored.name} is not as it was read")
            return self._files.rewrite_meta(replace(current, metadata=dict(metadata)))

    def _sign_link(self, stored: StoredObject, lifetime: float, filename: str) -> SignedLink:
        expires = int(time.time() + lifetime)
        url = self._signer.make_link(checked_name(stored.name), stored.version, expires, filename)
        return SignedLink(url, datetime.fromtimestamp(expires, UTC))

    def _delete(self, name: str, if_version: str) -> None:
        with translate_errors(), self._files.hold_lock(name):
            current = self._files.read_meta(name)
            if current is None:
                raise ObjectNotFound(name)
            if current.version != if_version:
                raise PreconditionFailed(f"{name} is at version {current.version}")
            self._files.remove(current)

    def _check(self, writing: bool) -> None:  # noqa: ARG002 - reading needs a folder that can be written to as well
        """A file can be made, written and removed."""
        with translate_errors(), self._files.create_incoming() as (_, target):
            os.write(target, b"check")


def _read_chunks(source: Source, progress: Callable[[int], None]) -> Iterator[bytes]:
    """The whole source, in order; a chunk counts as progress when the next one is asked for."""
    done = 0
    while done < source.size:
        data = source.read(done, CHUNK)
        yield data
        done += len(data)
        progress(done)


def _read_and_sync(source: Source, progress: Callable[[int], None]) -> None:
    """Reads the whole source once, for its checksum, and syncs the file."""
    for _ in _read_chunks(source, progress):
        pass
    os.fsync(source.fileno())


def _copy(source: Source, target: int, progress: Callable[[int], None]) -> None:
    """Copies and syncs, then reads back what the file system stored and compares checksums."""
    for data in _read_chunks(source, progress):
        write_all(target, data)
    os.fsync(target)
    if _read_back(source, target) != source.crc32c:
        raise BucketError("the folder's file system did not keep what was written")


def _read_back(source: Source, target: int) -> str:
    running, at = Crc32c(), 0
    while data := os.pread(target, CHUNK, at):
        source.raise_if_stopped()
        running.update(data)
        at += len(data)
    return str(running)
