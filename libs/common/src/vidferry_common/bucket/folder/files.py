"""The folder's files: opened directory by directory without following links, synced to disk before they are visible.

    objects/videos/site/id/format#meta            what is known of the object, JSON; its presence makes it visible
    objects/videos/site/id/format#1790000000000   the bytes of that version
    incoming/…                                    what is being written
    locks/00 … locks/ff                           one lock for each part of the names, holding the last generation

A new version's bytes are renamed into place first, then the record that names them: the one step that counts.
"""

import errno
import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from vidferry_common.bucket.errors import BucketError, StorageDenied, StorageUnavailable
from vidferry_common.bucket.interface import EXPIRES_AT, NEW, ListedObject, StoredObject

DAY = 86400
_META = "#meta"
_META_BYTES = 64 * 1024
_TRIES = 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # not blocking: a FIFO must not hold a thread
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o640
_log = logging.getLogger(__name__)


@contextmanager
def translate_errors() -> Iterator[None]:
    """The operating system's errors become BucketErrors."""
    try:
        yield
    except PermissionError as error:
        raise StorageDenied(f"the folder refuses: {error}") from error
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise BucketError(f"a link or a file stands where a directory was made: {error}") from error
        raise StorageUnavailable(f"the folder can't be used: {error}") from error


class FolderFiles:
    """The files of one folder. Every method blocks and may raise OSError or BucketError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        """Makes the folder where it is missing, and removes what writers that died left a day ago."""
        for part in ("objects", "incoming", "locks"):
            (self._root / part).mkdir(parents=True, exist_ok=True)
        for leftover in (self._root / "incoming").iterdir():
            with suppress(FileNotFoundError):
                if leftover.lstat().st_mtime < time.time() - DAY:
                    leftover.unlink()

    def read_meta(self, name: str) -> StoredObject | None:
        try:
            with self._open_parent(name) as parent:
                return _read_record(parent, name)
        except FileNotFoundError:
            self._require_objects()
            return None

    def walk(self, folder: str) -> Iterator[ListedObject]:
        """The objects whose names are below folder, one directory after the other."""
        try:
            with self._open_directory("objects", *folder.split("/")) as directory:
                yield from _walk_directory(directory, folder)
        except FileNotFoundError:
            self._require_objects()

    def walk_sorted(self, folder: str, after: str) -> Iterator[StoredObject]:
        """The objects whose names are below folder, in an order that stays the same, behind the name `after`."""
        steps = folder.split("/")
        behind = after.split("/")[len(steps) :] if after.startswith(f"{folder}/") else []
        try:
            with self._open_directory("objects", *steps) as directory:
                yield from _walk_sorted(directory, folder, behind)
        except FileNotFoundError:
            self._require_objects()

    def open_data(self, stored: StoredObject) -> int:
        """The descriptor of an object's bytes; FileNotFoundError where that version is gone."""
        with self._open_parent(stored.name) as parent:
            return _open_regular(parent, f"{_last_segment(stored.name)}#{stored.version}", stored.size)

    @contextmanager
    def create_incoming(self) -> Iterator[tuple[str, int]]:
        """A new file's name and descriptor. The file is removed at the end unless it was published."""
        with self._new_name() as (folder, name):
            target = os.open(name, _CREATE, _MODE, dir_fd=folder)
            try:
                yield name, target
            finally:
                os.close(target)

    @contextmanager
    def link_incoming(self, file: int, size: int) -> Iterator[str | None]:
        """A hard link to a file written elsewhere, removed as create_incoming's; None where the file can't have one."""
        with self._new_name() as (folder, name):
            yield name if _link_file(file, size, folder, name) else None

    @contextmanager
    def _new_name(self) -> Iterator[tuple[int, str]]:
        """The descriptor of the incoming directory and a name that is free there."""
        name = uuid4().hex
        with self._open_directory("incoming") as folder:
            try:
                yield folder, name
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)

    @contextmanager
    def hold_lock(self, name: str) -> Iterator[int]:
        """Holds the name's lock, across processes too. Yields its descriptor, which next_version takes."""
        with self._open_directory("locks") as folder:
            lock = os.open(
                sha256(name.encode()).hexdigest()[:2], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE, dir_fd=folder
            )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            os.close(lock)

    def publish(self, written: str, stored: StoredObject) -> StoredObject:
        """Makes a written file visible as that object; the caller holds the lock. Returns it with its time."""
        leaf = _last_segment(stored.name)
        self._move_into_place(written, f"{leaf}#{stored.version}", stored.name)
        with self._open_directory("incoming") as folder, self._open_parent(stored.name) as parent:
            with self.create_incoming() as (record, target):
                _write_record(target, stored)
                created = os.fstat(target).st_mtime
                os.rename(record, leaf + _META, src_dir_fd=folder, dst_dir_fd=parent)
            os.fsync(parent)
            _remove_other_versions(parent, leaf, keep=stored.version)
        return replace(stored, created=created)

    def rewrite_meta(self, stored: StoredObject) -> StoredObject:
        """Replaces the record of an object, and keeps its time; the caller holds the lock."""
        meta = _last_segment(stored.name) + _META
        for _ in range(_TRIES):
            with (
                suppress(FileNotFoundError),  # another process took the new record for a dead writer's (prepare)
                self._open_directory("incoming") as folder,
                self._open_parent(stored.name) as parent,
                self.create_incoming() as (record, target),
            ):
                _write_record(target, stored)
                written = os.stat(meta, dir_fd=parent, follow_symlinks=False)
                os.utime(target, ns=(written.st_atime_ns, written.st_mtime_ns))
                os.rename(record, meta, src_dir_fd=folder, dst_dir_fd=parent)
                os.fsync(parent)
                return replace(stored, created=written.st_mtime)
        raise FileNotFoundError(errno.ENOENT, "the record of an object is removed again and again", stored.name)

    def _move_into_place(self, written: str, to: str, name: str) -> None:
        """Renames into the directory of an object's name, which another process may prune as long as it is empty."""
        for _ in range(_TRIES):
            with (
                suppress(FileNotFoundError),
                self._open_directory("incoming") as folder,
                self._open_parent(name, create=True) as parent,
            ):
                os.rename(written, to, src_dir_fd=folder, dst_dir_fd=parent)
                os.fsync(parent)
                return
        raise FileNotFoundError(errno.ENOENT, "the directory of an object is removed again and again", name)

    def remove(self, stored: StoredObject) -> None:
        """Removes record and bytes, and the directories that are empty then. A reader that has the bytes open reads on.

        The caller holds the lock.
        """
        leaf = _last_segment(stored.name)
        with self._open_parent(stored.name) as parent:
            os.unlink(leaf + _META, dir_fd=parent)
            os.fsync(parent)
            _remove_other_versions(parent, leaf, keep=NEW)
        self._remove_empty_directories(stored.name.split("/")[:-1])

    def _remove_empty_directories(self, steps: Sequence[str]) -> None:
        """Removes a directory of objects, and those above it, as long as they are empty."""
        with suppress(OSError):  # it is not empty, or another process was quicker
            for depth in reversed(range(len(steps))):
                with self._open_directory("objects", *steps[:depth]) as above:
                    os.rmdir(steps[depth], dir_fd=above)

    def _require_objects(self) -> None:
        """FileNotFoundError where the whole folder is missing: a volume that was unmounted has lost no object."""
        with self._open_directory("objects"):
            pass

    def _open_parent(self, name: str, *, create: bool = False) -> AbstractContextManager[int]:
        return self._open_directory("objects", *name.split("/")[:-1], create=create)

    @contextmanager
    def _open_directory(self, *steps: str, create: bool = False) -> Iterator[int]:
        folder = os.open(self._root, _DIRECTORY & ~os.O_NOFOLLOW)
        try:
            for step in steps:
                below = _open_below(folder, step, create=create)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)


def next_version(lock: int, current: StoredObject | None) -> str:
    """Microseconds since 1970, as Cloud Storage counts, and higher than all before, also after the clock went back."""
    last = int(os.pread(lock, 32, 0) or b"0")
    generation = max(time.time_ns() // 1000, last + 1, (int(current.version) if current else 0) + 1)
    os.pwrite(lock, b"%032d" % generation, 0)
    return str(generation)


def _open_below(folder: int, name: str, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, 0o750, dir_fd=folder)
            os.fsync(folder)
    return os.open(name, _DIRECTORY, dir_fd=folder)


def _last_segment(name: str) -> str:
    return name.rpartition("/")[2]


def _write_record(target: int, stored: StoredObject) -> None:
    """Writes what is known of an object but its time, which is that of the file."""
    record = {"v": 1, **asdict(stored), "generation": int(stored.version)}
    del record["version"], record["created"]
    write_all(target, json.dumps(record).encode())
    os.fsync(target)


def _read_record(parent: int, name: str) -> StoredObject:
    record = _open_regular(parent, _last_segment(name) + _META, None)
    with os.fdopen(record, "rb") as file:
        written = os.fstat(record).st_mtime
        try:
            known = json.loads(file.read(_META_BYTES))
            known.pop("v")
            known["version"] = str(int(known.pop("generation")))
            stored = StoredObject(**known, created=written)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BucketError(f"the record of {name} is damaged") from error
    if stored.name != name:  # a file system that ignores case would hand out another video
        raise BucketError(f"the folder's file system confuses {name!r} with {stored.name!r}")
    return stored


def _walk_directory(directory: int, path: str) -> Iterator[ListedObject]:
    with os.scandir(directory) as entries:
        for entry in entries:
            name = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):  # pruned meanwhile
                    below = os.open(entry.name, _DIRECTORY, dir_fd=directory)
                    try:
                        yield from _walk_directory(below, name)
                    finally:
                        os.close(below)
            elif name.endswith(_META) and (stored := _read_listed(directory, name.removesuffix(_META))):
                yield ListedObject(
                    name.removesuffix(_META), stored.version, stored.size, stored.created,
                    stored.metadata.get(EXPIRES_AT, ""),
                )  # fmt: skip


def _walk_sorted(directory: int, path: str, behind: Sequence[str]) -> Iterator[StoredObject]:
    """behind: the rest of the name of the last object that was seen, as segments; none where all are to come."""
    with os.scandir(directory) as entries:
        found = sorted((entry.name.removesuffix(_META), entry.is_dir(follow_symlinks=False)) for entry in entries
                       if entry.name.endswith(_META) or entry.is_dir(follow_symlinks=False))  # fmt: skip
    for name, is_directory in found:
        if behind and name < behind[0]:
            continue
        rest = behind[1:] if behind and name == behind[0] else []
        if not is_directory:
            if behind[:1] == [name]:
                continue
            if stored := _read_listed(directory, f"{path}/{name}"):
                yield stored
            continue
        with suppress(FileNotFoundError):  # pruned meanwhile
            below = os.open(name, _DIRECTORY, dir_fd=directory)
            try:
                yield from _walk_sorted(below, f"{path}/{name}", rest)
            finally:
                os.close(below)


def _read_listed(parent: int, name: str) -> StoredObject | None:
    """None where it was removed meanwhile, or its record can't be read: one damaged record must not hide all."""
    try:
        return _read_record(parent, name)
    except FileNotFoundError:
        return None
    except BucketError as error:
        _log.warning("an object is not listed", extra={"error": str(error)})
        return None


def _open_regular(parent: int, name: str, size: int | None) -> int:
    opened = os.open(name, _READ, dir_fd=parent)
    found = os.fstat(opened)
    if not stat.S_ISREG(found.st_mode) or size not in {None, found.st_size}:
        os.close(opened)
        raise BucketError(f"{name} is not the file that was written")
    return opened


def _link_file(file: int, size: int, folder: int, name: str) -> bool:
    """Whether the file has that name too now: not where it had two before, or is on another file system."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or (found.st_nlink, found.st_size) != (1, size):
        return False
    with suppress(OSError):
        os.utime(file)  # so that prepare() does not take it for a dead writer's
        os.fchmod(file, _MODE)
        os.link(f"/proc/self/fd/{file}", name, dst_dir_fd=folder, follow_symlinks=True)
        return True
    return False


def write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def _remove_other_versions(parent: int, leaf: str, keep: str) -> None:
    """Removes the bytes of other versions, also those of a writer that died between its two renames."""
    for name in os.listdir(parent):
        stem, mark, generation = name.rpartition("#")
        if mark and stem == leaf and generation.isdecimal() and generation != keep:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
