"""Turns an exception of yt-dlp into an error code: the only place that reads its exceptions and messages."""

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
from vidferry_worker.child.channel import ConnectTimedOut, ForbiddenAddress
from vidferry_worker.child.patches.download_retries import PartMissing
from vidferry_worker.child.patches.fragment_content import NotMediaError

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
_TRANSFER_SENTENCES: Sentences = (
    (r"\bdrm\b", ErrorCode.DRM),
    (r"did not get any data blocks|downloaded file is empty", ErrorCode.UNSUPPORTED_STREAM),
    (r"fragment found after media fragments|not supported", ErrorCode.UNSUPPORTED_STREAM),
)
"""messages of a failed transfer; broken connections and refused requests have exception types of their own"""
_READERS = ("yt_dlp.", "vidferry_worker.child.patches.")
"""modules that parse what a site sent"""
_STATUSES = {
    401: ErrorCode.LOGIN_REQUIRED,
    404: ErrorCode.UNAVAILABLE,
    408: ErrorCode.ORIGIN_ERROR,  # Request Timeout (RFC 9110 §15.5.9)
    410: ErrorCode.UNAVAILABLE,
    416: ErrorCode.ORIGIN_ERROR,  # the range existed a moment ago
    421: ErrorCode.ORIGIN_ERROR,  # Misdirected Request (§15.5.20)
    425: ErrorCode.ORIGIN_ERROR,  # Too Early (RFC 8470)
    429: ErrorCode.RATE_LIMITED,
    451: ErrorCode.GEO_BLOCKED,
}
_SERVER_ERROR, _INFORMATION_END = 500, 200
_TLS_REASONS = re.compile(
    "CERT|UNKNOWN_CA|VERSION|PROTOCOL(?!_IS_SHUTDOWN)|HANDSHAKE_FAILURE|CIPHER|RENEGOTIATION|NAME|KEY_TOO_SMALL"
    "|TOO_WEAK|HTTP_REQUEST|PACKET_LENGTH|RECORD_LAYER|LEGACY|ILLEGAL_PARAMETER|INSUFFICIENT_SECURITY"
)
"""OpenSSL's reasons that lie in the site's TLS configuration; others, such as a closed connection, may pass"""
_ERRNOS = {errno.ENOSPC: ErrorCode.DISK_FULL, errno.EDQUOT: ErrorCode.DISK_FULL, errno.EFBIG: ErrorCode.TOO_LARGE}
_XML_NO_MEMORY = expat_errors.codes[expat_errors.XML_ERROR_NO_MEMORY]
NO_SPACE = os.strerror(errno.ENOSPC)
"""ffmpeg's message. yt-dlp passes on only the exit status and the last line, which don't contain it."""
_INVALID_HTTP = (http.client.HTTPException, urllib3.exceptions.InvalidHeader, urllib3.exceptions.DecodeError)
"""the response is not HTTP, or not encoded as it claims"""
_DATA_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, StopIteration, TypeError, ValueError,
)  # fmt: skip
_ERROR_TYPES: tuple[tuple[Any, ErrorCode], ...] = (
    (ForbiddenAddress, ErrorCode.FORBIDDEN_ADDRESS),
    (GeoRestrictedError, ErrorCode.GEO_BLOCKED),
    (UserNotLive, ErrorCode.LIVE),
    (UnsupportedError, ErrorCode.UNSUPPORTED_SITE),
    (PostProcessingError, ErrorCode.CONVERSION_FAILED),
    (CertificateVerifyError, ErrorCode.CERTIFICATE_INVALID),
    (ConnectTimedOut, ErrorCode.NETWORK),
    (TimeoutError, ErrorCode.STALLED),
    (NotMediaError, ErrorCode.ORIGIN_ERROR),
    ((http.client.IncompleteRead, http.client.RemoteDisconnected), ErrorCode.NETWORK),
    ((*_INVALID_HTTP, NoSupportingHandlers), ErrorCode.ORIGIN_ERROR),
    ((ContentTooShortError, TransportError, ConnectionError), ErrorCode.NETWORK),
    (InvalidSchema, ErrorCode.UNSUPPORTED_STREAM),  # by a redirect
    (RequestError, ErrorCode.UNSUPPORTED_SITE),  # a request that can't be sent, such as to an invalid URL
)


def classify_error(error: BaseException, ffmpeg_output: str = "") -> ErrorCode:
    """The code of a failed extraction, download or conversion; ffmpeg_output is the last that ffmpeg wrote."""
    chain = list(error_chain(error))
    code = next(filter(None, map(_code_of_type, chain)), None)
    if any(map(_is_lack_of_memory, chain)):  # it causes other errors
        code = ErrorCode.RESOURCES_EXCEEDED
    if code is ErrorCode.CONVERSION_FAILED and NO_SPACE in ffmpeg_output:
        return ErrorCode.DISK_FULL
    if code is ErrorCode.UNAVAILABLE and any(isinstance(each, PartMissing) for each in chain):
        return ErrorCode.ORIGIN_ERROR  # the playlist still names the part, so it may come back
    if code:
        return code
    text = str(error).lower()
    if any(isinstance(each, ExtractorError) for each in chain):
        return _code_of_sentence(_SENTENCES, text) or ErrorCode.UNSUPPORTED_SITE
    if isinstance(error, DownloadError):
        return _code_of_sentence(_TRANSFER_SENTENCES, text) or ErrorCode.ORIGIN_ERROR
    return ErrorCode.ORIGIN_ERROR if _is_sites_fault(error) else ErrorCode.INTERNAL


def is_timeout(error: BaseException) -> bool:
    """Whether the error is a timeout."""
    return any(isinstance(each, TimeoutError) for each in error_chain(error))


def code_of_status(status: int) -> ErrorCode:
    """The error code of an HTTP status outside 2xx."""
    if status >= _SERVER_ERROR or status < _INFORMATION_END:
        return ErrorCode.ORIGIN_ERROR
    return _STATUSES.get(status, ErrorCode.REFUSED)


def _code_of_sentence(sentences: Sentences, text: str) -> ErrorCode | None:
    return next((code for pattern, code in sentences if re.search(pattern, text)), None)


def _code_of_type(error: BaseException) -> ErrorCode | None:
    if isinstance(error, JobFailure):
        return error.code
    if isinstance(error, HTTPError):
        return code_of_status(error.status)
    if isinstance(error, ssl.SSLError) and _TLS_REASONS.search(error.reason or ""):
        return ErrorCode.CERTIFICATE_INVALID
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return _ERRNOS[error.errno]
    return next((code for kinds, code in _ERROR_TYPES if isinstance(error, kinds)), None)


def _is_lack_of_memory(error: BaseException) -> bool:
    """Whether RLIMIT_DATA was reached: by Python, by a program that could not be started, or by the parser of XML."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, ET.ParseError) and error.code == _XML_NO_MEMORY)


def _is_sites_fault(error: BaseException) -> bool:
    """Whether the error comes from unexpected data: its innermost frame of yt-dlp or ours is in a parsing module."""
    if not isinstance(error, _DATA_ERRORS):
        return False
    names = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    of_ours = [name for name in names if name.startswith(("yt_dlp.", "vidferry_worker."))]
    return bool(of_ours) and of_ours[-1].startswith(_READERS)


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, as Python, yt-dlp and requests record them; the root cause first."""
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
