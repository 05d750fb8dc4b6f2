"""What an object will be, by what was found and what its child tells of the file."""

from pathlib import Path
from typing import Any

import pytest

from store.conftest import records, shared_server
from store.records import Records
from vidferry_common.bucket import NEW, Upload
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.upload.plan import UploadPlan
from worker.test_extraction import EVENT, KNOWN, event

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio
DONE = {
    "event": "done", "file": "media.mp4", "container": "mov", "brand": "isom", "codecs": ["h264"], "duration": None,
    "video": True, "evidence": [{"url": "a", "etag": '"1"'}],
}  # fmt: skip


async def planned(records: Records, folder: Path, found: dict[str, Any], told: dict[str, Any]) -> Upload:
    _, claim = await records.claimed()
    path = folder / "media.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom")
    with path.open("rb") as source:
        return UploadPlan("videos/a", Extraction.read(found, KNOWN), claim, NEW).of(source, told)


async def test_the_object_tells_what_it_is(records: Records, tmp_path: Path) -> None:
    upload = await planned(records, tmp_path, EVENT, DONE)

    assert (upload.content_type, upload.filename) == ("video/mp4", "A title.mp4")
    assert {**upload.metadata, "download": "d-1"} == {
        "title": "A title",
        "source": "https://example.com/a",
        "download": "d-1",
        "duration": "6.0",
        "origin": '[{"url":"a","etag":"\\"1\\""}]',
    }


async def test_what_is_not_known_is_left_out(records: Records, tmp_path: Path) -> None:
    upload = await planned(records, tmp_path, event(duration=None), {**DONE, "evidence": None})

    assert upload.metadata.keys() == {"title", "source", "download"}
