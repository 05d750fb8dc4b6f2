"""Lists of links that are no HLS: M3U without its tags, and PLS. What is played is their first entry."""

import codecs
import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from vidferry_worker.child.hls.tags import BEGINNING, BYTE_ORDER_MARK, split_lines

_HLS = re.compile(r"^[ \t]*#EXT-X-", re.MULTILINE)
_QUOTED = re.compile(r'"[^"]*"')
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]|\A\s*<")
_NO_ADDRESS = re.compile(r"[\t<>\\{}\"`]")
_PLS_ENTRY = re.compile(r"(file|title)(\d{1,9})\s*=\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Link:
    """An entry."""

    address: str
    title: str = ""


def is_pls(text: str) -> bool:
    """Whether a text that begins so is PLS."""
    return text.lstrip("\ufeff \t\r\n").lower().startswith("[playlist]")


def is_hls(text: str) -> bool:
    """Whether a text that begins so has a tag of HLS. All of those but two, which M3U has as well, begin alike."""
    return bool(_HLS.search(text))


def decode(content: bytes) -> str:
    """The text of a list, or of its beginning: UTF-8, or as M3U was written before that."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content)  # the last character may be cut
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def first_link(text: str, base: str) -> Link | None:
    """The first entry that leads somewhere; None where there is none, or the text is another."""
    if is_hls(text) or _NO_TEXT.search(text):
        return None
    is_marked = text.lstrip(BYTE_ORDER_MARK).lstrip().startswith(BEGINNING) or is_pls(text)
    for link in _read_pls(text) if is_pls(text) else _read_m3u(text):
        entry = link.address.partition("|")[0]  # some players read headers behind it
        if (is_marked or ("/" in entry and " " not in entry)) and (address := _resolve(base, entry)):
            return Link(address, link.title)
    return None


def _resolve(base: str, entry: str) -> str:
    """Empty where that is no address but a path on somebody's computer, or markup."""
    try:
        address = urljoin(base, entry.replace(" ", "%20"))
        is_usable = urlsplit(address).scheme in {"http", "https"} and not _NO_ADDRESS.search(entry)
    except ValueError:
        return ""
    return address if is_usable else ""


def _read_m3u(text: str) -> list[Link]:
    links, title = [], ""
    for line in split_lines(text):
        if line.startswith("#EXTINF:"):
            title = _QUOTED.sub("", line).partition(",")[2].strip()
        elif not line.startswith("#"):
            links.append(Link(line, title))
            title = ""
    return links


def _read_pls(text: str) -> list[Link]:
    entries: dict[str, dict[int, str]] = {"file": {}, "title": {}}
    for line in split_lines(text):
        if found := _PLS_ENTRY.fullmatch(line):
            entries[found[1].lower()][int(found[2])] = found[3].strip()
    return [Link(entries["file"][at], entries["title"].get(at, "")) for at in sorted(entries["file"])]
