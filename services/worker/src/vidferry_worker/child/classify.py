"""Turns an exception of yt-dlp into an error code: with sentences.py, the only place that reads its errors."""

import errno
import http.client
import os
import re
import ssl
import traceback
from collections.abc import Sequence
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
    RegexNotFoundError,
    UnsupportedError,
    UserNotLive,
)

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.channel import ConnectTimedOut, ForbiddenAddress
from vidferry_worker.child.error_chain import error_chain
from vidferry_worker.child.patches.download_retries import PartMissing
from vidferry_worker.child.patches.fragment_content import NotMediaError
from vidferry_worker.child.sentences import code_of_sentence

Sentences = tuple[tuple[re.Pattern[str], ErrorCode], ...]

_TRANSFER_SENTENCES: Sentences = (
    (re.compile(r"\bdrm\b"), ErrorCode.DRM),
    (re.compile(r"did not get any data blocks|downloaded file is empty"), ErrorCode.UNSUPPORTED_STREAM),
    (re.compile(r"fragment found after media fragments|not supported"), ErrorCode.UNSUPPORTED_STREAM),
)
"""messages of a failed transfer; broken connections and refused requests have exception types of their own"""
_PATCHES, _EXTRACTORS = "vidferry_worker.child.patches.", "yt_dlp.extractor."
_READERS = ("yt_dlp.", _PATCHES)
"""modules that parse what a site sent"""
_OF_EVERY_SITE = {f"{_EXTRACTORS}{name}" for name in ("common", "commonmistakes", "generic")}
"""extractors that know no site, so that none can be out of date"""
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
    """The code of a failed extraction, download or conversion; ffmpeg_output is the last that ffmpeg wrote.

    What an extractor states comes before the request or the exception that it concluded it from. Its type or its
    sentence says more than a status of HTTP.
    """
    chain = list(error_chain(error))
    if any(map(_is_lack_of_memory, chain)):  # it causes other errors
        return ErrorCode.RESOURCES_EXCEEDED
    extractors = _find_extractors_error(chain)
    code = _code_of_statement(extractors) if extractors else None
    code = code or next(filter(None, map(_code_of_type, chain)), None)
    if code is ErrorCode.CONVERSION_FAILED and NO_SPACE in ffmpeg_output:
        return ErrorCode.DISK_FULL
    if code is ErrorCode.UNAVAILABLE and any(isinstance(each, PartMissing) for each in chain):
        return ErrorCode.ORIGIN_ERROR  # the playlist still names the part, so it may come back
    return code or _code_of_unknown(error, extractors)


def _code_of_unknown(error: BaseException, extractors: Any) -> ErrorCode:
    """The code of an error whose types and statements say nothing. extractors: as _find_extractors_error returns it."""
    if extractors:
        return ErrorCode.UNSUPPORTED_SITE if extractors.expected else _code_of_bug(extractors)
    if isinstance(error, DownloadError):
        text = str(error).lower()
        return next((code for each, code in _TRANSFER_SENTENCES if each.search(text)), ErrorCode.ORIGIN_ERROR)
    return _code_of_data_error(error)


def code_of_status(status: int) -> ErrorCode:
    """The error code of an HTTP status outside 2xx."""
    if status >= _SERVER_ERROR or status < _INFORMATION_END:
        return ErrorCode.ORIGIN_ERROR
    return _STATUSES.get(status, ErrorCode.REFUSED)


def _find_extractors_error(chain: Sequence[BaseException]) -> Any:
    """The error with which an extractor ended, None where there is none, or where the failure is ours to name."""
    if any(isinstance(each, JobFailure | ForbiddenAddress) for each in chain):
        return None
    return next((each for each in reversed(chain) if isinstance(each, ExtractorError)), None)


def _code_of_statement(error: Any) -> ErrorCode | None:
    """The code of what an extractor states; None where it tells only that a request or a search has failed."""
    if isinstance(error, GeoRestrictedError | UserNotLive | UnsupportedError):
        return _code_of_type(error)
    tells_of_request = isinstance(error.cause, RequestError) and str(error.cause) in error.orig_msg
    if tells_of_request or isinstance(error, RegexNotFoundError):
        return None
    return code_of_sentence(error.orig_msg, str(error.ie).lower(), is_expected=error.expected)


def _code_of_bug(error: Any) -> ErrorCode:
    """The code of an extractor's error that yt-dlp takes for a bug of its own: the site isn't as it was."""
    cause = error.cause
    if isinstance(cause, _DATA_ERRORS) and cause.__traceback__:
        code = _code_of_data_error(cause)
        if code is ErrorCode.INTERNAL or _modules_of(cause)[-1].startswith(_PATCHES):
            return code
    if str(error.ie).lower() != "generic":
        return ErrorCode.EXTRACTOR_OUTDATED
    is_parse_failure = cause or "failed to parse" in error.orig_msg.lower()
    return ErrorCode.ORIGIN_ERROR if is_parse_failure else ErrorCode.UNSUPPORTED_SITE


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


def _code_of_data_error(error: BaseException) -> ErrorCode:
    """The code of one of Python's own errors.

    The site's data are its cause where the innermost function of yt-dlp or ours is in a parsing module; an extractor
    that is out of date, where one of a certain site is on the way there.
    """
    modules = _modules_of(error)
    if not isinstance(error, _DATA_ERRORS) or not modules or not modules[-1].startswith(_READERS):
        return ErrorCode.INTERNAL
    is_of_site = any(each.startswith(_EXTRACTORS) and each not in _OF_EVERY_SITE for each in modules)
    return ErrorCode.EXTRACTOR_OUTDATED if is_of_site and modules[-1].startswith("yt_dlp.") else ErrorCode.ORIGIN_ERROR


def _modules_of(error: BaseException) -> list[str]:
    """The modules of yt-dlp and ours that the error passed, the innermost one last."""
    names = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [name for name in names if name.startswith(("yt_dlp.", "vidferry_worker."))]
