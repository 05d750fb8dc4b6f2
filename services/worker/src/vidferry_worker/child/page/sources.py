"""One address of media in a page, and the formats of yt-dlp that are there."""
# ruff: noqa: SLF001 - an extractor's methods are yt-dlp's own, and what it offers

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from yt_dlp.networking.exceptions import RequestError
from yt_dlp.utils import KNOWN_EXTENSIONS, ExtractorError, mimetype2ext, parse_codecs, parse_resolution

from vidferry_worker.child.page.context import Page

MOST_ASKED = 4
"""addresses of a page whose kind is asked for, as nothing in the page tells it"""
FAILURES = (ExtractorError, RequestError, UnicodeError)
"""what yt-dlp raises where an address can't be had, or is none"""
_LINES = frozenset({144, 240, 270, 360, 432, 480, 540, 576, 720, 1080, 1440, 2160, 4320})
_LISTS = {"m3u8": "m3u8", "mpd": "mpd"}
_MOST_PIXELS = 20_000
_WORDS = (("uhd", 2160), ("2k", 1440), ("fhd", 1080), ("full hd", 1080), ("hd", 720), ("sd", 480))
"""by which labels name lines"""


@dataclass(frozen=True, slots=True)
class Source:
    address: str
    media_type: str = ""
    """as it is told, with codecs or without"""
    width: int | None = None
    height: int | None = None
    label: str | None = None
    is_audio: bool = False
    rank: int = 0
    """among those that are otherwise alike, the lowest is best"""

    @property
    def ending(self) -> str:
        """That of its path, in lower case; empty where it is none of media's."""
        ending = unquote(urlsplit(self.address).path).rstrip("/").rpartition(".")[2].lower()
        return ending if ending in KNOWN_EXTENSIONS else ""

    @property
    def extension(self) -> str:
        """By its ending where that is a list's, else by its type, else by its ending; empty where neither tells."""
        told = mimetype2ext(self.media_type, default=None) if self.media_type else None
        return _LISTS.get(self.ending) or (told if told in KNOWN_EXTENSIONS else "") or self.ending


def size_of(attributes: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Width and height, as the attributes of a source element tell them: HTML knows none, each player has its own."""
    width, height = (_number(attributes.get(name)) for name in ("width", "height"))
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
        told = attributes.get(name, "")
        found = {"height": _number(told)} if told.isdecimal() else parse_resolution(told[:100]) or _named_size(told)
        width, height = width or found.get("width"), found.get("height")
    return width, height


def _named_size(label: str) -> dict[str, int]:
    words = re.sub(r"\W+", " ", label[:100].lower())
    return next(({"height": lines} for word, lines in _WORDS if re.search(rf"\b{word}\b", words)), {})


def lines_in(address: str) -> int | None:
    """The lines that a file's name tells: `clip-720p.mp4`, `clip_1080.mp4`, `360.mp4`."""
    name = unquote(urlsplit(address).path).rpartition("/")[2].partition(".")[0]
    marked = re.search(r"(?<![A-Za-z0-9])(\d{3,4})[pP](?![A-Za-z0-9])", name)
    plain = re.search(r"(?:^|[-_])(\d{3,4})$", name)
    found = int((marked or plain or ["", "0"])[1])
    return found if found in _LINES else None


def _number(value: str | None) -> int | None:
    digits = re.fullmatch(r"\s*(\d{1,5})(?:px)?\s*", value or "")
    return int(digits[1]) if digits and 0 < int(digits[1]) <= _MOST_PIXELS else None


class Formats:
    """Gathers the formats of one video of a page from its sources."""

    def __init__(self, extractor: Any, video_id: str, page: Page) -> None:
        self._extractor, self._video_id, self._page = extractor, video_id, page
        self._asked = 0
        self.found: list[dict[str, Any]] = []
        self.pages: list[str] = []
        """addresses at which there is a page instead"""

    def add(self, source: Source) -> None:
        extension, media_type = source.extension, source.media_type
        if not extension and self._asked < MOST_ASKED:
            self._asked += 1
            extension, media_type = self._ask(source)
        match extension:
            case "html":
                self.pages.append(source.address)
            case "m3u8" | "mpd":
                self._add_list(source, extension)
            case _:
                self.found.append(_plain(source, extension, media_type))

    def _add_list(self, source: Source, extension: str) -> None:
        extractor = self._extractor
        try:
            if extension == "m3u8":
                found, _ = extractor._extract_m3u8_formats_and_subtitles(
                    source.address, self._video_id, "mp4", m3u8_id="hls"
                )
            else:
                found, _ = extractor._extract_mpd_formats_and_subtitles(source.address, self._video_id, mpd_id="dash")
            self.found += found
        except FAILURES as error:
            self._page.errors.append(error)

    def _ask(self, source: Source) -> tuple[str, str]:
        """What is there, by the server's Content-Type as a browser takes it: the extension, and the type."""
        try:
            response = self._extractor._request_webpage(
                source.address, self._video_id, "Asking for the type", headers={"Accept-Encoding": "identity"}
            )
        except FAILURES as error:
            self._page.errors.append(error)
            return "", ""  # its download will tell what is wrong with it
        with response:
            told = str(response.headers.get("Content-Type") or "")
            return kind_of(told, response.read(512)), told


def kind_of(content_type: str, start: bytes) -> str:
    """The extension that fits an answer's type, or its first bytes where the type says nothing; empty if unknown."""
    kind = content_type.partition(";")[0].strip().lower()
    if start.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        return "m3u8"
    if b"<MPD" in start:
        return "mpd"
    if kind in {"text/html", "application/xhtml+xml"}:
        return "html"
    extension = mimetype2ext(kind, default=None)
    return extension if extension in KNOWN_EXTENSIONS else ""


def _plain(source: Source, extension: str, media_type: str) -> dict[str, Any]:
    codecs = re.search(r"""codecs\s*=\s*["']?([^"';]+)""", media_type)
    is_audio = source.is_audio or media_type.startswith("audio/")
    return {
        "url": source.address,
        "ext": extension or "unknown_video",
        "format_id": source.label,
        "width": source.width,
        "height": source.height,
        "source_preference": -source.rank,
        **(parse_codecs(codecs[1]) if codecs else {}),
        **({"vcodec": "none"} if is_audio else {}),
    }
