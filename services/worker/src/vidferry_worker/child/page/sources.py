"""A media source of a page, and the yt-dlp formats that it offers."""
# ruff: noqa: SLF001 - an extractor's methods are yt-dlp's own, and what it offers

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from yt_dlp.networking.exceptions import RequestError
from yt_dlp.utils import KNOWN_EXTENSIONS, ExtractorError, mimetype2ext, parse_codecs, parse_resolution

from vidferry_worker.child.page.context import Page

MAX_TYPE_REQUESTS = 4
"""requests to find out the type of sources, for each page"""
FAILURES = (ExtractorError, RequestError, UnicodeError)
"""yt-dlp's exceptions for a URL that is invalid or can't be fetched"""
_HEIGHTS = frozenset({144, 240, 270, 360, 432, 480, 540, 576, 720, 1080, 1440, 2160, 4320})
_MANIFEST_EXTENSIONS = {"m3u8": "m3u8", "mpd": "mpd"}
_MOST_PIXELS = 20_000
_HEIGHT_WORDS = (("uhd", 2160), ("2k", 1440), ("fhd", 1080), ("full hd", 1080), ("hd", 720), ("sd", 480))
"""how labels name heights"""


@dataclass(frozen=True, slots=True)
class MediaSource:
    """A media URL in a page, with what the page says about it."""

    url: str
    media_type: str = ""
    """with or without codecs"""
    width: int | None = None
    height: int | None = None
    label: str | None = None
    is_audio: bool = False
    rank: int = 0
    """of sources that are otherwise equal, the lowest is best"""

    @property
    def ending(self) -> str:
        """The extension of the path in lower case; empty where it is not one of media."""
        ending = unquote(urlsplit(self.url).path).rstrip("/").rpartition(".")[2].lower()
        return ending if ending in KNOWN_EXTENSIONS else ""

    @property
    def extension(self) -> str:
        """The extension of a manifest's path, else by media type, else the path's; empty where unknown."""
        by_type = mimetype2ext(self.media_type, default=None) if self.media_type else None
        return _MANIFEST_EXTENSIONS.get(self.ending) or (by_type if by_type in KNOWN_EXTENSIONS else "") or self.ending


def read_size(attributes: Mapping[str, str]) -> tuple[int | None, int | None]:
    """The width and height of a source element: HTML has no attributes for them, so each player has its own."""
    width, height = (_parse_pixels(attributes.get(name)) for name in ("width", "height"))
    for name in (
        "res",
        "data-res",
        "size",
        "data-size",
        "quality",
        "data-quality",
        "label",
        "data-label",
        "title",
        "data-title",
    ):
        if height:
            break
        text = attributes.get(name, "")
        found = (
            {"height": _parse_pixels(text)} if text.isdecimal() else parse_resolution(text[:100]) or _named_size(text)
        )
        width, height = width or found.get("width"), found.get("height")
    return width, height


def _named_size(label: str) -> dict[str, int]:
    words = re.sub(r"\W+", " ", label[:100].lower())
    return next(({"height": lines} for word, lines in _HEIGHT_WORDS if re.search(rf"\b{word}\b", words)), {})


def height_in_name(url: str) -> int | None:
    """The height in a file name: `clip-720p.mp4`, `clip_1080.mp4`, `360.mp4`."""
    name = unquote(urlsplit(url).path).rpartition("/")[2].partition(".")[0]
    marked = re.search(r"(?<![A-Za-z0-9])(\d{3,4})[pP](?![A-Za-z0-9])", name)
    plain = re.search(r"(?:^|[-_])(\d{3,4})$", name)
    found = int((marked or plain or ["", "0"])[1])
    return found if found in _HEIGHTS else None


def _parse_pixels(value: str | None) -> int | None:
    digits = re.fullmatch(r"\s*(\d{1,5})(?:px)?\s*", value or "")
    return int(digits[1]) if digits and 0 < int(digits[1]) <= _MOST_PIXELS else None


class FormatCollector:
    """Collects the formats of one video from its sources."""

    def __init__(self, extractor: Any, video_id: str, page: Page) -> None:
        self._extractor, self._video_id, self._page = extractor, video_id, page
        self._asked = 0
        self.formats: list[dict[str, Any]] = []
        self.page_urls: list[str] = []
        """URLs of sources that turned out to be pages"""

    def add_source(self, source: MediaSource) -> None:
        extension, media_type = source.extension, source.media_type
        if not extension and self._asked < MAX_TYPE_REQUESTS:
            self._asked += 1
            extension, media_type = self._request_type(source)
        match extension:
            case "html":
                self.page_urls.append(source.url)
            case "m3u8" | "mpd":
                self._add_manifest(source, extension)
            case _:
                self.formats.append(_single_file_format(source, extension, media_type))

    def _add_manifest(self, source: MediaSource, extension: str) -> None:
        extractor = self._extractor
        try:
            if extension == "m3u8":
                found, _ = extractor._extract_m3u8_formats_and_subtitles(
                    source.url, self._video_id, "mp4", m3u8_id="hls"
                )
            else:
                found, _ = extractor._extract_mpd_formats_and_subtitles(source.url, self._video_id, mpd_id="dash")
            self.formats += found
        except FAILURES as error:
            self._page.errors.append(error)

    def _request_type(self, source: MediaSource) -> tuple[str, str]:
        """Requests a source to find out its extension and media type."""
        try:
            response = self._extractor._request_webpage(
                source.url, self._video_id, "Asking for the type", headers={"Accept-Encoding": "identity"}
            )
        except FAILURES as error:
            self._page.errors.append(error)
            return "", ""  # the download will fail with a better error
        with response:
            content_type = str(response.headers.get("Content-Type") or "")
            return extension_of_response(content_type, response.read(512)), content_type


def extension_of_response(content_type: str, start: bytes) -> str:
    """The extension for a response, by its first bytes or its Content-Type; empty where unknown."""
    kind = content_type.partition(";")[0].strip().lower()
    if start.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        return "m3u8"
    if b"<MPD" in start:
        return "mpd"
    if kind in {"text/html", "application/xhtml+xml"}:
        return "html"
    extension = mimetype2ext(kind, default=None)
    return extension if extension in KNOWN_EXTENSIONS else ""


def _single_file_format(source: MediaSource, extension: str, media_type: str) -> dict[str, Any]:
    codecs = re.search(r"""codecs\s*=\s*["']?([^"';]+)""", media_type)
    is_audio = source.is_audio or media_type.startswith("audio/")
    return {
        "url": source.url,
        "ext": extension or "unknown_video",
        "format_id": source.label,
        "width": source.width,
        "height": source.height,
        "source_preference": -source.rank,
        **(parse_codecs(codecs[1]) if codecs else {}),
        **({"vcodec": "none"} if is_audio else {}),
    }
