"""A video as a list names it: its URL, and what the list tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from yt_dlp.utils import unsmuggle_url

from vidferry_common.urls import canonical_url
from vidferry_worker.children.protocol import MAX_LONG_URL, MAX_TITLE, number_or_none

_WEB = frozenset({"http", "https"})
_REFERENCES = frozenset({"url", "url_transparent"})


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A video of a list."""

    url: str
    """absolute, as far as the list allows; empty where only the list itself leads to the video"""
    title: str = ""
    duration: float | None = None
    """seconds"""
    timestamp: float | None = None
    """when it was published, in seconds since 1970"""

    @property
    def key(self) -> str:
        """What two entries of the same video have in common; empty where an entry has no URL."""
        try:
            return canonical_url(self.url)
        except ValueError:
            return self.url


def read_video(entry: Mapping[str, Any], base: str) -> ListedVideo:
    """The video of a list's entry, in yt-dlp's form. base: the list's URL."""
    return ListedVideo(
        find_url(entry, base)[:MAX_LONG_URL],
        " ".join(str(entry.get("title") or "").split())[:MAX_TITLE],
        number_or_none(entry.get("duration")),
        number_or_none(entry.get("timestamp") or entry.get("release_timestamp")) or _day(entry.get("upload_date")),
    )


def is_reference(entry: Mapping[str, Any]) -> bool:
    """Whether the entry is a URL that is yet to be extracted."""
    return entry.get("_type") in _REFERENCES


def find_url(entry: Mapping[str, Any], base: str) -> str:
    """The URL by which the entry's video is found again; empty where there is none.

    A reference has its page's, an extracted video that of its own page, or of its file.
    """
    named = [entry.get("url"), entry.get("webpage_url")]
    if not is_reference(entry):
        named = [*reversed(named), *_stream_urls(entry)]
    absolute = [url for each in named if (url := _resolve(base, each))]
    own = [url for url in absolute if url.partition("#")[0] != base.partition("#")[0]]
    on_web = [url for url in own if urlsplit(url).scheme in _WEB]
    return next(iter([*on_web, *own]), "")


def _stream_urls(entry: Mapping[str, Any]) -> list[Any]:
    formats = entry.get("formats")
    first = formats[0] if isinstance(formats, list) and formats and isinstance(formats[0], dict) else {}
    return [first.get("manifest_url"), first.get("url")]


def _resolve(base: str, reference: Any) -> str:
    """The absolute URL, without what extractors pass on in it; empty where it is none."""
    if not isinstance(reference, str) or not reference.strip():
        return ""
    try:
        url = str(urljoin(base, unsmuggle_url(reference.strip(), {})[0]))
        urlsplit(url)
    except ValueError:
        return ""
    return url


def _day(text: Any) -> float | None:
    """The time at which a day such as 20260131 begins."""
    try:
        return datetime.strptime(str(text), "%Y%m%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
