"""Turns libcurl's errors into those that yt-dlp's plain handler raises, so that both are classified alike."""

import http.client
import re
import ssl

import urllib3.exceptions
from curl_cffi.const import CurlECode
from yt_dlp.networking.exceptions import CertificateVerifyError, IncompleteRead, RequestError, SSLError, TransportError

_TLS_REASON = re.compile(r"OPENSSL_internal:(\w+)")
"""BoringSSL's name for what was wrong, in libcurl's sentence"""
_TLS_ERRORS = {CurlECode.SSL_CONNECT_ERROR, CurlECode.SSL_CIPHER, CurlECode.SSL_CERTPROBLEM, CurlECode.ECH_REQUIRED}
_INVALID_HTTP = {
    CurlECode.UNSUPPORTED_PROTOCOL,  # HTTP/0.9: what came is no HTTP
    CurlECode.WEIRD_SERVER_REPLY,
    CurlECode.TOO_LARGE,  # the headers
}
_NOT_DECODED = {CurlECode.BAD_CONTENT_ENCODING, CurlECode.WRITE_ERROR}
"""WRITE_ERROR where the reader has raised nothing: a gzip body of several members, which libcurl doesn't know"""
_KINDS: dict[int, type[RequestError]] = {
    CurlECode.PEER_FAILED_VERIFICATION: CertificateVerifyError,
    CurlECode.URL_MALFORMAT: RequestError,
    CurlECode.BAD_FUNCTION_ARGUMENT: RequestError,
}


class TransferError(Exception):
    """libcurl could not finish a transfer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"curl error {code}: {text}")
        self.code, self.text = code, text


def to_request_error(error: Exception, received: int = 0, expected: int | None = None) -> RequestError:
    """yt-dlp's error for one of a transfer: TransferError, or whatever the connection or the reader raised.

    received: bytes of the body before it. expected: what was announced.
    """
    if isinstance(error, RequestError):
        return error
    if not isinstance(error, TransferError):
        return TransportError(cause=error)
    if error.code == CurlECode.PARTIAL_FILE:
        return IncompleteRead(received, max(0, expected - received) if expected is not None else None, cause=error)
    if error.code in _TLS_ERRORS:
        return SSLError(error.text, cause=_tls_error(error))
    kind = _KINDS.get(error.code, TransportError)
    return kind(error.text, cause=_cause(error))


def _tls_error(error: TransferError) -> ssl.SSLError:
    found = _TLS_REASON.search(error.text)
    made = ssl.SSLError(ssl.SSL_ERROR_SSL, error.text)
    made.reason = found[1] if found else ""
    return made


def _cause(error: TransferError) -> BaseException:
    """Python's own error of that kind."""
    if error.code in _INVALID_HTTP:
        return http.client.BadStatusLine(error.text)
    if error.code in _NOT_DECODED:
        return urllib3.exceptions.DecodeError(error.text)
    if error.code == CurlECode.GOT_NOTHING:
        return http.client.RemoteDisconnected(error.text)
    if error.code == CurlECode.OPERATION_TIMEDOUT:
        return TimeoutError(error.text)
    if error.code == CurlECode.OUT_OF_MEMORY:
        return MemoryError(error.text)
    return error
