"""A folder as the bucket: for one machine, or a volume that all pods share."""

import io
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from pydantic import SecretStr

from vidferry_common.bucket.checksum import Crc32c, crc32c
from vidferry_common.bucket.disposition import other_filename
from vidferry_common.bucket.folder_files import Files, next_generation, translated, write_all
from vidferry_common.bucket.growth import Growth
from vidferry_common.bucket.health import Health
from vidferry_common.bucket.interface import (
    PAGE,
    BucketError,
    ListedObject,
    ObjectNotFound,
    PreconditionFailed,
    SignedLink,
    StoredObject,
    Upload,
)
from vidferry_common.bucket.links import LinkSigner
from vidferry_common.bucket.names import checked_name
from vidferry_common.bucket.source import Source
from vidferry_common.bucket.threads import Threads
from vidferry_common.bucket.uploads import generation_of, prepared

CHUNK = 1024 * 1024
_TRIES = 5


@dataclass(frozen=True, slots=True)
class OpenedObject:
    """An object's bytes, readable to the end also when it is deleted or replaced meanwhile. The caller closes file."""

    stored: StoredObject
    file: BinaryIO
    """unbuffered, a regular file of stored.size bytes: good for seek, os.pread and os.sendfile"""


class FolderBucket:
    """The Bucket protocol on a file system, and resolve() for the api that serves its links."""

    def __init__(self, root: Path, signing_key: SecretStr | None) -> None:
        self._files = Files(root)
        self._signer = LinkSigner(signing_key)
        self._threads = Threads()
        with translated():
            self._files.prepare()

    async def stat(self, name: str) -> StoredObject | None:
        return await self._threads.run(self._stat, checked_name(name))

    async def upload(
        self,
        what: Upload,
        source: BinaryIO,
        size: int,
        progress: Callable[[int], None],
        growth: Growth | None = None,
        *,
        given: bool = False,
    ) -> StoredObject:
        what = prepared(what)
        return await self._threads.upload(lambda read: self._upload(what, read, progress, given), source, size, growth)

    async def keeps(self, folder: Path) -> bool:
        return await self._threads.run(self._keeps, folder)

    async def read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        return await self._threads.run(self._read, checked_name(name), limit)

    async def delete(self, name: str, if_generation: int) -> None:
        await self._threads.run(self._delete, checked_name(name), if_generation)

    def listing(self, folder: str, page: int = PAGE) -> AsyncGenerator[list[ListedObject], None]:
        return self._threads.run_through(self._pages(checked_name(folder), page))

    async def sign(self, stored: StoredObject, lifetime: float, filename: str = "") -> SignedLink:
        expires = int(time.time() + lifetime)
        name = checked_name(stored.name)
        url = self._signer.url(name, stored.generation, expires, other_filename(filename, stored.filename))
        return SignedLink(url, datetime.fromtimestamp(expires, UTC))

    async def resolve(self, name: str, query: Mapping[str, str], now: float | None = None) -> OpenedObject:
        """Opens what a link names, for the api, under the file name that the link gives it.

        name is the decoded path below links.PATH, now seconds since 1970. Raises LinkInvalid,
        LinkExpired, and ObjectNotFound where the object was deleted or replaced since.
        """
        generation = self._signer.checked(name, query, time.time() if now is None else now)
        opened = await self._threads.run(self._open, checked_name(name), generation)
        filename = query.get("filename") or opened.stored.filename
        return replace(opened, stored=replace(opened.stored, filename=filename))

    @property
    def health(self) -> Health:
        return self._threads.health

    async def check(self, *, writing: bool = False) -> None:  # noqa: ARG002 - who can't write here can't do anything
        await self._threads.run(self._check)

    async def close(self) -> None:
        await self._threads.close()

    def _stat(self, name: str) -> StoredObject | None:
        with translated():
            return self._files.read_meta(name)

    def _upload(self, what: Upload, source: Source, progress: Callable[[int], None], given: bool) -> StoredObject:
        with translated():
            self._require(what)  # before the copy, so that a refusal costs nothing
            if given:
                with self._files.adopted(source.fileno(), source.size) as adopted:
                    if adopted:
                        _sum(source, progress)
                        return self._commit(what, source, adopted)
            with self._files.incoming() as (written, target):
                _copy(source, target, progress)
                source.check()
                return self._commit(what, source, written)

    def _keeps(self, folder: Path) -> bool:
        with translated(), NamedTemporaryFile(dir=folder) as file, self._files.adopted(file.fileno(), 0) as adopted:
            return adopted is not None

    def _commit(self, what: Upload, source: Source, written: str) -> StoredObject:
        with self._files.locked(what.name) as lock:
            source.check()  # the lock may have been another's for long
            current = self._require(what)
            stored = StoredObject(
                name=what.name,
                generation=next_generation(lock, current),
                size=source.size,
                content_type=what.content_type,
                crc32c=source.crc32c,
                filename=what.filename,
                metadata=dict(what.metadata),
            )
            self._files.publish(written, stored)
            return stored

    def _require(self, what: Upload) -> StoredObject | None:
        current = self._files.read_meta(what.name)
        if generation_of(current) != what.if_generation:
            raise PreconditionFailed(f"{what.name} is at generation {generation_of(current)}")
        return current

    def _open(self, name: str, generation: int | None) -> OpenedObject:
        """The generation named, or the present one: tried again where that is replaced between record and bytes."""
        with translated():
            for _ in range(_TRIES):
                stored = self._files.read_meta(name)
                if stored is None or generation not in {None, stored.generation}:
                    break
                try:
                    return OpenedObject(stored, io.FileIO(self._files.open_data(stored), "rb"))
                except FileNotFoundError:
                    continue
        raise ObjectNotFound(name)

    def _read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        opened = self._open(name, None)
        with opened.file, translated():
            if opened.stored.size > limit:
                raise BucketError(f"{name} has {opened.stored.size} bytes, more than {limit}")
            data = opened.file.read()
        if crc32c(data) != opened.stored.crc32c:
            raise BucketError(f"{name} is damaged: its checksum is wrong")
        return opened.stored, data

    def _pages(self, folder: str, page: int) -> Iterator[list[ListedObject]]:
        found = self._files.walk(folder)
        with translated():
            while listed := list(islice(found, page)):
                yield listed

    def _delete(self, name: str, if_generation: int) -> None:
        with translated(), self._files.locked(name):
            current = self._files.read_meta(name)
            if current is None:
                raise ObjectNotFound(name)
            if current.generation != if_generation:
                raise PreconditionFailed(f"{name} is at generation {current.generation}")
            self._files.remove(current)

    def _check(self) -> None:
        """A file can be made, written and removed."""
        with translated(), self._files.incoming() as (_, target):
            os.write(target, b"check")


def _pieces(source: Source, progress: Callable[[int], None]) -> Iterator[bytes]:
    """All of it, in order; each counts when the next one is asked for."""
    done = 0
    while done < source.size:
        data = source.read(done, CHUNK)
        yield data
        done += len(data)
        progress(done)


def _sum(source: Source, progress: Callable[[int], None]) -> None:
    """Reads all of it once, and syncs."""
    for _ in _pieces(source, progress):
        pass
    os.fsync(source.fileno())


def _copy(source: Source, target: int, progress: Callable[[int], None]) -> None:
    """Copies and syncs, then reads back what the file system kept and compares checksums."""
    for data in _pieces(source, progress):
        write_all(target, data)
    os.fsync(target)
    if _read_back(source, target) != source.crc32c:
        raise BucketError("the folder's file system did not keep what was written")


def _read_back(source: Source, target: int) -> str:
    running, at = Crc32c(), 0
    while data := os.pread(target, CHUNK, at):
        source.check()
        running.update(data)
        at += len(data)
    return str(running)
