"""What an object will be, by what was found and what its child tells of the file."""

from pathlib import Path

import pytest

from support.records import Records
from unit.common.store.conftest import records, shared_server
from unit.worker.children.test_extraction import KNOWN, found
from vidferry_common.bucket import NEW, Upload
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import Evidence, FileDescription, VideoFound
from vidferry_worker.upload.plan import UploadPlan

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio
FILE = FileDescription("media.mp4", "mov", "isom", ["h264"], video=True, duration=None)


async def planned(records: Records, folder: Path, told: VideoFound, origin: Evidence) -> Upload:
    _, claim = await records.claimed()
    path = folder / "media.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom")
    with path.open("rb") as source:
        return UploadPlan("videos/a", Extraction.from_event(told, KNOWN), claim, NEW).describe_upload(
            source, FILE, origin
        )


async def test_the_object_tells_what_it_is(records: Records, tmp_path: Path) -> None:
    upload = await planned(records, tmp_path, found(), [{"url": "a", "etag": '"1"'}])

    assert (upload.content_type, upload.filename) == ("video/mp4", "A title.mp4")
    assert {**upload.metadata, "download": "d-1"} == {
        "title": "A title",
        "source": "https://example.com/a",
        "site": "example.com",
        "download": "d-1",
        "duration": "6.0",
        "origin": '[{"url":"a","etag":"\\"1\\""}]',
    }


async def test_what_is_not_known_is_left_out(records: Records, tmp_path: Path) -> None:
    upload = await planned(records, tmp_path, found(duration=None), None)

    assert upload.metadata.keys() == {"title", "source", "site", "download"}
