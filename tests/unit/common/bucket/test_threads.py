"""What an observer of the calls to a bucket is told, of both homes."""

import asyncio
import io
from pathlib import Path

import pytest

from vidferry_common.bucket import Bucket, BucketError, FolderBucket, ObjectNotFound, StorageDenied, Upload
from vidferry_common.bucket.errors import StorageUnavailable, find_error_kind
from vidferry_common.metrics.catalogue import BUCKET_ERROR_KINDS, BUCKET_OPERATIONS

pytestmark = pytest.mark.anyio
NAME = "videos/a/b/c/d"


async def test_each_call_is_observed(bucket: Bucket) -> None:
    calls: list[tuple[str, float, str]] = []
    bucket.observe_calls(lambda *call: calls.append(call))
    stored = await bucket.upload(Upload(NAME, "video/mp4"), io.BytesIO(b"12345"), 5, lambda _: None)
    await bucket.stat(NAME)
    await bucket.read(NAME, 10)
    await bucket.check(writing=True)
    _ = [page async for page in bucket.list_objects("videos")]
    stored = await bucket.update_metadata(stored, {"a": "b"})
    await bucket.delete(NAME, stored.version)
    with pytest.raises(ObjectNotFound):
        await bucket.delete(NAME, stored.version)
    assert {operation for operation, _, _ in calls} == set(BUCKET_OPERATIONS) - {"sign"}
    assert all(0 <= seconds < 60 for _, seconds, _ in calls)
    assert {error for _, _, error in calls} == {""}


async def test_an_error_is_told(folder: FolderBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []
    folder.observe_calls(lambda operation, _, error: calls.append((operation, error)))

    def refuse(_name: str) -> None:
        raise StorageDenied("no")

    monkeypatch.setattr(folder, "_stat", refuse)
    with pytest.raises(StorageDenied):
        await folder.stat(NAME)
    assert calls == [("stat", "denied")]


async def test_a_cancelled_upload_is_no_error(folder: FolderBucket, tmp_path: Path) -> None:
    calls: list[str] = []
    folder.observe_calls(lambda operation, _, __: calls.append(operation))
    (tmp_path / "file").write_bytes(b"x" * 2**20)
    with (tmp_path / "file").open("rb") as file:
        upload = asyncio.ensure_future(folder.upload(Upload(NAME, "video/mp4"), file, 2**20, lambda _: None))
        await asyncio.sleep(0)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
    assert calls == []


def test_kinds_of_errors() -> None:
    errors = (StorageDenied(), StorageUnavailable(), BucketError())
    assert tuple(map(find_error_kind, errors)) == BUCKET_ERROR_KINDS
    assert find_error_kind(ObjectNotFound()) == ""
