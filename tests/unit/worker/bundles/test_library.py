"""Bundles in a bucket: what is read is what was published, or nothing is."""

import asyncio
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from support.bundles import EJS, IMAGE, NEWER, NEWEST, make_tiny_wheels
from vidferry_common.bucket import Bucket
from vidferry_common.contract.bundles import Bundle
from vidferry_worker.bundles import library as library_module
from vidferry_worker.bundles.library import FOLDER, BadBundle, Library, Wheels
from vidferry_worker.bundles.wheel import BadWheel
from vidferry_worker.retention.rules import list_videos

pytestmark = pytest.mark.anyio


@pytest.fixture
def wheels(tmp_path: Path) -> Wheels:
    return Wheels.check(make_tiny_wheels(tmp_path, NEWER))


def objects(tmp_path: Path) -> list[Path]:
    return sorted(
        path for path in (tmp_path / "bucket" / "objects" / FOLDER).iterdir() if not path.name.endswith("#meta")
    )


def left(tmp_path: Path) -> set[str]:
    return {path.name for path in tmp_path.glob("code*")}


async def test_what_is_saved_can_be_loaded(bucket: Bucket, wheels: Wheels, tmp_path: Path) -> None:
    library = Library(bucket)
    bundle = await library.save(wheels, IMAGE)
    assert (bundle.version, bundle.ejs_version, bundle.previous) == (NEWER, EJS, IMAGE)
    assert await library.save(wheels, IMAGE) == bundle  # again after a lost reply
    await library.load(bundle, tmp_path / "code")
    names = {path.name for path in (tmp_path / "code").iterdir()}
    assert names == {"yt_dlp", "yt_dlp_ejs"}
    assert left(tmp_path) == {"code"}


async def test_retention_and_the_index_pass_it_over(bucket: Bucket, wheels: Wheels) -> None:
    await Library(bucket).save(wheels, IMAGE)
    assert [video async for video in list_videos(bucket)] == []


@pytest.mark.parametrize("suffix", [".whl", ".json"])
async def test_what_was_changed_or_removed_is_refused(
    suffix: str, bucket: Bucket, wheels: Wheels, tmp_path: Path
) -> None:
    library = Library(bucket)
    bundle = await library.save(wheels, IMAGE)
    names = [stored.name async for page in bucket.list_objects(FOLDER) for stored in page]
    name = next(each for each in sorted(names) if each.endswith(suffix))
    await library._put(name, b"something else")
    with pytest.raises(BadBundle, match="was changed"):
        await library.load(bundle, tmp_path / "code")
    assert left(tmp_path) == set()
    assert await library.save(wheels, IMAGE) == bundle  # and it is mended where it is stored once more
    await library.load(bundle, tmp_path / "mended")
    stored = await bucket.stat(name)
    assert stored
    await bucket.delete(name, stored.version)
    with pytest.raises(BadBundle, match="is not in the bucket"):
        await library.load(bundle, tmp_path / "code")


async def test_a_manifest_that_names_something_else(bucket: Bucket, wheels: Wheels, tmp_path: Path) -> None:
    library = Library(bucket)
    bundle = await library.save(wheels, IMAGE)
    with pytest.raises(BadBundle, match="another one's"):
        await library.load(replace(bundle, version=NEWEST), tmp_path / "code")


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{", orjson.dumps({"version": NEWER, "ejs_version": EJS, "wheels": {}})]
)
async def test_a_manifest_that_is_none(manifest: bytes, bucket: Bucket, tmp_path: Path) -> None:
    library = Library(bucket)
    digest = hashlib.sha256(manifest).hexdigest()
    await library._put(f"{FOLDER}/x.json", manifest)
    with pytest.raises(BadBundle, match="can't be read"):
        await library.load(Bundle(NEWER, EJS, f"{FOLDER}/x.json", digest), tmp_path / "code")


async def test_wheels_that_do_not_belong_together(tmp_path: Path) -> None:
    paths = make_tiny_wheels(tmp_path, NEWER, ejs="99.0")
    with pytest.raises(BadWheel, match="pins another"):
        Wheels.check(paths)


async def test_what_no_bundle_uses_is_removed_after_a_day(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(bucket)
    bundles = []
    for release in (NEWER, NEWEST):
        folder = tmp_path / release
        await asyncio.to_thread(folder.mkdir)
        bundles.append(await library.save(Wheels.check(make_tiny_wheels(folder, release)), IMAGE))
    assert len(objects(tmp_path)) == 5  # two manifests, two wheels of yt-dlp, one that both have
    await library.remove_unused([bundles[1]])
    assert len(objects(tmp_path)) == 5
    monkeypatch.setattr(library_module, "UNUSED_SECONDS", -1.0)
    await library.remove_unused([bundles[1]])
    assert len(objects(tmp_path)) == 3
    await library.load(bundles[1], tmp_path / "code")


async def test_a_full_disk_leaves_nothing(
    bucket: Bucket, wheels: Wheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(bucket)
    bundle = await library.save(wheels, IMAGE)

    def write(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OSError, match="No space"):
        await library.load(bundle, tmp_path / "code")
    assert left(tmp_path) == set()
