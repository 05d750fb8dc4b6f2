"""Files that are uploaded while they are still written."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from support.children import until
from support.faults import Gate
from support.gcs import Gcs
from support.s3 import S3
from support.sources import MIB, NAME, pattern, put
from unit.common.bucket.conftest import OpenGcs
from vidferry_common.bucket import (
    Bucket,
    BucketError,
    GrowingFile,
    PreconditionFailed,
    StoredObject,
    Upload,
)
from vidferry_common.bucket.checksum import crc32c
from vidferry_common.bucket.patience import RetryPolicy
from vidferry_common.bucket.s3 import S3Bucket
from vidferry_common.bucket.s3.upload import SMALLEST_PART
from vidferry_common.bucket.threads import THREADS, WAITING

pytestmark = pytest.mark.anyio

SIZE = 20 * MIB
DATA = pattern(SIZE)
OTHER = pattern(SIZE, seed=2)
SECONDS = 20
WHAT = Upload(NAME, "video/mp4", "A film.mp4", {"download": "d1"})


class Growing:
    """A file, who writes it, and its upload."""

    def __init__(self, path: Path, bucket: Bucket, size: int = SIZE) -> None:
        self.written = path.open("wb", buffering=0)
        self._read = path.open("rb")
        self._part = SMALLEST_PART if isinstance(bucket, S3Bucket) else MIB
        self.file = GrowingFile()
        self.sent: list[int] = []
        self._upload = bucket.upload(WHAT, self._read, size, self.sent.append, self.file)
        self.task = asyncio.create_task(self._upload)

    def write(self, data: bytes) -> None:
        self.written.write(data)
        self.file.note_growth()

    def begin_anew(self, data: bytes) -> None:
        """As a download does whose origin does not go on where it was cut."""
        self.written.seek(0)
        self.written.truncate()
        self.write(data)

    def complete(self) -> None:
        self.file.mark_complete()

    async def has_sent_parts_of(self, there: int) -> None:
        """All that is whole of so many bytes: the last part waits for the file's end."""
        await self.has_sent((there - 1) // self._part * self._part)

    async def has_sent(self, least: int) -> None:
        await until(lambda: (self.sent or [0])[-1] >= least or self.task.done())
        assert not self.task.done(), self.task.exception()

    async def ended(self) -> StoredObject:
        """The upload's result."""
        return await asyncio.wait_for(asyncio.shield(self.task), SECONDS)

    def close(self) -> None:
        self.file.give_up()
        self.written.close()
        self._read.close()


Grow = Callable[[Bucket], Growing]


@pytest.fixture
def grow(tmp_path: Path) -> Iterator[Grow]:
    """To be asked for after the bucket, which waits for its uploads when it is closed."""
    with ExitStack() as stack:
        numbers = count()

        def grown(bucket: Bucket) -> Growing:
            file = Growing(tmp_path / f"{next(numbers)}.part", bucket)
            stack.callback(file.close)
            return file

        yield grown


@pytest.fixture
async def growing(bucket: Bucket, grow: Grow) -> Growing:
    return grow(bucket)


async def check_nothing_is_left(bucket: Bucket, tmp_path: Path, service: Gcs | S3 | None) -> None:
    assert await bucket.stat(NAME) is None
    if isinstance(service, Gcs):
        kinds = service.layer.kinds
        await until(lambda: kinds().count("abort") == kinds().count("begin"))
        assert "last" not in kinds()
    elif isinstance(service, S3):
        await until(lambda: not service.uploads())
        assert not {"complete", "put"} & set(service.layer.kinds())
        assert service.names() == []
    else:
        await until(lambda: not list((tmp_path / "bucket" / "incoming").iterdir()))


async def test_what_is_there_is_sent_and_nothing_is_visible_before_the_end(growing: Growing, bucket: Bucket) -> None:
    growing.write(DATA[: 12 * MIB])
    await growing.has_sent_parts_of(12 * MIB)
    growing.write(DATA[12 * MIB :])
    await growing.has_sent_parts_of(SIZE)
    assert await bucket.stat(NAME) is None
    growing.complete()
    stored = await growing.ended()
    assert stored == StoredObject(
        NAME, stored.version, SIZE, "video/mp4", crc32c(DATA), "A film.mp4", {"download": "d1"}
    )
    assert await bucket.read(NAME, SIZE) == (stored, DATA)
    assert growing.sent == sorted(set(growing.sent))
    assert growing.sent[-1] == SIZE


async def test_one_that_nobody_tells_of_is_looked_at_all_the_same(growing: Growing) -> None:
    growing.written.write(DATA[: 12 * MIB])
    await growing.has_sent_parts_of(12 * MIB)
    growing.file.give_up()
    with pytest.raises(BucketError):
        await growing.ended()


async def test_one_that_shrinks_is_given_up(
    growing: Growing, bucket: Bucket, tmp_path: Path, service: Gcs | S3 | None
) -> None:
    growing.write(DATA[: 12 * MIB])
    await growing.has_sent_parts_of(12 * MIB)
    growing.begin_anew(DATA[: 2 * MIB])
    with pytest.raises(BucketError, match="grew has"):
        await growing.ended()
    await check_nothing_is_left(bucket, tmp_path, service)


async def test_one_that_was_written_anew_between_two_looks_is_given_up(
    growing: Growing, bucket: Bucket, tmp_path: Path, service: Gcs | S3 | None
) -> None:
    growing.write(DATA[: 12 * MIB])
    await growing.has_sent_parts_of(12 * MIB)
    growing.written.seek(0)
    growing.write(OTHER)
    growing.complete()
    with pytest.raises(BucketError, match="written anew"):
        await growing.ended()
    await check_nothing_is_left(bucket, tmp_path, service)


async def test_a_byte_that_changes_behind_the_reader_is_found(
    growing: Growing, bucket: Bucket, tmp_path: Path, service: Gcs | S3 | None
) -> None:
    growing.write(DATA)
    await growing.has_sent_parts_of(SIZE)
    os.pwrite(growing.written.fileno(), b"\xff", 5 * MIB)
    growing.complete()
    with pytest.raises(BucketError, match="written anew"):
        await growing.ended()
    await check_nothing_is_left(bucket, tmp_path, service)


async def test_bytes_that_were_written_anew_alike_are_the_same(growing: Growing, bucket: Bucket) -> None:
    growing.write(DATA[: 12 * MIB])
    await growing.has_sent_parts_of(12 * MIB)
    growing.written.seek(0)
    growing.write(DATA)
    growing.complete()
    await growing.ended()
    assert (await bucket.read(NAME, SIZE))[1] == DATA


@pytest.mark.parametrize(("has", "said"), [(SIZE - 1, "complete"), (SIZE + 1, ""), (SIZE + 1, "complete")])
async def test_one_of_another_size_is_given_up(
    has: int, said: str, growing: Growing, bucket: Bucket, tmp_path: Path, service: Gcs | S3 | None
) -> None:
    growing.write((DATA + b"x")[:has])
    if said:
        growing.complete()
    with pytest.raises(BucketError, match=f"has {has} bytes"):
        await growing.ended()
    await check_nothing_is_left(bucket, tmp_path, service)


async def test_one_that_is_not_wanted_leaves_nothing(
    growing: Growing, bucket: Bucket, tmp_path: Path, service: Gcs | S3 | None
) -> None:
    growing.write(DATA)
    await growing.has_sent_parts_of(SIZE)
    growing.file.give_up()
    with pytest.raises(BucketError, match="not uploaded after all"):
        await growing.ended()
    await check_nothing_is_left(bucket, tmp_path, service)


@pytest.mark.parametrize("there", [0, 12 * MIB, SIZE])
async def test_cancelled_it_ends_within_a_second(
    there: int, growing: Growing, bucket: Bucket, tmp_path: Path, service: Gcs | S3 | None
) -> None:
    growing.write(DATA[:there])
    if there:
        await growing.has_sent_parts_of(there)
    growing.task.cancel()
    begun = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await growing.task
    assert time.monotonic() - begun < 1
    await check_nothing_is_left(bucket, tmp_path, service)


async def test_another_object_that_came_meanwhile_stays(growing: Growing, bucket: Bucket) -> None:
    growing.write(DATA)
    await growing.has_sent_parts_of(SIZE)
    first = await put(bucket, b"first")
    growing.complete()
    with pytest.raises(PreconditionFailed):
        await growing.ended()
    assert await bucket.read(NAME, 10) == (first, b"first")


async def test_those_that_wait_leave_room_for_others(bucket: Bucket, grow: Grow) -> None:
    waiting = [grow(bucket) for _ in range(THREADS)]
    await until(lambda: sum(each.task.done() for each in waiting) == THREADS - WAITING)
    assert (await asyncio.wait_for(put(bucket, b"film", NAME + "-other"), SECONDS)).size == 4
    for each in waiting:
        each.file.give_up()
    ended = await asyncio.gather(*(each.task for each in waiting), return_exceptions=True)
    assert sum("uploads wait" in str(error) for error in ended) == THREADS - WAITING
    again = grow(bucket)
    again.write(DATA)
    again.complete()
    assert (await again.ended()).size == SIZE


async def test_no_request_is_open_while_bytes_are_waited_for(open_gcs: OpenGcs, gcs: Gcs, grow: Grow) -> None:
    """What is not whole yet is not begun: half a chunk more leads to no request."""
    cloud = await open_gcs()
    growing = grow(cloud)
    chunk = SIZE // 32 // (256 * 1024) * 256 * 1024
    growing.write(DATA[: 3 * chunk + chunk // 2])
    await growing.has_sent(3 * chunk)
    await until(lambda: gcs.layer.kinds() == ["begin", "chunk", "chunk", "chunk"])
    growing.write(DATA[3 * chunk + chunk // 2 :])
    await growing.has_sent((SIZE - 1) // chunk * chunk)
    assert "last" not in gcs.layer.kinds()
    growing.complete()
    await growing.ended()
    assert gcs.layer.received == SIZE
    assert gcs.layer.kinds().count("last") == 1


async def test_waiting_for_bytes_costs_no_patience(open_gcs: OpenGcs, gcs: Gcs, grow: Grow) -> None:
    cloud = await open_gcs(RetryPolicy(without_progress=0.5, first_delay=0.01, longest_delay=0.01))
    growing = grow(cloud)
    growing.write(DATA[:MIB])
    await growing.has_sent(MIB // 2)
    begun = time.monotonic()
    await until(lambda: time.monotonic() - begun > 1)
    gcs.layer.faults.add("chunk", status=503)
    growing.write(DATA[MIB:])
    growing.complete()
    await growing.ended()
    assert (await cloud.read(NAME, SIZE))[1] == DATA


async def test_a_session_that_is_lost_begins_again(open_gcs: OpenGcs, gcs: Gcs, grow: Grow) -> None:
    cloud = await open_gcs()
    growing = grow(cloud)
    growing.write(DATA[: 12 * MIB])
    await growing.has_sent_parts_of(12 * MIB)
    gcs.layer.faults.add("chunk", status=410)
    growing.write(DATA[12 * MIB :])
    growing.complete()
    await growing.ended()
    assert (await cloud.read(NAME, SIZE))[1] == DATA
    assert gcs.layer.kinds().count("begin") == 2


async def test_bytes_that_changed_between_two_tries_are_refused(open_gcs: OpenGcs, gcs: Gcs, grow: Grow) -> None:
    """The sum is of what was read first, so what was sent instead does not match it."""
    cloud = await open_gcs()
    growing = grow(cloud)
    gate = Gate()
    gcs.layer.faults.add("last", status=503, gate=gate)
    growing.write(DATA)
    growing.complete()
    assert await asyncio.to_thread(gate.reached.wait, 30)
    os.pwrite(growing.written.fileno(), b"\xff", SIZE - 1)
    gate.open()
    with pytest.raises(BucketError, match="CRC32C"):
        await growing.ended()
    assert await cloud.stat(NAME) is None


async def test_a_source_that_is_closed_is_an_error(growing: Growing) -> None:
    growing.write(DATA[: 12 * MIB])
    await growing.has_sent_parts_of(12 * MIB)
    growing._read.close()
    with pytest.raises(BucketError, match="can't be read"):
        await growing.ended()
