"""What yt-dlp raised, as one of our codes: the only place that reads its exceptions and sentences."""

import errno
import os
import re
from collections.abc import Iterator
from typing import Any

from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    PostProcessingError,
    UnsupportedError,
    UserNotLive,
)

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.channel import ForbiddenAddress, Unreached

_SENTENCES = (
    (r"requested format is not available", ErrorCode.FORMAT_UNAVAILABLE),
    (r"\bdrm\b", ErrorCode.DRM),
    (r"private video|video is private|is private", ErrorCode.PRIVATE),
    (r"confirm your age|age.?restricted|inappropriate for some users", ErrorCode.AGE_RESTRICTED),
    (r"not available (in|from) your (country|region|location)|geo.?restrict", ErrorCode.GEO_BLOCKED),
    (r"sign in|log ?in|registered users|subscribers|members.only|cookies", ErrorCode.LOGIN_REQUIRED),
    (r"premieres in|live event will begin|is (not currently )?live|has not started", ErrorCode.LIVE),
    (r"unsupported url|no video formats found|no video could be found|unable to extract", ErrorCode.UNSUPPORTED_SITE),
    (r"removed|unavailable|does not exist|deleted|terminated|not found", ErrorCode.UNAVAILABLE),
)
_STATUSES = {401: ErrorCode.LOGIN_REQUIRED, 404: ErrorCode.UNAVAILABLE, 410: ErrorCode.UNAVAILABLE,
             429: ErrorCode.RATE_LIMITED, 451: ErrorCode.GEO_BLOCKED}  # fmt: skip
_SERVER_ERROR = 500
_ERRNOS = {errno.ENOSPC: ErrorCode.DISK_FULL, errno.EDQUOT: ErrorCode.DISK_FULL, errno.EFBIG: ErrorCode.TOO_LARGE}
NO_SPACE = os.strerror(errno.ENOSPC)
"""as ffmpeg says it; its exit status and its last line, which are all that yt-dlp tells, say nothing of it"""
_KINDS: tuple[tuple[Any, ErrorCode], ...] = (
    (ForbiddenAddress, ErrorCode.FORBIDDEN_ADDRESS),
    (GeoRestrictedError, ErrorCode.GEO_BLOCKED),
    (UserNotLive, ErrorCode.LIVE),
    (UnsupportedError, ErrorCode.UNSUPPORTED_SITE),
    (PostProcessingError, ErrorCode.CONVERSION_FAILED),
    (Unreached, ErrorCode.NETWORK),
    (TimeoutError, ErrorCode.STALLED),
    ((ContentTooShortError, RequestError, ConnectionError), ErrorCode.NETWORK),
)


def classify(error: BaseException, said: str = "") -> ErrorCode:
    """The code of a failed extraction, download or conversion; said is what ffmpeg said last."""
    chain = list(_chain(error))
    for each in chain:
        code = _by_kind(each)
        if code is ErrorCode.CONVERSION_FAILED and NO_SPACE in said:
            return ErrorCode.DISK_FULL
        if code:
            return code
    text = str(error).lower()
    if any(isinstance(each, ExtractorError) for each in chain):
        return next((code for pattern, code in _SENTENCES if re.search(pattern, text)), ErrorCode.UNSUPPORTED_SITE)
    if isinstance(error, DownloadError):
        return _by_giving_up(text)
    return ErrorCode.INTERNAL


def is_timeout(error: BaseException) -> bool:
    """Whether nothing came for too long."""
    return any(isinstance(each, TimeoutError) for each in _chain(error))


def _by_giving_up(text: str) -> ErrorCode:
    """Of a transfer that yt-dlp gave up, it tells no more than a sentence.

    A part that is missing where its list has just named it is the origin's error, and may come back.
    """
    status = re.search(r"http error (\d{3})", text)
    if status is None:
        return ErrorCode.NETWORK
    code = _by_status(int(status[1]))
    return ErrorCode.ORIGIN_ERROR if code is ErrorCode.UNAVAILABLE else code


def _by_kind(error: BaseException) -> ErrorCode | None:
    if isinstance(error, JobFailure):
        return error.code
    if isinstance(error, HTTPError):
        return _by_status(error.status)
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return _ERRNOS[error.errno]
    return next((code for kinds, code in _KINDS if isinstance(error, kinds)), None)


def _by_status(status: int) -> ErrorCode:
    return _STATUSES.get(status) or (ErrorCode.ORIGIN_ERROR if status >= _SERVER_ERROR else ErrorCode.REFUSED)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Error and all that led to it, in the ways Python, yt-dlp and requests keep that; the root first."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        each = todo.pop()
        if each is None or any(each is known for known in seen):
            continue
        seen.append(each)
        todo += [
            each.__cause__,
            each.__context__,
            getattr(each, "cause", None),
            (getattr(each, "exc_info", None) or (None, None))[1],
        ]
        todo += [argument for argument in each.args if isinstance(argument, BaseException)]
    return reversed(seen)
