"""What holds for every home of the bucket."""

import asyncio
import io
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from support.sources import MIB, NAME, HeldSource, pattern, put
from vidferry_common.bucket import (
    NEW,
    Bucket,
    BucketError,
    ListedObject,
    ObjectNotFound,
    PreconditionFailed,
    StoredObject,
    Upload,
)
from vidferry_common.bucket.checksum import crc32c

pytestmark = pytest.mark.anyio

FILENAMES = [
    "فيلم قصير.mp4",
    "短片 – 第一集.mp4",
    "🎬 film 👩‍👩‍👧.mp4",
    "Тест; a=b%20, c'd.mp4",
    "",
]


@pytest.mark.parametrize("size", [0, 1, 5 * MIB + 3, 8 * MIB, 17 * MIB + 5])
async def test_what_was_uploaded_is_read_again(bucket: Bucket, size: int) -> None:
    data = pattern(size)
    sent: list[int] = []
    what = Upload(NAME, "video/mp4", "A film.mp4", {"download": "d1", "title": "A film"})
    stored = await bucket.upload(what, io.BytesIO(data), size, sent.append)
    assert stored == StoredObject(
        NAME, stored.version, size, "video/mp4", crc32c(data), "A film.mp4", {"download": "d1", "title": "A film"}
    )
    assert stored.version
    assert await bucket.stat(NAME) == stored
    assert await bucket.read(NAME, size) == (stored, data)
    _check_progress(sent, size)


def _check_progress(sent: list[int], size: int) -> None:
    assert sent == sorted(set(sent)), "progress went back or stood still"
    assert sent[-1:] == ([size] if size else sent[-1:])
    steps = [after - before for before, after in zip([0, *sent], sent, strict=False)]
    assert max(steps, default=0) <= 8 * MIB


@pytest.mark.parametrize("filename", FILENAMES)
async def test_names_and_metadata_keep_every_script(bucket: Bucket, filename: str) -> None:
    metadata = {"title": filename or "無題", "source": "https://example.com/?a=1&b=ü"}
    what = Upload("videos/generic/例え.jp/x=1/best+audio", "video/webm", filename, metadata)
    stored = await bucket.upload(what, io.BytesIO(b"film"), 4, lambda _: None)
    assert (stored.filename, stored.metadata) == (filename, metadata)
    assert await bucket.stat(what.name) == stored


async def test_nothing_is_there_at_first(bucket: Bucket) -> None:
    await bucket.check()
    assert await bucket.stat(NAME) is None
    with pytest.raises(ObjectNotFound):
        await bucket.read(NAME, 10)
    with pytest.raises(ObjectNotFound):
        await bucket.delete(NAME, "1")


async def test_new_never_replaces(bucket: Bucket) -> None:
    first = await put(bucket, b"first")
    sent: list[int] = []
    with pytest.raises(PreconditionFailed):
        await bucket.upload(Upload(NAME, "video/mp4"), io.BytesIO(b"second"), 6, sent.append)
    assert sent == [], "a refusal known beforehand costs no transfer"
    assert await bucket.read(NAME, 10) == (first, b"first")


async def test_an_object_is_replaced_under_its_version_only(bucket: Bucket) -> None:
    first = await put(bucket, b"first")
    second = await put(bucket, b"second", version=first.version)
    assert second.version != first.version
    assert await bucket.read(NAME, 10) == (second, b"second")
    with pytest.raises(PreconditionFailed):
        await put(bucket, b"third", version=first.version)
    assert await bucket.stat(NAME) == second


async def test_a_version_without_object_is_refused(bucket: Bucket) -> None:
    with pytest.raises(PreconditionFailed):
        await put(bucket, b"film", version="7")
    assert await bucket.stat(NAME) is None


async def test_of_two_writers_at_once_one_wins(bucket: Bucket) -> None:
    """Both are past the first look at the object before either finishes."""
    bodies = [pattern(9 * MIB, seed) for seed in (1, 2)]
    sources = [HeldSource(body, 8 * MIB) for body in bodies]
    what = Upload(NAME, "video/mp4")
    tasks = [asyncio.create_task(bucket.upload(what, source, 9 * MIB, lambda _: None)) for source in sources]
    for source in sources:
        await source.reached()
    for source in sources:
        source.released.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    won = [n for n, result in enumerate(results) if isinstance(result, StoredObject)]
    assert len(won) == 1, results
    assert isinstance(results[1 - won[0]], PreconditionFailed)
    assert await bucket.read(NAME, 9 * MIB) == (results[won[0]], bodies[won[0]])


async def test_an_upload_is_invisible_until_complete(bucket: Bucket) -> None:
    source = HeldSource(pattern(9 * MIB), 8 * MIB)
    task = asyncio.create_task(bucket.upload(Upload(NAME, "video/mp4"), source, 9 * MIB, lambda _: None))
    await source.reached()
    assert await bucket.stat(NAME) is None
    source.released.set()
    stored = await task
    assert await bucket.stat(NAME) == stored


@pytest.mark.parametrize(("has", "size"), [(0, 1), (9 * MIB, 9 * MIB + 1), (3 * MIB, 17 * MIB)])
async def test_a_short_source_is_an_error(bucket: Bucket, has: int, size: int) -> None:
    with pytest.raises(BucketError, match=f"ends after {has} of {size}"):
        await bucket.upload(Upload(NAME, "video/mp4"), io.BytesIO(pattern(has)), size, lambda _: None)
    assert await bucket.stat(NAME) is None


async def test_a_cancelled_upload_leaves_nothing(bucket: Bucket) -> None:
    source = HeldSource(pattern(9 * MIB), 8 * MIB)
    task = asyncio.create_task(bucket.upload(Upload(NAME, "video/mp4"), source, 9 * MIB, lambda _: None))
    await source.reached()
    task.cancel()
    await asyncio.sleep(0)  # the cancellation is delivered
    assert not task.done(), "the thread still runs"
    task.cancel()  # a second one doesn't make it leave the thread behind
    source.released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bucket.stat(NAME) is None
    assert (await put(bucket, b"afterwards")).size == 10


async def test_an_upload_cancelled_at_its_end_leaves_it_whole_or_not_at_all(bucket: Bucket) -> None:
    """What is complete stays: another attempt may have told its people of it already."""
    loop = asyncio.get_running_loop()
    size = 5 * MIB

    def cancel_at_the_end(sent: int) -> None:
        if sent == size:
            asyncio.run_coroutine_threadsafe(_cancel(task), loop).result()

    task = asyncio.create_task(
        bucket.upload(Upload(NAME, "video/mp4"), io.BytesIO(pattern(size)), size, cancel_at_the_end)
    )
    with pytest.raises(asyncio.CancelledError):
        await task
    if await bucket.stat(NAME):
        _, content = await bucket.read(NAME, size)
        assert content == pattern(size)


async def _cancel(task: "asyncio.Task[StoredObject]") -> None:
    task.cancel()


async def test_only_the_version_named_is_deleted(bucket: Bucket) -> None:
    stored = await put(bucket, b"film")
    with pytest.raises(PreconditionFailed):
        await bucket.delete(NAME, stored.version + "1")
    with pytest.raises(PreconditionFailed):
        await bucket.delete(NAME, NEW)
    await bucket.delete(NAME, stored.version)
    assert await bucket.stat(NAME) is None
    again = await put(bucket, b"film")
    assert again.created >= stored.created


async def test_a_large_object_is_not_read_whole(bucket: Bucket) -> None:
    await put(bucket, b"0123456789")
    with pytest.raises(BucketError, match="more than 9"):
        await bucket.read(NAME, 9)


async def test_a_name_that_could_mean_another_file_is_refused(bucket: Bucket) -> None:
    """test_names.py has which."""
    name = "a/../../x"
    for call in (
        bucket.stat(name), put(bucket, b"film", name), bucket.read(name, 1), bucket.delete(name, "1"),
        bucket.sign_link(StoredObject(name, "1", 1, "video/mp4", "", ""), 60), listed(bucket, name),
    ):  # fmt: skip
        with pytest.raises(BucketError, match="not an object's name"):
            await call


async def listed(bucket: Bucket, folder: str = "videos", page: int = 1000) -> list[Sequence[ListedObject]]:
    """Page by page."""
    async with aclosing(bucket.list_objects(folder, page)) as pages:
        return [found async for found in pages]


async def test_nothing_is_listed_at_first(bucket: Bucket) -> None:
    assert await listed(bucket) == []
    await put(bucket, b"film", "other/youtube/youtube.com/x/best-any")
    await put(bucket, b"film", "videosx/youtube/youtube.com/x/best-any")
    assert await listed(bucket) == []


async def test_what_is_listed_is_what_was_stored(bucket: Bucket) -> None:
    before = time.time()
    first = await put(bucket, b"film")
    replaced = await put(bucket, b"another film", version=first.version)
    after = time.time()
    ((found,),) = await listed(bucket)
    assert found == ListedObject(NAME, replaced.version, 12, found.created)
    assert before - 1 < found.created < after + 1

    await bucket.delete(found.name, found.version)
    assert await listed(bucket) == []


@pytest.mark.parametrize(("page", "pages"), [(1, 12), (5, 3), (12, 1), (1000, 1)])
async def test_a_listing_comes_in_pages_video_by_video(bucket: Bucket, page: int, pages: int) -> None:
    videos = [f"videos/{site}" for site in ("a/a.example/1", "a/a.example/10", "a/a.example/2", "例え/b/1")]
    names = [f"{video}/{leaf}" for leaf in ("1080-any", "720-any", "thumbnail") for video in videos]
    for name in names:
        await put(bucket, b"film", name)

    found = await listed(bucket, page=page)

    assert len(found) == pages
    assert max(map(len, found)) <= page
    in_order = [each.name for found_page in found for each in found_page]
    assert sorted(in_order) == sorted(names)
    folders = [name.rpartition("/")[0] for name in in_order]
    assert [folders[index] for index in range(0, 12, 3)] == list(dict.fromkeys(folders))


async def test_a_listing_may_be_left_and_objects_removed_meanwhile(bucket: Bucket) -> None:
    for number in range(6):
        await put(bucket, b"film", f"videos/a/b/{number}/best-any")
    async with aclosing(bucket.list_objects("videos", 2)) as pages:
        first = await anext(pages)
        for each in first:
            await bucket.delete(each.name, each.version)
        later = await anext(pages)
    assert not {each.name for each in later} & {each.name for each in first}
    assert len(await listed(bucket)) == 1


async def test_all_is_described_in_an_order_that_goes_on(bucket: Bucket) -> None:
    """Also behind an object that is gone, and within a folder whose name begins as another's."""
    names = [
        f"videos/a/b/{leaf}" for leaf in ("c/1080-any", "c/thumbnail", "c-2/720-any", "d/best-any", "d@x/best-any")
    ]
    made = [await put(bucket, b"1" * number, name) for number, name in enumerate(names, 1)]

    async def described(after: str = "") -> list[StoredObject]:
        async with aclosing(bucket.describe_objects("videos", after, page=2)) as pages:
            return [stored async for page in pages for stored in page]

    found = await described()
    assert sorted(found, key=lambda stored: stored.name) == sorted(made, key=lambda stored: stored.name)
    for number, last in enumerate(found):
        assert await described(last.name) == found[number + 1 :]
    assert {stored.name: stored.created for stored in found} == {stored.name: stored.created for stored in made}
    await bucket.delete(found[1].name, found[1].version)
    assert await described(found[1].name) == found[2:]


async def test_metadata_changes_and_nothing_else(bucket: Bucket) -> None:
    stored = await put(bucket, b"bytes")

    changed = await bucket.update_metadata(stored, {"expires_at": "2027-01-01T00:00:00Z"})

    assert changed == replace(stored, metadata={"download": "d1", "expires_at": "2027-01-01T00:00:00Z"})
    assert changed.created == stored.created
    assert await bucket.read(NAME, 10) == (changed, b"bytes")
    async with aclosing(bucket.list_objects("videos")) as pages:
        [[listed]] = [page async for page in pages]
    assert (listed.expires_at, listed.created) == ("2027-01-01T00:00:00Z", stored.created)
    with pytest.raises(PreconditionFailed):  # it is not as it was read
        await bucket.update_metadata(stored, {"expires_at": ""})
    assert (await bucket.update_metadata(changed, {"expires_at": ""})).metadata["expires_at"] == ""


async def test_of_two_changes_of_metadata_one_wins(bucket: Bucket) -> None:
    stored = await put(bucket, b"bytes")

    changes = [bucket.update_metadata(stored, {"expires_at": str(number)}) for number in range(4)]
    ended = await asyncio.gather(*changes, return_exceptions=True)

    [won] = [each for each in ended if isinstance(each, StoredObject)]
    assert all(isinstance(each, PreconditionFailed) for each in ended if each is not won)
    assert await bucket.stat(NAME) == won


async def test_metadata_of_an_object_that_is_gone_or_replaced(bucket: Bucket) -> None:
    stored = await put(bucket, b"1")
    await put(bucket, b"2", version=stored.version)
    with pytest.raises(PreconditionFailed):
        await bucket.update_metadata(stored, {"a": "b"})
    newer = await bucket.stat(NAME)
    assert newer
    await bucket.delete(NAME, newer.version)
    with pytest.raises(ObjectNotFound):
        await bucket.update_metadata(newer, {"a": "b"})
    assert await bucket.stat(NAME) is None
