"""What an early upload makes of what a child tells and leaves: children are not trusted."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from support.children import open_files, until
from support.origin import media
from support.records import Records
from unit.common.store.conftest import records, shared_server
from unit.worker.children.test_extraction import KNOWN, found
from vidferry_common.bucket import NEW, Bucket, BucketSettings, StoredObject, open_bucket
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import FileDescription, Growing
from vidferry_worker.children.work_dir import open_regular
from vidferry_worker.upload.plan import UploadPlan
from vidferry_worker.upload.speculative import SpeculativeUpload

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio
MIB = 1024**2
SIZE = 20 * MIB
FILE = FileDescription("media.mp4", "mov", "isom", ["aac", "h264"], video=True, duration=6.0)
GROWING = Growing("media.mp4.part", SIZE, FILE, None)


@dataclass
class Child:
    """What it has in its folder, and who believes it."""

    folder: Path
    bucket: Bucket
    plan: UploadPlan
    max_bytes: int = SIZE
    told: list[int] = field(default_factory=list)
    upload: SpeculativeUpload | None = None

    def path(self, name: str) -> Path:
        return self.folder / "work" / name

    def write(self, data: bytes, name: str = "media.mp4.part") -> None:
        with self.path(name).open("ab") as file:
            file.write(data)

    def tell(self, **changes: Any) -> SpeculativeUpload | None:
        event = replace(GROWING, **changes)
        self.upload = SpeculativeUpload.start(
            self.bucket, self.folder / "work", self.plan, event, self.told.append, max_bytes=self.max_bytes
        )
        return self.upload

    async def has_sent(self, least: int) -> None:
        await until(lambda: (self.told or [0])[-1] >= least)

    async def finish(self, name: str = "media.mp4", **changes: Any) -> StoredObject | None:
        assert self.upload
        source, size = open_regular(self.folder / "work", name)
        with source:
            return await self.upload.finish(
                self.plan.describe_upload(source, replace(FILE, **changes), None), source, size
            )

    def incoming(self) -> list[Path]:
        return list((self.folder / "bucket" / "incoming").iterdir())


@pytest.fixture
async def child(records: Records, tmp_path: Path) -> AsyncIterator[Child]:
    bucket = open_bucket(BucketSettings.model_validate({"bucket": f"file://{tmp_path}/bucket"}))
    (tmp_path / "work").mkdir()
    _, claim = await records.claimed()
    made = Child(
        tmp_path, bucket, UploadPlan("videos/a/b/c/1080-any", Extraction.from_event(found(), KNOWN), claim, NEW)
    )
    yield made
    if made.upload:
        await made.upload.close()
    await bucket.close()


@pytest.fixture
async def growing(child: Child) -> Child:
    """It has told the truth so far, and half of it is sent."""
    child.write(media.large(20)[: 10 * MIB])
    assert child.tell()
    await child.has_sent(9 * MIB)
    return child


async def check_ordinary(child: Child) -> None:
    """Nothing came of it, and nothing is left of it."""
    assert await child.bucket.stat(child.plan.name) is None
    assert child.incoming() == []


async def test_what_was_foreseen_is_kept(growing: Child) -> None:
    growing.write(media.large(20)[10 * MIB :])
    growing.path("media.mp4.part").rename(growing.path("media.mp4"))
    stored = await growing.finish()
    assert stored
    assert await growing.bucket.read(growing.plan.name, SIZE) == (stored, media.large(20))
    assert stored.metadata["duration"] == "6.0"
    await until(lambda: growing.told[-1] == SIZE)


@pytest.mark.parametrize(
    "changes", [{"duration": 7.0}, {"duration": None, "video": False}, {"video": False}, {"brand": "qt  "}]
)
async def test_another_description_is_another_object(changes: dict[str, Any], growing: Child) -> None:
    growing.write(media.large(20)[10 * MIB :])
    growing.path("media.mp4.part").rename(growing.path("media.mp4"))
    assert await growing.finish(**changes) is None
    await check_ordinary(growing)


async def test_another_file_is_not_the_one_that_was_read(growing: Child) -> None:
    """As a fixup leaves it: the same name, and here the same bytes."""
    growing.write(media.large(20)[10 * MIB :])
    growing.write(media.large(20), "media.mp4")
    assert await growing.finish() is None
    await check_ordinary(growing)


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1])
async def test_a_size_that_was_not_true(size: int, growing: Child) -> None:
    growing.write((media.large(20) + b"x")[10 * MIB : size])
    growing.path("media.mp4.part").rename(growing.path("media.mp4"))
    assert await growing.finish() is None
    await check_ordinary(growing)


async def test_bytes_that_were_overwritten_behind_the_reader(growing: Child) -> None:
    growing.write(media.large(20)[10 * MIB :])
    with growing.path("media.mp4.part").open("r+b") as file:
        file.seek(5 * MIB)
        file.write(b"other")
    growing.path("media.mp4.part").rename(growing.path("media.mp4"))
    assert await growing.finish() is None
    await check_ordinary(growing)


@pytest.fixture
def opened(child: Child) -> Iterator[Child]:
    """Among files that a worker must not read; none of them stays open."""
    child.write(media.large(20)[: 10 * MIB])
    (child.folder / "secret.part").write_bytes(media.large(20))
    child.path("link.part").symlink_to(child.folder / "secret.part")
    child.path("inner").mkdir()
    os.mkfifo(child.path("pipe.part"))
    child.path("text.part").write_text("#EXTM3U\n")
    before = set(open_files().items())
    yield child
    assert set(open_files().items()) <= before


@pytest.mark.parametrize(
    "changes",
    [
        {"part": "link.part"},
        {"part": "pipe.part"},
        {"part": "inner"},
        {"part": "missing.part"},
        {"part": "../secret.part"},
        {"part": "/etc/passwd"},
        {"part": "text.part"},
        {"part": ""},
        {"part": "x" * 300},
        {"part": "a\0b"},
        {"total": SIZE + 1},
        {"total": 0},
    ],
)
async def test_what_can_not_be_true_begins_nothing(changes: dict[str, Any], opened: Child) -> None:
    assert opened.tell(**changes) is None
    assert opened.incoming() == []


async def test_closed_it_tells_nothing_any_more(growing: Child) -> None:
    assert growing.upload
    growing.write(media.large(20)[10 * MIB :])
    await growing.upload.close()
    told = list(growing.told)
    growing.upload._report_sent(SIZE)  # as a thread does that is in a request for longer than it is waited for
    await asyncio.sleep(0)
    assert growing.told == told
    await check_ordinary(growing)
