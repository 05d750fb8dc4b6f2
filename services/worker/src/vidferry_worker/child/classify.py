"""What yt-dlp raised, as one of our codes: the only place that reads its exceptions and sentences."""

import errno
import http.client
import os
import re
import ssl
import traceback
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers.expat import errors as expat_errors

import urllib3.exceptions
from requests.exceptions import InvalidSchema
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    NoSupportingHandlers,
    RequestError,
    TransportError,
)
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
from vidferry_worker.child.patches.download_retries import PartMissing
from vidferry_worker.child.patches.fragment_content import NoMedia

Sentences = tuple[tuple[str, ErrorCode], ...]

_SENTENCES: Sentences = (
    (r"an extractor error has occurred|failed to parse (json|xml)", ErrorCode.ORIGIN_ERROR),
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
_GIVEN_UP: Sentences = (
    (r"\bdrm\b", ErrorCode.DRM),
    (r"did not get any data blocks|downloaded file is empty", ErrorCode.UNSUPPORTED_STREAM),
    (r"fragment found after media fragments|not supported", ErrorCode.UNSUPPORTED_STREAM),
)
"""of a transfer; its broken connections and refused requests are known by their kinds"""
_READERS = ("yt_dlp.", "vidferry_worker.child.patches.")
"""modules that read what a site sent"""
_STATUSES = {
    401: ErrorCode.LOGIN_REQUIRED,
    404: ErrorCode.UNAVAILABLE,
    408: ErrorCode.ORIGIN_ERROR,  # too slow a request (RFC 9110 §15.5.9)
    410: ErrorCode.UNAVAILABLE,
    416: ErrorCode.ORIGIN_ERROR,  # no range was asked for that was not there a moment ago
    421: ErrorCode.ORIGIN_ERROR,  # to the wrong connection (§15.5.20)
    425: ErrorCode.ORIGIN_ERROR,  # too early (RFC 8470)
    429: ErrorCode.RATE_LIMITED,
    451: ErrorCode.GEO_BLOCKED,
}
_SERVER_ERROR, _INFORMATION_END = 500, 200
_TLS_REASONS = re.compile(
    "CERT|UNKNOWN_CA|VERSION|PROTOCOL(?!_IS_SHUTDOWN)|HANDSHAKE_FAILURE|CIPHER|RENEGOTIATION|NAME|KEY_TOO_SMALL"
    "|TOO_WEAK|HTTP_REQUEST|PACKET_LENGTH|RECORD_LAYER|LEGACY|ILLEGAL_PARAMETER|INSUFFICIENT_SECURITY"
)
"""of OpenSSL, that are the site's way to speak TLS; others, such as an end, may pass"""
_ERRNOS = {errno.ENOSPC: ErrorCode.DISK_FULL, errno.EDQUOT: ErrorCode.DISK_FULL, errno.EFBIG: ErrorCode.TOO_LARGE}
_XML_NO_MEMORY = expat_errors.codes[expat_errors.XML_ERROR_NO_MEMORY]
NO_SPACE = os.strerror(errno.ENOSPC)
"""as ffmpeg says it; its exit status and its last line, which are all that yt-dlp tells, say nothing of it"""
_NO_HTTP = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, urllib3.exceptions.DecodeError)
"""what came is no HTTP, or not encoded as it says"""
_FAULTS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, StopIteration, TypeError, ValueError,
)  # fmt: skip
_KINDS: tuple[tuple[Any, ErrorCode], ...] = (
    (ForbiddenAddress, ErrorCode.FORBIDDEN_ADDRESS),
    (GeoRestrictedError, ErrorCode.GEO_BLOCKED),
    (UserNotLive, ErrorCode.LIVE),
    (UnsupportedError, ErrorCode.UNSUPPORTED_SITE),
    (PostProcessingError, ErrorCode.CONVERSION_FAILED),
    (CertificateVerifyError, ErrorCode.CERTIFICATE_INVALID),
    (Unreached, ErrorCode.NETWORK),
    (TimeoutError, ErrorCode.STALLED),
    (NoMedia, ErrorCode.ORIGIN_ERROR),
    ((http.client.IncompleteRead, http.client.RemoteDisconnected), ErrorCode.NETWORK),
    ((*_NO_HTTP, NoSupportingHandlers), ErrorCode.ORIGIN_ERROR),
    ((ContentTooShortError, TransportError, ConnectionError), ErrorCode.NETWORK),
    (InvalidSchema, ErrorCode.UNSUPPORTED_STREAM),  # where a redirect leads to
    (RequestError, ErrorCode.UNSUPPORTED_SITE),  # none that can be sent, such as to an address that is none
)


def classify(error: BaseException, said: str = "") -> ErrorCode:
    """The code of a failed extraction, download or conversion; said is what ffmpeg said last."""
    chain = list(chain_of(error))
    code = next(filter(None, map(_by_kind, chain)), None)
    if any(map(_is_lack_of_memory, chain)):  # whatever else went wrong before or after it
        code = ErrorCode.RESOURCES_EXCEEDED
    if code is ErrorCode.CONVERSION_FAILED and NO_SPACE in said:
        return ErrorCode.DISK_FULL
    if code is ErrorCode.UNAVAILABLE and any(isinstance(each, PartMissing) for each in chain):
        return ErrorCode.ORIGIN_ERROR  # its list has just named it, and it may come back
    if code:
        return code
    text = str(error).lower()
    if any(isinstance(each, ExtractorError) for each in chain):
        return _by_sentence(_SENTENCES, text) or ErrorCode.UNSUPPORTED_SITE
    if isinstance(error, DownloadError):
        return _by_sentence(_GIVEN_UP, text) or ErrorCode.ORIGIN_ERROR
    return ErrorCode.ORIGIN_ERROR if _is_sites_fault(error) else ErrorCode.INTERNAL


def is_timeout(error: BaseException) -> bool:
    """Whether nothing came for too long."""
    return any(isinstance(each, TimeoutError) for each in chain_of(error))


def by_status(status: int) -> ErrorCode:
    """Of an answer that is none of 2xx."""
    if status >= _SERVER_ERROR or status < _INFORMATION_END:
        return ErrorCode.ORIGIN_ERROR
    return _STATUSES.get(status, ErrorCode.REFUSED)


def _by_sentence(sentences: Sentences, text: str) -> ErrorCode | None:
    return next((code for pattern, code in sentences if re.search(pattern, text)), None)


def _by_kind(error: BaseException) -> ErrorCode | None:
    if isinstance(error, JobFailure):
        return error.code
    if isinstance(error, HTTPError):
        return by_status(error.status)
    if isinstance(error, ssl.SSLError) and _TLS_REASONS.search(error.reason or ""):
        return ErrorCode.CERTIFICATE_INVALID
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return _ERRNOS[error.errno]
    return next((code for kinds, code in _KINDS if isinstance(error, kinds)), None)


def _is_lack_of_memory(error: BaseException) -> bool:
    """Whether RLIMIT_DATA was reached: by Python, by a program that could not be started, or by the parser of XML."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, ET.ParseError) and error.code == _XML_NO_MEMORY)


def _is_sites_fault(error: BaseException) -> bool:
    """Whether what a site sent was not as a reader takes for granted: by the innermost function that is its or ours."""
    if not isinstance(error, _FAULTS):
        return False
    names = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    of_ours = [name for name in names if name.startswith(("yt_dlp.", "vidferry_worker."))]
    return bool(of_ours) and of_ours[-1].startswith(_READERS)


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """Error and all that led to it, in the ways Python, yt-dlp and requests keep that; the root first."""
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        each = todo.pop()
        if not isinstance(each, BaseException) or any(each is known for known in seen):
            continue
        seen.append(each)
        todo += [
            each.__cause__,
            each.__context__,
            getattr(each, "cause", None),
            (getattr(each, "exc_info", None) or (None, None))[1],
        ]
        todo += [*getattr(each, "unexpected_errors", ()), *each.args]
    return reversed(seen)
