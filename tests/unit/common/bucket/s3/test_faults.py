"""Uploads and calls when the store, the network or the clocks fail in between."""

import asyncio
import io
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from support import s3_faults
from support.children import until
from support.faults import Fault, Gate
from support.s3 import S3
from support.s3_rules import SKEW
from support.sources import MIB, NAME, pattern, put
from unit.common.bucket.conftest import OpenS3
from vidferry_common.bucket import (
    BucketError,
    GrowingFile,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
    Upload,
)
from vidferry_common.bucket.patience import RetryPolicy
from vidferry_common.bucket.s3 import S3Bucket

pytestmark = pytest.mark.anyio

SIZE = 18 * MIB
DATA = pattern(SIZE)
PARTS = 3
FOR_A_MOMENT = [
    s3_faults.SLOW_DOWN, s3_faults.UNAVAILABLE, s3_faults.INTERNAL, {"status": 408},
    {"status": 429, "code": "TooManyRequests"},
]  # fmt: skip
BY_CODE = pytest.mark.parametrize("fault", FOR_A_MOMENT, ids=lambda fault: str(fault.get("code", fault["status"])))
SHORT = RetryPolicy(without_progress=0.3, first_delay=0.01, longest_delay=0.05)


async def check_whole(store: S3Bucket, s3: S3, data: bytes = DATA) -> None:
    """One object, all of it, and nothing beside it."""
    stored, found = await store.read(NAME, len(data))
    assert found == data
    assert stored.size == len(data)
    assert (s3.names(), s3.uploads()) == ([NAME], [])


async def check_nothing(store: S3Bucket, s3: S3) -> None:
    assert await store.stat(NAME) is None
    assert (s3.names(), s3.uploads()) == ([], [])


@BY_CODE
async def test_each_request_of_an_upload_is_tried_again(store: S3Bucket, s3: S3, fault: dict[str, object]) -> None:
    for kind in ("begin", "part", "complete"):
        s3.layer.faults.add(kind, **fault)
    await put(store, DATA)
    await check_whole(store, s3)
    kinds = s3.layer.kinds()
    assert (kinds.count("begin"), kinds.count("part"), kinds.count("complete")) == (2, PARTS + 1, 2)


@BY_CODE
async def test_each_call_is_tried_again(store: S3Bucket, s3: S3, fault: dict[str, object]) -> None:
    s3.layer.faults.add("put", **fault)
    stored = await put(store, b"film")
    s3.layer.faults.add("head", "get", "delete", "list", times=2, **fault)
    assert await store.stat(NAME) == stored
    s3.layer.faults.add("get", **fault)
    assert (await store.read(NAME, 4))[1] == b"film"
    s3.layer.faults.add("list", **fault)
    assert [each.name async for page in store.list_objects("videos") for each in page] == [NAME]
    s3.layer.faults.add("delete", **fault)
    await store.delete(NAME, stored.version)
    await check_nothing(store, s3)


async def test_a_success_that_says_nothing_is_none(store: S3Bucket, s3: S3) -> None:
    """As of a proxy that answers in the store's place."""
    for kind in ("begin", "part", "complete"):
        s3.layer.faults.add(kind, status=201)
    await put(store, DATA)
    await check_whole(store, s3)


async def test_a_body_that_came_too_slowly_is_sent_again(store: S3Bucket, s3: S3) -> None:
    s3.layer.faults.add("part", **s3_faults.TIMED_OUT)
    await put(store, DATA)
    await check_whole(store, s3)


@pytest.mark.parametrize("keep", [0, MIB, 6 * MIB])
async def test_a_cut_amid_a_part_sends_that_part_again(store: S3Bucket, s3: S3, keep: int) -> None:
    s3.layer.faults.add("part", cut=True, keep=keep)
    await put(store, DATA)
    await check_whole(store, s3)
    assert s3.layer.kinds().count("part") == PARTS + 1


async def test_a_part_arrives_twice(store: S3Bucket, s3: S3) -> None:
    s3.layer.faults.add("part", twice=True, times=PARTS)
    await put(store, DATA)
    await check_whole(store, s3)


@pytest.mark.parametrize("kind", ["part", "complete"])
async def test_a_reply_that_is_lost_is_no_failure(store: S3Bucket, s3: S3, kind: str) -> None:
    s3.layer.faults.add(kind, cut=True, after=True)
    stored = await put(store, DATA)
    assert await store.stat(NAME) == stored
    await check_whole(store, s3)


async def test_a_small_object_whose_reply_is_lost_is_found_to_be_ours(store: S3Bucket, s3: S3) -> None:
    s3.layer.faults.add("put", cut=True, after=True)
    stored = await put(store, b"film")
    assert await store.stat(NAME) == stored
    await check_whole(store, s3, b"film")


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done"])
async def test_an_error_inside_a_completion_that_is_answered_200(store: S3Bucket, s3: S3, after: bool) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html documents it."""
    s3.layer.faults.add("complete", inside=True, after=after, **s3_faults.INTERNAL)
    stored = await put(store, DATA)
    assert await store.stat(NAME) == stored
    await check_whole(store, s3)


async def test_a_lost_reply_does_not_hide_anothers_object(store: S3Bucket, open_s3: OpenS3, s3: S3) -> None:
    """The upload was not carried out, and another one was meanwhile: the other's stays."""
    other = await open_s3()
    gate = s3.layer.faults.hold("complete")
    task = asyncio.create_task(put(store, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 60)
    stored = await put(other, b"other")
    gate.open()
    with pytest.raises(PreconditionFailed):
        await task
    assert await store.read(NAME, 10) == (stored, b"other")
    assert s3.uploads() == []


async def test_an_upload_that_is_gone_begins_again(store: S3Bucket, s3: S3) -> None:
    s3.layer.faults.add("part", **s3_faults.NO_UPLOAD)
    await put(store, DATA)
    await check_whole(store, s3)
    assert s3.layer.kinds().count("begin") == 2


async def test_a_conflict_with_another_write_begins_again(store: S3Bucket, s3: S3) -> None:
    s3.layer.faults.add("complete", **s3_faults.CONFLICT)
    await put(store, DATA)
    await check_whole(store, s3)


async def test_after_a_conflict_with_a_write_that_won_nothing_is_sent_again(
    store: S3Bucket, open_s3: OpenS3, s3: S3
) -> None:
    other = await open_s3()
    s3.layer.faults.add("complete", gate=(gate := Gate()), **s3_faults.CONFLICT)
    task = asyncio.create_task(put(store, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 60)
    stored = await put(other, b"other")
    gate.open()
    with pytest.raises(PreconditionFailed):
        await task
    assert await store.read(NAME, 10) == (stored, b"other")
    assert s3.layer.kinds().count("begin") == 1


async def test_what_was_to_be_replaced_is_removed_at_the_last_moment(store: S3Bucket, s3: S3) -> None:
    """Stores answer 404, not 412: the worker then stores the video as a new one."""
    first = await put(store, b"first")
    gate = s3.layer.faults.hold("complete")
    task = asyncio.create_task(put(store, DATA, version=first.version))
    assert await asyncio.to_thread(gate.reached.wait, 60)
    await store.delete(NAME, first.version)
    gate.open()
    with pytest.raises(PreconditionFailed):
        await task
    await check_nothing(store, s3)


async def test_an_object_that_could_not_be_looked_at_keeps_its_long_metadata(open_s3: OpenS3, s3: S3) -> None:
    store = await open_s3(SHORT)
    s3.layer.faults.put(
        Fault(lambda call: call.kind == "head" and "complete" in s3.layer.kinds(), status=503, times=10_000)
    )
    what = Upload(NAME, "video/mp4", metadata={"title": "x" * 4000})
    with pytest.raises(StorageUnavailable):
        await store.upload(what, io.BytesIO(DATA), SIZE, lambda _: None)
    s3.layer.faults.clear()
    stored = await store.stat(NAME)
    assert stored
    assert stored.metadata == what.metadata


async def test_leftovers_are_what_lies_beside_objects_that_are_gone(store: S3Bucket, s3: S3) -> None:
    """What another program keeps is not, whatever its name."""
    kept = await store.update_metadata(await put(store, b"film"), {"title": "x" * 4000})
    beside = f"{NAME}#metadata"
    theirs = ["other/x#metadata", "videos/Clip #3.mp4", "videos/gone#long-x", "videos/gone#metadata.txt"]
    ours = ["videos/gone#metadata", f"videos/gone#long-{'0a' * 16}"]
    for name in [*theirs, *ours]:
        s3.ask("PUT", f"/{s3.bucket}/{quote(name)}")
    assert await store.remove_leftovers("videos", 3600) == 0
    assert await store.remove_leftovers("videos", -60) == len(ours)
    assert sorted(s3.names()) == sorted([NAME, beside, *theirs])
    assert await store.stat(NAME) == kept


async def test_who_may_not_list_uploads_removes_the_other_leftovers(store: S3Bucket, s3: S3) -> None:
    s3.ask("PUT", f"/{s3.bucket}/{quote('videos/gone#metadata')}")
    s3.layer.faults.add("uploads", **s3_faults.DENIED)
    assert await store.remove_leftovers("videos", -60) == 1
    assert store.health.error is None


async def test_a_store_that_stalls_is_given_up(open_s3: OpenS3, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_common.bucket.s3.client.READ_SECONDS", 0.5)
    store = await open_s3(SHORT)
    s3.layer.faults.add("part", gate=(gate := Gate()), times=100)
    with pytest.raises(StorageUnavailable):
        await put(store, DATA)
    assert await store.stat(NAME) is None
    gate.open()


async def test_a_part_that_stalls_once_is_sent_again(open_s3: OpenS3, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_common.bucket.s3.client.READ_SECONDS", 2)
    store = await open_s3(RetryPolicy(without_progress=60, first_delay=0.01, longest_delay=0.1))
    gate = s3.layer.faults.hold("part")
    stored = await put(store, DATA)
    gate.open()
    assert await store.stat(NAME) == stored


@pytest.mark.parametrize("kind", ["begin", "part", "complete"])
async def test_patience_ends(open_s3: OpenS3, s3: S3, kind: str) -> None:
    store = await open_s3(SHORT)
    s3.layer.faults.add(kind, times=10_000, **s3_faults.SLOW_DOWN)
    with pytest.raises(StorageUnavailable):
        await put(store, DATA)
    await check_nothing(store, s3)


@pytest.mark.parametrize("kind", ["begin", "part", "complete"])
async def test_denied_is_final(store: S3Bucket, s3: S3, kind: str) -> None:
    s3.layer.faults.add(kind, times=100, **s3_faults.DENIED)
    with pytest.raises(StorageDenied):
        await put(store, DATA)
    s3.layer.faults.clear()
    await check_nothing(store, s3)
    assert s3.layer.kinds().count(kind) <= PARTS


async def test_a_damaged_part_is_sent_again(store: S3Bucket, s3: S3) -> None:
    """It is found by the part's checksum where the store looks at it, else by that of the whole."""
    s3.layer.faults.add("part", corrupt=True)
    if s3.layer.is_strict:
        await put(store, DATA)
        await check_whole(store, s3)
    else:
        with pytest.raises(BucketError):
            await put(store, DATA)
        await check_nothing(store, s3)


async def test_a_clock_that_is_off_is_told(open_s3: OpenS3, s3: S3) -> None:
    store = await open_s3(SHORT)
    s3.layer.clock_ahead = SKEW + 60
    with pytest.raises(StorageUnavailable, match="clock"):
        await put(store, b"film")
    s3.layer.clock_ahead = 0
    assert (await put(store, b"film")).size == 4


async def test_a_clock_that_is_set_right_amid_an_upload(store: S3Bucket, s3: S3) -> None:
    s3.layer.faults.add("part", times=2, **s3_faults.SKEWED)
    await put(store, DATA)
    await check_whole(store, s3)


def tell_of_web_identity(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name, value in s3.environment(web_identity=True).items():
        monkeypatch.setenv(name, value)


async def test_temporary_keys_that_end_amid_an_upload_are_renewed(
    open_s3: OpenS3, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_of_web_identity(s3, monkeypatch)
    store = await open_s3()
    gate = s3.layer.faults.hold("complete")
    task = asyncio.create_task(put(store, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 60)
    s3.layer.accounts.end_temporary_keys()
    gate.open()
    stored = await task
    assert await store.stat(NAME) == stored
    assert s3.layer.kinds().count("sts") >= 2
    await check_whole(store, s3)


async def test_a_token_that_is_refused_is_denied(
    open_s3: OpenS3, s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tell_of_web_identity(s3, monkeypatch)
    (tmp_path / "token").write_text("another")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    store = await open_s3(SHORT)
    for call in (partial(store.stat, NAME), store.check):
        with pytest.raises(StorageDenied):
            await call()


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
@pytest.mark.parametrize("size", [4, SIZE])
async def test_a_store_without_conditions_still_refuses_what_is_seen_beforehand(
    store: S3Bucket, s3: S3, conditions: str, size: int
) -> None:
    s3.layer.rules.conditions = conditions  # type: ignore[assignment]
    first = await put(store, DATA[:size])
    with pytest.raises(PreconditionFailed):
        await put(store, b"second")
    second = await put(store, DATA[1 : size + 1], version=first.version)
    with pytest.raises(PreconditionFailed):
        await store.delete(NAME, first.version)
    await store.delete(NAME, second.version)
    await check_nothing(store, s3)


async def test_a_store_without_conditions_is_looked_at_when_a_small_file_has_grown(
    store: S3Bucket, open_s3: OpenS3, s3: S3
) -> None:
    s3.layer.rules.conditions = "ignored"
    other, growing = await open_s3(), GrowingFile()
    what = Upload(NAME, "video/mp4")
    task = asyncio.create_task(store.upload(what, io.BytesIO(b"film"), 4, lambda _: None, growing))
    await until(lambda: "list" in s3.layer.kinds())  # after the first look, which has found nothing
    stored = await put(other, b"other")
    growing.mark_complete()
    with pytest.raises(PreconditionFailed):
        await task
    assert await store.read(NAME, 10) == (stored, b"other")


@pytest.mark.parametrize("conditions", ["kept", "ignored", "refused"])
async def test_conditions_that_are_missing_are_told_once_at_the_start(
    store: S3Bucket, s3: S3, conditions: str, caplog: pytest.LogCaptureFixture
) -> None:
    s3.layer.rules.conditions = conditions  # type: ignore[assignment]
    for _ in range(2):
        await store.check(writing=True)
    told = [message for message in caplog.messages if "lacks condition" in message]
    assert len(told) == (0 if conditions == "kept" else 1)
    await check_nothing(store, s3)


@pytest.mark.parametrize("kind", ["begin", "part", "complete"])
async def test_cancelled_it_leaves_nothing(store: S3Bucket, s3: S3, kind: str) -> None:
    gate = s3.layer.faults.hold(kind)
    task = asyncio.create_task(put(store, DATA))
    assert await asyncio.to_thread(gate.reached.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 30)
    gate.open()
    await until(lambda: not s3.uploads())
    if kind != "complete":  # whose object may stay: it was on its way
        await check_nothing(store, s3)
