"""How a file is answered: validators, conditions and ranges as RFC 9110 has them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate, parsedate_to_datetime
from hashlib import sha256
from pathlib import PurePosixPath

from support.origin.wire import Body, Reply, Request

TYPES = {
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".mpd": "application/dash+xml",
    ".m4s": "video/iso.segment",
}
FIRST_MODIFIED = 1_767_225_600  # 2026-01-01T00:00:00Z; each version is an hour younger


@dataclass(frozen=True)
class File:
    name: str
    data: bytes
    version: int = 0
    media_type: str = ""
    """by the name's ending, where it isn't given"""
    headers: Mapping[str, str] = field(default_factory=dict)
    """sent besides"""

    @property
    def etag(self) -> str:
        return f'"{sha256(self.data).hexdigest()[:16]}"'

    @property
    def modified(self) -> int:
        return FIRST_MODIFIED + 3600 * self.version


Answer = Reply | File | Callable[[Request], Reply | File]
"""What a test puts under a path of its site (Site.put)."""


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None where the whole is to be sent: no range, several, or nonsense."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.replace(" ", ""))
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        if int(last) == 0:
            raise Unsatisfiable
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable
    return int(first), min(int(last) + 1, size) if last else size


def answer(request: Request, file: File) -> tuple[Reply, int]:
    """The reply, and the offset in the file at which its body begins.

    The query's `validators` (default `etag,modified`) says which of them the site sends.
    """
    validators = request.value("validators", "etag,modified").split(",")
    media_type = file.media_type or TYPES[PurePosixPath(file.name).suffix]
    headers = {"Content-Type": media_type, "Accept-Ranges": "bytes", **file.headers}
    if "etag" in validators:
        headers["ETag"] = file.etag
    if "modified" in validators:
        headers["Last-Modified"] = formatdate(file.modified, usegmt=True)
    if _unchanged(request, file, validators):
        return Reply(304, headers), 0
    try:
        span = parse_range(request.headers.get("range", ""), len(file.data))
    except Unsatisfiable:
        headers |= {"Content-Range": f"bytes */{len(file.data)}", "Content-Length": "0"}
        return Reply(416, headers), 0
    if not span or not _same_as_before(request, headers):
        return Reply(200, headers, Body(file.data)), 0
    first, end = span
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(file.data)}"
    return Reply(206, headers, Body(file.data[first:end])), first


def _unchanged(request: Request, file: File, validators: list[str]) -> bool:
    tags, since = request.headers.get("if-none-match"), request.headers.get("if-modified-since")
    if tags is not None:
        return "etag" in validators and (tags.strip() == "*" or file.etag in re.findall(r'"[^"]*"', tags))
    return since is not None and "modified" in validators and file.modified <= parsedate_to_datetime(since).timestamp()


def _same_as_before(request: Request, headers: dict[str, str]) -> bool:
    known = request.headers.get("if-range")
    return known is None or known in (headers.get("ETag"), headers.get("Last-Modified"))


def answer_as_put(request: Request, put: Answer) -> Reply:
    """The reply to a request of a path where a test has put that."""
    given = put(request) if callable(put) else put
    if isinstance(given, File):
        return answer(request, given)[0]
    return replace(given, headers=dict(given.headers), body=replace(given.body))  # sending changes a reply
