"""Describes the video that was found to the worker: its identity, title, duration and chosen streams."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import Any

from vidferry_common.contract.result import MAX_OTHER_URLS
from vidferry_worker.child import titles
from vidferry_worker.child.format_selection import short_side
from vidferry_worker.child.identity import identify_video
from vidferry_worker.child.lists.listed_video import ListedVideo
from vidferry_worker.child.site_downloader import SiteDownloader
from vidferry_worker.children.protocol import (
    MAX_PAGE_URL,
    FoundIdentity,
    FoundStream,
    VideoFound,
    number_or_none,
)

MAX_URLS_LENGTH = 10_000
"""characters of the other videos' URLs"""

AUDIO_BIT_RATE, BIT_RATE_PER_LINE, USUAL_LINES = 128.0, 3.0, 720
"""kbit/s"""


def describe_found(
    info: dict[str, Any], streams: Sequence[dict[str, Any]], ydl: SiteDownloader, url: str
) -> VideoFound:
    """The `found` event of a video; url is the one that the caller sent."""
    others = list({video.key or number: video for number, video in enumerate(ydl.other_videos)}.values())
    return VideoFound(
        FoundIdentity(**asdict(identify_video(info, ydl.trail))),
        title_of_video(info),
        number_or_none(info.get("duration")),
        str(info.get("webpage_url") or url)[:2000],
        [
            FoundStream(
                number_or_none(stream.get("tbr") or _usual_bit_rate(stream)),
                number_or_none(stream.get("filesize") or stream.get("filesize_approx")),
            )
            for stream in streams
        ],
        1 + len(others),
        _choose_urls(others),
        is_title_from_url(info),
    )


def _choose_urls(videos: Iterable[ListedVideo]) -> list[str]:
    """URLs of the first videos that have one, as many as fit into a message."""
    urls = [video.key for video in videos if video.key.isascii() and 0 < len(video.key) <= MAX_PAGE_URL]
    lengths = accumulate(map(len, urls[:MAX_OTHER_URLS]))
    return [url for url, length in zip(urls, lengths, strict=False) if length <= MAX_URLS_LENGTH]


def _usual_bit_rate(stream: dict[str, Any]) -> float:
    """A rough bit rate for a stream without one: progress weighs the video and the audio of a download by it."""
    if stream.get("vcodec") == "none":
        return AUDIO_BIT_RATE
    return BIT_RATE_PER_LINE * (short_side(stream) or USUAL_LINES)


def title_of_video(info: Mapping[str, Any]) -> str:
    """The extractor's title; where that is meaningless, one from the requested URL."""
    title, url = str(info.get("title") or "")[: titles.MAX_TITLE], str(info.get("original_url") or "")
    return titles.choose_title(title, titles.title_from_url(url)) if titles.is_meaningless(title) else title


def is_title_from_url(info: Mapping[str, Any]) -> bool:
    """Whether the title says no more than the URL: that of a file without a page, or of a page without a title."""
    urls = [str(info.get(name) or "") for name in ("original_url", "webpage_url")]
    return title_of_video(info) in {name(url) for name in (titles.title_from_url, titles.host_from_url) for url in urls}
