"""What a video is called, by what is known of it: its page, the name that a server gives the file, its address.

Pure functions over texts. A name that says nothing ("index", "master", "download") gives way to one that does.
"""

import re
from contextlib import suppress
from email.header import decode_header, make_header
from itertools import chain
from urllib.parse import parse_qsl, unquote, urlsplit

from vidferry_worker.children.media_types import EXTENSIONS

MOST = 500
"""characters"""

_ENDINGS = (
    "mp4|m4v|mov|qt|webm|mkv|mka|avi|flv|f4v|wmv|asf|wma|mpg|mpeg|ts|m2ts|mts|ogv|ogg|oga|opus|3gp|3g2|mp3|m4a|m4b|aac|ac3"
    "|flac|wav|aif|aiff|caf|mxf|m3u8|m3u|mpd|ism|isml|smil|f4m|urlset|csmil|xspf|pls"
)
_ENDING = re.compile(rf"\.(?:{_ENDINGS})$", re.IGNORECASE)
_OF_FILE = re.compile(rf"\.(?:{_ENDINGS}|{'|'.join(sorted(EXTENSIONS))})$", re.IGNORECASE)
"""rare ones too: where a file is expected, `.au` is no country"""
_SCRIPT = re.compile(r"\.(?:php\d?|aspx?|ashx|jspx?|do|cgi|pl|cfm|html?|xhtml|shtml|json|xml|rss|atom)$", re.IGNORECASE)
_WORDS = (
    "index|list|master|playlist|manifest|chunklist|prog_index|media|medias|stream|streaming|video|videos|audio|main|hls|dash|vod"
    "|download|downloads|file|files|output|out|source|default|play|player|watch|view|get|getfile|fetch|embed|content"
    "|videoplayback|attachment|unknown|undefined|null|none|untitled"
)
_SAYS_NOTHING = re.compile(rf"(?:{_WORDS}|home|homepage|(?:untitled|new) document)", re.IGNORECASE)
_NUMBERED = re.compile(
    rf"(?:{_WORDS})(?:[-_. ]?[a-z]{{0,2}}\d{{1,9}}[a-z]?){{0,6}}(?:\(format=[^)]{{0,40}}\))?", re.IGNORECASE
)
"""a part of a path: `index-v1-a1`, `chunklist_b1200000`, `Manifest(format=m3u8-aapl)`"""
_SIZE = re.compile(
    r"(?:v|video)?\d{3,4}[pi]?|\d{3,4}x\d{3,4}|[48]k|[fu]?hd|sd|low|high|medium|auto|v\d{1,2}", re.IGNORECASE
)
_NAMES = frozenset({"title", "name", "filename", "file_name"})
"""parameters of a query that hold a name"""

_DISPOSITION = re.compile(r""";\s*(filename\*?)\s*=\s*("(?:[^"\\]|\\.){0,1000}"|[^;"\s][^;]{0,1000})""", re.IGNORECASE)


def says_nothing(name: str) -> bool:
    """Whether a name is one that any video could have."""
    return not name.strip() or _SAYS_NOTHING.fullmatch(name.strip()) is not None


def choose(*names: str) -> str:
    """The first name that says something, else the first that is one; in one line, without what is too long."""
    tidied = [" ".join(name.split())[:MOST] for name in names]
    return next(chain((name for name in tidied if not says_nothing(name)), filter(None, tidied)), "")


def of_address(address: str) -> str:
    """By the path: its last part; where that says nothing, what the query names, or the nearest part above that does.

    Above a list of segments stands the film: `/My-Film/720p/index.m3u8`, `/vod/My-Film.mp4/playlist.m3u8`.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    last, *above = [stem(unquote(part)) for part in reversed(parts.path.split("/")) if part] or [""]
    names = [last, *_named_in(parts.query), *(name for name in above if not _SIZE.fullmatch(name))]
    return choose(*(name for name in names if not _NUMBERED.fullmatch(name)), last)


def host_of(address: str) -> str:
    """The last resort, empty where there is none."""
    with suppress(ValueError):
        return (urlsplit(address).hostname or "").removeprefix("www.")
    return ""


def _named_in(query: str) -> list[str]:
    """The names in a query: a file of media, or what its parameter calls a name."""
    try:
        pairs = parse_qsl(query[:4000], max_num_fields=50)
    except ValueError:
        return []
    values = [(key, value.rstrip("/").rpartition("/")[2]) for key, value in pairs]
    return [stem(value) for key, value in values if _ENDING.search(value) or (key.lower() in _NAMES and value)]


def stem(name: str) -> str:
    """A file's name without the endings of media and of scripts, and without what streaming servers put around it."""
    name = re.sub(r"^(?:smil|mp4|flv|mp3|amlst|ngrp):", "", name.strip())
    if name.endswith((".urlset", ".csmil")) and "," in name[1:]:
        name = name[: name.index(",", 1)]
    name = _ENDING.sub("", _OF_FILE.sub("", name))
    return _SCRIPT.sub("", name).strip()


def of_disposition(header: str) -> str:
    """What a Content-Disposition calls the file, without its ending; empty where it does not."""
    return stem(file_in_disposition(header))


def file_in_disposition(header: str) -> str:
    """The file's name in a Content-Disposition (RFC 6266), without folders; empty where it names none."""
    named = {key.lower(): value for key, value in reversed(_DISPOSITION.findall(header[:4000]))}
    name = _extended(named.get("filename*", "")) or _quoted(named.get("filename", ""))
    return re.split(r"[/\\]", name)[-1]


def _extended(value: str) -> str:
    """RFC 8187 §3.2.1: charset'language'percent-encoded."""
    charset, _, rest = value.strip().strip('"').partition("'")
    try:
        return unquote(rest.partition("'")[2], encoding=charset or "utf-8")
    except LookupError:
        return ""


def _quoted(value: str) -> str:
    """A token or a quoted string, with what servers put into it besides: UTF-8, %20, RFC 2047."""
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
