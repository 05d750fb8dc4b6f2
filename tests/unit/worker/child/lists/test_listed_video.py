from typing import Any

import pytest
from yt_dlp.utils import smuggle_url

from vidferry_worker.child.lists.listed_video import ListedVideo, find_url, read_video

LIST = "https://example.org/lists/7"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"_type": "url", "url": "https://example.org/watch/1"}, "https://example.org/watch/1"),
        ({"_type": "url", "url": "/watch/1"}, "https://example.org/watch/1"),
        ({"_type": "url", "url": "1?x=2"}, "https://example.org/lists/1?x=2"),
        ({"_type": "url", "url": "//cdn.example/1"}, "https://cdn.example/1"),
        ({"_type": "url", "url": "kaltura:1:2", "webpage_url": "https://example.org/1"}, "https://example.org/1"),
        ({"_type": "url", "url": "kaltura:1:2"}, "kaltura:1:2"),
        ({"_type": "url_transparent", "url": "/watch/1", "webpage_url": LIST}, "https://example.org/watch/1"),
        ({"webpage_url": "https://example.org/1", "url": "https://cdn.example/1.mp4"}, "https://example.org/1"),
        ({"webpage_url": LIST, "url": "https://cdn.example/1.mp4"}, "https://cdn.example/1.mp4"),
        ({"formats": [{"url": "https://cdn.example/1.mp4"}]}, "https://cdn.example/1.mp4"),
        ({"formats": [{"url": "https://c.example/1/v.m3u8", "manifest_url": "https://c.example/1.m3u8"}]},
         "https://c.example/1.m3u8"),
        ({"_type": "url", "url": ""}, ""),
        ({"_type": "url", "url": None}, ""),
        ({"_type": "url", "url": "https://[x/"}, ""),
        ({"_type": "url", "url": LIST}, ""),
        ({"formats": "x"}, ""),
        ({}, ""),
    ],
    ids=str,
)  # fmt: skip
def test_the_url_by_which_a_video_is_found_again(entry: dict[str, Any], expected: str) -> None:
    assert find_url(entry, LIST) == expected


def test_what_extractors_pass_on_in_a_url_is_no_part_of_it() -> None:
    url = smuggle_url("https://example.org/1", {"referer": LIST})

    assert find_url({"_type": "url", "url": url}, LIST) == "https://example.org/1"


def test_what_a_list_says_is_bounded() -> None:
    entry = {"_type": "url", "url": "/" + "x" * 9000, "title": "a\n b" + "c" * 900, "duration": -1, "timestamp": "soon"}
    video = read_video(entry, LIST)

    assert (len(video.url), len(video.title), video.title[:4], video.duration, video.timestamp) == (
        4096, 500, "a bc", None, None,
    )  # fmt: skip


def test_a_day_is_a_time() -> None:
    assert read_video({"upload_date": "19700102"}, LIST).timestamp == 86400


def test_what_is_no_url_of_ours_is_its_own_key() -> None:
    assert [ListedVideo(url).key for url in ("", "ftp://a/b", "HTTPS://A/b#c")] == ["", "ftp://a/b", "https://a/b"]
