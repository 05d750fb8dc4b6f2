"""Asks the origin how large the streams are that a download would fetch, where the site has not told."""

from collections.abc import MutableMapping, Sequence
from typing import Any

from yt_dlp.networking.common import Request
from yt_dlp.networking.exceptions import RequestError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.classify import classify_error
from vidferry_worker.child.probe_fields import whole

TIMEOUT = 5.0
"""seconds; a size is not worth a longer wait"""
MAX_REQUESTS = 2
SINGLE_BODIES = frozenset({"http", "https"})
"""protocols of streams that are one file"""


def find_sizes(ydl: Any, streams: Sequence[MutableMapping[str, Any]]) -> None:
    """Sets `filesize` of the streams that are one file. JobFailure where one is in a network that is not allowed."""
    unknown = [each for each in streams if each.get("protocol") in SINGLE_BODIES and not each.get("filesize")]
    for stream in unknown[:MAX_REQUESTS]:
        headers = ydl.headers_by_url.get(stream["url"]) or _request_head(ydl, stream)
        size = _read_length(headers)
        if size:
            stream["filesize"] = size


def _request_head(ydl: Any, stream: MutableMapping[str, Any]) -> Any:
    headers = {**(stream.get("http_headers") or {}), "Accept-Encoding": "identity"}
    request = Request(stream["url"], headers=headers, method="HEAD", extensions={"timeout": TIMEOUT})
    try:
        with ydl.urlopen(request) as response:
            return response.headers
    except (RequestError, JobFailure) as error:
        if classify_error(error) is ErrorCode.FORBIDDEN_ADDRESS:
            raise
        return {}


def _read_length(headers: Any) -> int | None:
    """The length of the file that a response is of, in whole or in part; None where it is not told."""
    if headers.get("Content-Encoding", "identity") != "identity":
        return None
    of_range = (headers.get("Content-Range") or "").rpartition("/")[2]
    length = of_range or headers.get("Content-Length") or ""
    return whole(int(length)) if length.isascii() and length.isdecimal() and len(length) < 20 else None  # noqa: PLR2004 - 64 bits
