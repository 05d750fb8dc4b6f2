"""Files that are given to the bucket: a folder on their file system keeps the file itself."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from support.elsewhere import elsewhere
from support.sources import MIB, NAME, pattern, put
from vidferry_common.bucket import Bucket, BucketError, FolderBucket, StoredObject, Upload

__all__ = ["elsewhere"]

pytestmark = pytest.mark.anyio

DATA = pattern(3 * MIB)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path)


def written(folder: Path) -> Path:
    path = folder / "media.mp4"
    path.touch(0o600)
    path.write_bytes(DATA)
    return path


async def give(
    bucket: Bucket, file: Path, told: Callable[[int], None] = lambda _: None, size: int = len(DATA)
) -> StoredObject:
    with file.open("rb") as source:
        return await bucket.upload(Upload(NAME, "video/mp4"), source, size, told, allow_link=True)


def kept(root: Path, stored: StoredObject) -> Path:
    return root / "bucket/objects" / f"{NAME}#{stored.version}"


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def opened(path: Path) -> BinaryIO:
    return path.open("rb")


def status(path: Path) -> os.stat_result:
    return path.stat()


def remove(path: Path) -> None:
    path.unlink()


async def test_the_object_is_the_file(folder: FolderBucket, file: Path, tmp_path: Path) -> None:
    told: list[int] = []
    before = status(file)
    stored = await give(folder, file, told.append)
    found = status(kept(tmp_path, stored))
    assert (found.st_ino, found.st_mode & 0o777) == (before.st_ino, 0o640)
    assert told == [MIB, 2 * MIB, 3 * MIB]
    remove(file)
    assert await folder.read(NAME, len(DATA)) == (stored, DATA)
    assert entries(tmp_path / "bucket/incoming") == []


async def test_it_is_as_one_that_is_not_given(bucket: Bucket, file: Path) -> None:
    stored = await give(bucket, file)
    other = await put(bucket, DATA, NAME + "x")
    assert (stored.size, stored.crc32c) == (other.size, other.crc32c)
    assert (await bucket.read(NAME, len(DATA)))[1] == DATA
    assert status(file).st_size == len(DATA)


@pytest.mark.parametrize("why", ["another file system", "another name", "more bytes than told"])
async def test_else_it_is_copied(folder: FolderBucket, tmp_path: Path, elsewhere: Path, why: str) -> None:
    file = written(elsewhere if why == "another file system" else tmp_path)
    if why == "another name":
        (tmp_path / "other").hardlink_to(file)
    size = MIB if why == "more bytes than told" else len(DATA)
    stored = await give(folder, file, size=size)
    assert status(kept(tmp_path, stored)).st_ino != status(file).st_ino
    file.write_bytes(b"another's")
    assert await folder.read(NAME, size) == (stored, DATA[:size])
    assert entries(tmp_path / "bucket/incoming") == []


async def test_an_old_file_is_not_taken_for_a_leftover(folder: FolderBucket, file: Path, tmp_path: Path) -> None:
    """Sites tell when a file was made, and downloads keep that."""
    os.utime(file, (time.time() - 10 * 86400,) * 2)
    others: list[FolderBucket] = []
    stored = await give(folder, file, lambda _: others.append(FolderBucket(tmp_path / "bucket", None)))
    assert others
    assert (await folder.read(NAME, len(DATA)))[0] == stored
    for other in others:
        await other.close()


@pytest.mark.parametrize("ends", ["cancelled", "refused", "short"])
async def test_one_that_ends_early_leaves_the_file_alone(
    folder: FolderBucket, file: Path, tmp_path: Path, ends: str
) -> None:
    reached, released = threading.Event(), threading.Event()

    def hold(_: int) -> None:
        reached.set()
        assert released.wait(30)

    task = asyncio.create_task(give(folder, file, hold))
    assert await asyncio.to_thread(reached.wait, 30)
    assert len(entries(tmp_path / "bucket/incoming")) == 1
    if ends == "refused":
        await put(folder, b"first")
    if ends == "cancelled":
        task.cancel()
    if ends == "short":
        os.truncate(file, MIB)
    released.set()
    with pytest.raises((asyncio.CancelledError, BucketError)):
        await task
    assert entries(tmp_path / "bucket/incoming") == []
    assert status(file).st_nlink == 1
    assert (await folder.stat(NAME) is not None) == (ends == "refused")


async def test_one_that_is_closed_gives_nothing(folder: FolderBucket, file: Path, tmp_path: Path) -> None:
    """Its descriptor may be another's by then."""
    source = opened(file)
    source.close()
    with pytest.raises(BucketError, match="no open file"):
        await folder.upload(Upload(NAME, "video/mp4"), source, len(DATA), lambda _: None, allow_link=True)
    assert await folder.stat(NAME) is None
    assert entries(tmp_path / "bucket/incoming") == []


async def test_its_bytes_are_synced_before_it_is_visible(
    folder: FolderBucket, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, bool]] = []
    fsync = os.fsync

    def sync(target: int) -> None:
        synced.append((os.fstat(target).st_ino, (tmp_path / "bucket/objects" / f"{NAME}#meta").exists()))
        fsync(target)

    monkeypatch.setattr(os, "fsync", sync)
    await give(folder, file)
    assert (status(file).st_ino, False) in synced


async def test_who_asks_learns_whether_files_are_kept(
    bucket: Bucket, home: str, tmp_path: Path, elsewhere: Path
) -> None:
    assert await bucket.links_from(tmp_path) == (home == "folder")
    assert not await bucket.links_from(elsewhere)
    assert entries(elsewhere) == []
    if home == "folder":
        assert entries(tmp_path / "bucket/incoming") == []
