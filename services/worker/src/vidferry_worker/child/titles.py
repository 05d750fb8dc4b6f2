"""Chooses a video's title: from its page, the file name that a server sends, or the URL.

Pure functions over text. A name that could be any video's ("index", "master", "download") is the last choice.
"""

import re
from contextlib import suppress
from email.header import decode_header, make_header
from itertools import chain
from urllib.parse import parse_qsl, unquote, urlsplit

from vidferry_worker.children.media_types import EXTENSIONS

MAX_TITLE = 500
"""characters"""

_ENDINGS = (
    "mp4|m4v|mov|qt|webm|mkv|mka|avi|flv|f4v|wmv|asf|wma|mpg|mpeg|ts|m2ts|mts|ogv|ogg|oga|opus|3gp|3g2|mp3|m4a|m4b|aac|ac3"
    "|flac|wav|aif|aiff|caf|mxf|m3u8|m3u|mpd|ism|isml|smil|f4m|urlset|csmil|xspf|pls"
)
_ENDING = re.compile(rf"\.(?:{_ENDINGS})$", re.IGNORECASE)
_OF_FILE = re.compile(rf"\.(?:{_ENDINGS}|{'|'.join(sorted(EXTENSIONS))})$", re.IGNORECASE)
"""rare extensions too: in a file name, `.au` is not a country"""
_SCRIPT = re.compile(r"\.(?:php\d?|aspx?|ashx|jspx?|do|cgi|pl|cfm|html?|xhtml|shtml|json|xml|rss|atom)$", re.IGNORECASE)
_WORDS = (
    "index|list|master|playlist|manifest|chunklist|prog_index|media|medias|stream|streaming|video|videos|audio|main|hls|dash|vod"
    "|download|downloads|file|files|output|out|source|default|play|player|watch|view|get|getfile|fetch|embed|content"
    "|videoplayback|attachment|unknown|undefined|null|none|untitled"
)
_MEANINGLESS = re.compile(rf"(?:{_WORDS}|home|homepage|(?:untitled|new) document)", re.IGNORECASE)
_NUMBERED = re.compile(
    rf"(?:{_WORDS})(?:[-_. ]?[a-z]{{0,2}}\d{{1,9}}[a-z]?){{0,6}}(?:\(format=[^)]{{0,40}}\))?", re.IGNORECASE
)
"""a path segment such as `index-v1-a1`, `chunklist_b1200000`, `Manifest(format=m3u8-aapl)`"""
_SIZE = re.compile(
    r"(?:v|video)?\d{3,4}[pi]?|\d{3,4}x\d{3,4}|[48]k|[fu]?hd|sd|low|high|medium|auto|v\d{1,2}", re.IGNORECASE
)
_NAMES = frozenset({"title", "name", "filename", "file_name"})
"""query parameters that contain a name"""

_DISPOSITION = re.compile(r""";\s*(filename\*?)\s*=\s*("(?:[^"\\]|\\.){0,1000}"|[^;"\s][^;]{0,1000})""", re.IGNORECASE)


def is_meaningless(name: str) -> bool:
    """Whether any video could have this name."""
    return not name.strip() or _MEANINGLESS.fullmatch(name.strip()) is not None


def choose_title(*names: str) -> str:
    """The first meaningful name, else the first that isn't empty; in one line and truncated."""
    tidied = [" ".join(name.split())[:MAX_TITLE] for name in names]
    return next(chain((name for name in tidied if not is_meaningless(name)), filter(None, tidied)), "")


def title_from_url(url: str) -> str:
    """The last path segment; where that is meaningless, a name in the query, or the nearest meaningful folder.

    The folder of a playlist often has the film's name: `/My-Film/720p/index.m3u8`, `/vod/My-Film.mp4/playlist.m3u8`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    last, *above = [strip_extension(unquote(part)) for part in reversed(parts.path.split("/")) if part] or [""]
    names = [last, *_names_in_query(parts.query), *(name for name in above if not _SIZE.fullmatch(name))]
    return choose_title(*(name for name in names if not _NUMBERED.fullmatch(name)), last)


def host_from_url(url: str) -> str:
    """The host without `www.`, as the last resort; empty where there is none."""
    with suppress(ValueError):
        return (urlsplit(url).hostname or "").removeprefix("www.")
    return ""


def _names_in_query(query: str) -> list[str]:
    """The names in a query: media files, and the values of parameters such as `title`."""
    try:
        pairs = parse_qsl(query[:4000], max_num_fields=50)
    except ValueError:
        return []
    values = [(key, value.rstrip("/").rpartition("/")[2]) for key, value in pairs]
    return [
        strip_extension(value) for key, value in values if _ENDING.search(value) or (key.lower() in _NAMES and value)
    ]


def strip_extension(name: str) -> str:
    """A file name without the extensions of media and scripts, and without what streaming servers add."""
    name = re.sub(r"^(?:smil|mp4|flv|mp3|amlst|ngrp):", "", name.strip())
    if name.endswith((".urlset", ".csmil")) and "," in name[1:]:
        name = name[: name.index(",", 1)]
    name = _ENDING.sub("", _OF_FILE.sub("", name))
    return _SCRIPT.sub("", name).strip()


def title_from_disposition(header: str) -> str:
    """The file name in a Content-Disposition, without its extension; empty where there is none."""
    return strip_extension(file_name_from_disposition(header))


def file_name_from_disposition(header: str) -> str:
    """The file name in a Content-Disposition (RFC 6266), without folders; empty where there is none."""
    named = {key.lower(): value for key, value in reversed(_DISPOSITION.findall(header[:4000]))}
    name = _decode_extended(named.get("filename*", "")) or _decode_quoted(named.get("filename", ""))
    return re.split(r"[/\\]", name)[-1]


def _decode_extended(value: str) -> str:
    """RFC 8187 §3.2.1: charset'language'percent-encoded."""
    charset, _, rest = value.strip().strip('"').partition("'")
    try:
        return unquote(rest.partition("'")[2], encoding=charset or "utf-8")
    except LookupError:
        return ""


def _decode_quoted(value: str) -> str:
    """A token or a quoted string, also with encodings that servers should not use there: UTF-8, %20, RFC 2047."""
    value = value.strip()
    if value.startswith('"'):
        value = re.sub(r"\\([\"\\])", r"\1", value[1:-1])
    with suppress(UnicodeError):
        value = value.encode("latin-1").decode()
    if "=?" in value:
        try:
            value = str(make_header(decode_header(value)))
        except (LookupError, ValueError):
            return ""
    return unquote(value) if re.search("%[0-9A-Fa-f]{2}", value) else value
