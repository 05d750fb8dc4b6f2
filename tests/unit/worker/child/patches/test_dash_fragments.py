"""Which of a manifest's fragments are fetched, and what came for one."""

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.downloader.dash import DashSegmentsFD

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.patches import dash_fragments
from vidferry_worker.child.patches.dash_fragments import check_size


def test_fragments_that_are_made_while_they_are_fetched_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of live streams, and of extractors that list them by themselves."""
    for name in ("_get_fragments", "download_and_append_fragments"):
        monkeypatch.setattr(DashSegmentsFD, name, getattr(DashSegmentsFD, name))
    dash_fragments.install()
    downloader = DashSegmentsFD(YoutubeDL({"quiet": True}), {})
    listed = [{"url": "https://site.example/1"}, {"url": "https://site.example/2"}]
    for fragments in (listed, lambda _: iter(listed)):
        named = downloader._get_fragments({"fragments": fragments}, {"fragment_index": 0}, None)

        assert [each["url"] for each in named] == [each["url"] for each in listed]


def test_bytes_that_are_not_those_asked_for_are_no_fragment() -> None:
    asked = {"byte_range": {"start": 4, "end": 10}}
    check_size(b"6bytes", asked)
    check_size(b"any", {})
    with pytest.raises(JobFailure) as failure:
        check_size(b"all of the file", asked)
    assert failure.value.code is ErrorCode.UNSUPPORTED_STREAM
