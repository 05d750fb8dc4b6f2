"""A folder as the bucket: what only a file system can do wrong."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.sources import MIB, NAME, HeldSource, pattern, put, taken_apart
from vidferry_common.bucket import (
    BucketError,
    BucketSettings,
    FolderBucket,
    ObjectNotFound,
    StorageDenied,
    StorageUnavailable,
    Upload,
    open_bucket,
)

pytestmark = pytest.mark.anyio

WRITER = """
import asyncio, io, sys
from pathlib import Path
from vidferry_common.bucket import FolderBucket, PreconditionFailed, Upload

async def main(root, name, body):
    bucket = FolderBucket(Path(root), None)
    print("ready", flush=True)
    sys.stdin.readline()
    won = []
    for n in range(40):
        try:
            what = Upload(f"{name}/{n}", "video/mp4")
            await bucket.upload(what, io.BytesIO(body.encode()), len(body), lambda _: None)
            won.append(n)
        except PreconditionFailed:
            pass
    await bucket.close()
    print(won)

asyncio.run(main(*sys.argv[1:]))
"""


def _files(root: Path, under: str = "") -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / under).rglob("*") if path.is_file())


def test_processes_exclude_each_other(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), "videos/x", body],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for body in ("first", "second")
    ]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    results = []
    for writer in writers:
        output, _ = writer.communicate()
        assert writer.returncode == 0
        results.append(set(eval(output)))  # a list that the writer printed
    assert results[0].isdisjoint(results[1])
    assert results[0] | results[1] == set(range(40))
    expected = [b"first" if n in results[0] else b"second" for n in range(40)]
    assert asyncio.run(_contents(tmp_path)) == expected


async def _contents(root: Path) -> list[bytes]:
    folder = FolderBucket(root, None)
    contents = [(await folder.read(f"videos/x/{n}", 9))[1] for n in range(40)]
    await folder.close()
    return contents


@pytest.mark.parametrize("planted", ["objects/videos", "objects/videos/youtube", "objects"])
async def test_links_in_the_folder_are_not_followed(folder: FolderBucket, tmp_path: Path, planted: str) -> None:
    await put(folder, b"film")
    place, outside = tmp_path / "bucket" / planted, tmp_path / "outside"
    place.rename(outside)
    place.symlink_to(outside)
    with pytest.raises(BucketError, match="link"):
        await folder.stat(NAME)
    with pytest.raises(BucketError, match="link"):
        await put(folder, b"film", NAME + "x")


@pytest.mark.parametrize("what", ["symlink", "fifo", "shorter"])
async def test_bytes_that_are_no_longer_the_file_are_not_served(
    folder: FolderBucket, tmp_path: Path, what: str
) -> None:
    stored = await put(folder, b"film")
    data = tmp_path / "bucket/objects" / f"{NAME}#{stored.version}"
    if what == "shorter":
        os.truncate(data, 2)
    else:
        data.rename(tmp_path / "moved")
        data.symlink_to(tmp_path / "moved") if what == "symlink" else os.mkfifo(data)
    with pytest.raises(BucketError):
        await folder.read(NAME, 9)


async def test_damaged_bytes_are_noticed(folder: FolderBucket, tmp_path: Path) -> None:
    stored = await put(folder, b"film")
    (tmp_path / "bucket/objects" / f"{NAME}#{stored.version}").write_bytes(b"fiXm")
    with pytest.raises(BucketError, match="checksum"):
        await folder.read(NAME, 9)


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"v": 1}', b"\xff"])
async def test_a_damaged_record_is_an_error(folder: FolderBucket, tmp_path: Path, record: bytes) -> None:
    await put(folder, b"film")
    (tmp_path / "bucket/objects" / f"{NAME}#meta").write_bytes(record)
    with pytest.raises(BucketError, match="damaged"):
        await folder.stat(NAME)


async def test_names_that_a_file_system_confuses_are_told_apart(folder: FolderBucket, tmp_path: Path) -> None:
    """As where case is ignored: another name opens the same file."""
    await put(folder, b"film", "videos/AbC")
    for file in (tmp_path / "bucket/objects/videos").iterdir():
        file.rename(file.with_name(file.name.replace("AbC", "aBc")))
    with pytest.raises(BucketError, match="confuses"):
        await folder.stat("videos/aBc")


async def test_what_the_file_system_did_not_keep_is_no_upload(
    folder: FolderBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(target: int, data: Any) -> int:
        return len(data) if os.lseek(target, len(data), os.SEEK_CUR) else 0

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lossy)
        with pytest.raises(BucketError, match="did not keep"):
            await put(folder, b"film")
    assert await folder.stat(NAME) is None
    assert _files(tmp_path / "bucket", "incoming") == []


async def test_versions_rise_when_the_clock_goes_back(folder: FolderBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await put(folder, b"first")
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    second = await put(folder, b"second", version=first.version)
    await folder.delete(NAME, second.version)
    third = await put(folder, b"third")
    assert first.version < second.version < third.version


async def test_a_record_is_as_the_last_release_wrote_it(folder: FolderBucket, tmp_path: Path) -> None:
    """It reads ours, and we read its."""
    stored = await put(folder, b"film")
    record = tmp_path / "bucket/objects" / f"{NAME}#meta"
    known = json.loads(record.read_text())
    assert known == {
        "v": 1, "name": NAME, "generation": int(stored.version), "size": 4, "content_type": "video/mp4",
        "crc32c": stored.crc32c, "filename": "A film.mp4", "metadata": {"download": "d1"},
    }  # fmt: skip


async def test_only_the_present_version_takes_space(folder: FolderBucket, tmp_path: Path) -> None:
    first = await put(folder, b"first")
    orphan = tmp_path / "bucket/objects" / f"{NAME}#17"  # a writer died between its two renames
    orphan.write_bytes(b"orphan")
    other = await put(folder, b"other", NAME + "x")
    second = await put(folder, b"second", version=first.version)
    leaf = NAME.rpartition("/")[2]
    kept = {f"{leaf}#meta", f"{leaf}#{second.version}", f"{leaf}x#meta", f"{leaf}x#{other.version}"}
    assert {path.name for path in orphan.parent.iterdir()} == kept
    await folder.delete(NAME, second.version)
    assert {path.name for path in orphan.parent.iterdir()} == {f"{leaf}x#meta", f"{leaf}x#{other.version}"}


async def test_leftovers_of_a_day_ago_are_removed(folder: FolderBucket, tmp_path: Path) -> None:
    incoming = tmp_path / "bucket/incoming"
    for name, age in (("old", 86400 + 60), ("fresh", 86400 - 60)):
        (incoming / name).write_bytes(b"part")
        os.utime(incoming / name, (time.time() - age,) * 2)
    again = FolderBucket(tmp_path / "bucket", None)
    assert _files(incoming) == ["fresh"]
    await again.close()


@pytest.mark.parametrize("ends", ["cancelled", "refused", "short"])
async def test_uploads_that_end_early_leave_no_file(folder: FolderBucket, tmp_path: Path, ends: str) -> None:
    source = HeldSource(pattern(3 * MIB), 2 * MIB)
    size = 4 * MIB if ends == "short" else 3 * MIB
    task = asyncio.create_task(folder.upload(Upload(NAME, "video/mp4"), source, size, lambda _: None))
    await source.reached()
    assert len(_files(tmp_path / "bucket", "incoming")) == 1
    if ends == "refused":
        await put(folder, b"first")
    if ends == "cancelled":
        task.cancel()
    source.released.set()
    with pytest.raises((asyncio.CancelledError, BucketError)):
        await task
    assert _files(tmp_path / "bucket", "incoming") == []


async def test_an_open_object_outlives_its_deletion(folder: FolderBucket) -> None:
    data = pattern(2 * MIB)
    stored = await put(folder, data)
    link = await folder.sign_link(stored, 60)
    opened = await folder.open_link(*taken_apart(link.url))
    with opened.file:
        begun = opened.file.read(MIB)
        await folder.delete(NAME, stored.version)
        assert await folder.stat(NAME) is None
        assert begun + opened.file.read() == data


async def test_what_is_empty_goes_with_the_last_object(folder: FolderBucket, tmp_path: Path) -> None:
    names = ("videos/a/one/best", "videos/a/one/720", "videos/b/two/best")
    first, second, third = [await put(folder, b"x", name) for name in names]

    for each, left in ((first, ["videos", "videos/a", "videos/a/one", "videos/b", "videos/b/two"]),
                       (second, ["videos", "videos/b", "videos/b/two"]), (third, [])):  # fmt: skip
        await folder.delete(each.name, each.version)
        assert _directories(tmp_path / "bucket" / "objects") == left
    assert (await put(folder, b"x", names[0])).size == 1


def _directories(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())


async def test_a_directory_may_go_while_an_object_comes(
    folder: FolderBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the last other object in it is removed at that moment."""
    parent, rename = tmp_path / "bucket" / "objects" / NAME, os.rename
    gone: list[Path] = []

    def rename_too_late(*args: Any, **kwargs: Any) -> None:
        if not gone:
            gone.append(parent.parent)
            parent.parent.rmdir()
        rename(*args, **kwargs)

    monkeypatch.setattr(os, "rename", rename_too_late)
    await put(folder, b"here")

    assert gone
    assert (await folder.read(NAME, 10))[1] == b"here"


async def test_objects_come_and_go_in_one_directory(folder: FolderBucket) -> None:
    """By many at once: none stumbles over a directory that another one has just removed, or made."""

    async def come_and_go(name: str) -> None:
        for _ in range(50):
            stored = await put(folder, b"x", f"videos/site/one/{name}")
            await folder.delete(stored.name, stored.version)

    await asyncio.gather(*(come_and_go(name) for name in "abcdefgh"))


async def test_a_replaced_object_is_not_served_by_its_old_link(folder: FolderBucket) -> None:
    first = await put(folder, b"first")
    link = await folder.sign_link(first, 60)
    await put(folder, b"second", version=first.version)
    with pytest.raises(ObjectNotFound):
        await folder.open_link(*taken_apart(link.url))


async def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BucketError):
        open_bucket(BucketSettings(bucket=f"file://{tmp_path}/file/bucket"))


@pytest.mark.parametrize(
    ("error", "ours"),
    [(PermissionError(13, "no"), StorageDenied), (OSError(28, "full"), StorageUnavailable)],
)
async def test_the_systems_refusals_become_ours(
    folder: FolderBucket, monkeypatch: pytest.MonkeyPatch, error: OSError, ours: type[Exception]
) -> None:
    """Raised in place of fsync: as root no permission is missing, and no disk is full."""

    def refusing(target: int) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refusing)
        with pytest.raises(ours):
            await put(folder, b"film")
    assert await folder.stat(NAME) is None


async def test_everything_is_synced_before_it_is_visible(folder: FolderBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    real: dict[str, Callable[..., Any]] = {"fsync": os.fsync, "rename": os.rename}

    def synced(target: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{target}').readlink().name}")
        real["fsync"](target)

    def renamed(old: str, new: str, **kwargs: Any) -> None:
        steps.append(f"rename {old} {new}")
        real["rename"](old, new, **kwargs)

    await put(folder, b"film", "videos/before")
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    stored = await put(folder, b"film", "videos/x")
    data, record = steps[0].split()[1], steps[3].split()[1]
    assert steps == [
        f"sync {data}",
        f"rename {data} x#{stored.version}",
        "sync videos",
        f"sync {record}",
        f"rename {record} x#meta",
        "sync videos",
    ]


@pytest.mark.parametrize("left", ["nothing", "an empty mount point"])
async def test_a_folder_that_is_away_has_lost_no_object(folder: FolderBucket, tmp_path: Path, left: str) -> None:
    """As when its volume was unmounted."""
    stored = await put(folder, b"film")
    link = await folder.sign_link(stored, 60)
    root = tmp_path / "bucket"
    root.rename(tmp_path / "elsewhere")
    if left == "an empty mount point":
        root.mkdir()

    with pytest.raises(StorageUnavailable):
        await folder.stat(NAME)
    with pytest.raises(StorageUnavailable):
        await folder.read(NAME, 9)
    with pytest.raises(StorageUnavailable):
        await folder.open_link(*taken_apart(link.url))
    with pytest.raises(StorageUnavailable):
        await folder.delete(NAME, stored.version)
    with pytest.raises(StorageUnavailable):
        await anext(folder.list_objects("videos"))
    with pytest.raises(StorageUnavailable):
        await put(folder, b"film")


async def test_a_damaged_record_hides_no_other(folder: FolderBucket, tmp_path: Path) -> None:
    await put(folder, b"film", "videos/a/b/c/damaged")
    kept = await put(folder, b"film", "videos/a/b/c/whole")
    (tmp_path / "bucket/objects/videos/a/b/c/damaged#meta").write_bytes(b"{")
    page = await anext(folder.list_objects("videos"))
    assert [(each.name, each.version) for each in page] == [(kept.name, kept.version)]


async def test_a_listing_tells_when_an_object_was_written(folder: FolderBucket, tmp_path: Path) -> None:
    await put(folder, b"film")
    os.utime(tmp_path / "bucket/objects" / f"{NAME}#meta", (0, 86400.5))
    assert (await anext(folder.list_objects("videos")))[0].created == 86400.5


async def test_a_listing_follows_no_link(folder: FolderBucket, tmp_path: Path) -> None:
    await put(folder, b"film")
    (tmp_path / "bucket/objects/videos").rename(tmp_path / "outside")
    (tmp_path / "bucket/objects/videos").mkdir()
    (tmp_path / "bucket/objects/videos/youtube").symlink_to(tmp_path / "outside/youtube")
    assert [page async for page in folder.list_objects("videos")] == []
