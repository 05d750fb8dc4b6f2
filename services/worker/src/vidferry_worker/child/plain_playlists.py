"""Plain playlists: M3U without HLS tags, and PLS."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from vidferry_worker.child.hls.tags import BYTE_ORDER_MARK, EXTM3U, split_lines

_HLS = re.compile(r"^[ \t]*#EXT-X-", re.MULTILINE)
_QUOTED = re.compile(r'"[^"]*"')
_NOT_A_PLAYLIST = re.compile(r"[\x00-\x08\x0e-\x1f]|\A\s*<")
_INVALID_IN_URL = re.compile(r"[\t<>\\{}\"`]")
_PLS_ENTRY = re.compile(r"(file|title)(\d{1,9})\s*=\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """An entry of a playlist."""

    url: str
    title: str = ""


def is_pls(text: str) -> bool:
    """Whether a text with this beginning is PLS."""
    return text.lstrip("\ufeff \t\r\n").lower().startswith("[playlist]")


def is_hls(text: str) -> bool:
    """Whether a text with this beginning has a tag that only HLS has: `#EXTM3U` and `#EXTINF` are M3U's too."""
    return bool(_HLS.search(text))


def decode_text(content: bytes) -> str:
    """Decodes a playlist, or the beginning of one: as UTF-8, else as Windows-1252, M3U's encoding before that."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content)  # the last character may be cut
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def find_first_entry(text: str, base: str) -> Entry | None:
    """The first entry with a usable URL; None where there is none, or the text is not a plain playlist."""
    return next(iterate_entries(text, base), None)


def iterate_entries(text: str, base: str) -> Iterator[Entry]:
    """The entries with a usable URL; none where the text is not a plain playlist."""
    if is_hls(text) or _NOT_A_PLAYLIST.search(text):
        return
    is_marked = text.lstrip(BYTE_ORDER_MARK).lstrip().startswith(EXTM3U) or is_pls(text)
    for link in _read_pls(text) if is_pls(text) else _read_m3u(text):
        entry = link.url.partition("|")[0]  # what follows is request headers, for some players
        if (is_marked or ("/" in entry and " " not in entry)) and (url := _resolve_entry(base, entry)):
            yield Entry(url, link.title)


def _resolve_entry(base: str, entry: str) -> str:
    """The entry's URL; empty where it is a local path, or markup."""
    try:
        url = urljoin(base, entry.replace(" ", "%20"))
        is_usable = urlsplit(url).scheme in {"http", "https"} and not _INVALID_IN_URL.search(entry)
    except ValueError:
        return ""
    return url if is_usable else ""


def _read_m3u(text: str) -> list[Entry]:
    links, title = [], ""
    for line in split_lines(text):
        if line.startswith("#EXTINF:"):
            title = _QUOTED.sub("", line).partition(",")[2].strip()
        elif not line.startswith("#"):
            links.append(Entry(line, title))
            title = ""
    return links


def _read_pls(text: str) -> list[Entry]:
    entries: dict[str, dict[int, str]] = {"file": {}, "title": {}}
    for line in split_lines(text):
        if found := _PLS_ENTRY.fullmatch(line):
            entries[found[1].lower()][int(found[2])] = found[3].strip()
    return [Entry(entries["file"][at], entries["title"].get(at, "")) for at in sorted(entries["file"])]
