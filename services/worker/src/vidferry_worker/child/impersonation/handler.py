"""yt-dlp's request handler for its impersonate targets: each hop of a redirect is a request of its own."""

import urllib.request
from collections.abc import Iterable, Mapping
from email.message import Message
from typing import Any

from yt_dlp.networking._curlcffi import CurlCFFIRH
from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError, UnsupportedRequest
from yt_dlp.utils.networking import HTTPHeaderDict

from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child import cookies, request_limits
from vidferry_worker.child.impersonation.connection import Connect, Origin
from vidferry_worker.child.impersonation.errors import to_request_error
from vidferry_worker.child.impersonation.pool import ConnectionPool
from vidferry_worker.child.impersonation.redirects import MAX_REDIRECTS, REDIRECTS, Hop
from vidferry_worker.child.impersonation.response import Body, ImpersonatedResponse


class BrokeredCurlCFFIRH(CurlCFFIRH):  # type: ignore[misc]  # yt-dlp publishes no types
    """yt-dlp's handler for curl_cffi, with Vidferry's own way to send: on the broker's sockets."""

    connect: Connect
    """is set by child/patches/connections.py"""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pool = ConnectionPool()

    def close(self) -> None:
        self._pool.close()

    def _validate(self, request: Request) -> None:
        super()._validate(request)
        if self._get_request_target(request) is None:
            raise UnsupportedRequest("only requests that impersonate a browser")

    def _send(self, request: Request) -> Response:
        headers = HTTPHeaderDict(self._get_impersonate_headers(request))
        hop = Hop(request.method, request.url, headers, _to_bytes(request.data))
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send_hop(hop, request)
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or not location:
                break
            response.fp.drain()
            hop = hop.follow(response.status, location)
        else:
            raise HTTPError(response, redirect_loop=True)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - the class of 2xx
            raise HTTPError(response)
        return response

    def _send_hop(self, hop: Hop, request: Request) -> Response:
        """Sends one request, and follows no redirect."""
        request_limits.check_url(hop.url)
        cookies.withhold_values(hop.headers, hop.url)
        jar = self._get_cookiejar(request)
        cookie = hop.headers.pop("Cookie", None) or jar.get_cookie_header(hop.url)
        _check_header("Cookie", cookie or "")
        lines = _header_lines(hop.headers)
        target = self._SUPPORTED_IMPERSONATE_TARGET_MAP[self._get_request_target(request)]
        connection = self._pool.take(Origin(*hop.place, target), type(self).connect)
        try:
            head = connection.send(hop.method, hop.url, lines, cookie, hop.body, self._calculate_timeout(request))
        except BaseException as error:
            connection.close()
            if isinstance(error, Exception) and not isinstance(error, JobFailure):
                raise to_request_error(error) from error
            raise
        jar.extract_cookies(_CookieSource(head.headers), urllib.request.Request(hop.url))  # noqa: S310 - see check_url
        return ImpersonatedResponse(Body(connection, self._pool, head), head, hop.url)


class _CookieSource:
    """The headers of a response, as http.cookiejar asks for them."""

    def __init__(self, headers: Message) -> None:
        self._headers = headers

    def info(self) -> Message:
        return self._headers


def _header_lines(headers: Mapping[str, str]) -> list[bytes]:
    """The headers as libcurl takes them; RequestError for one that would end in another."""
    lines = []
    for name, value in headers.items():
        _check_header(name, value)
        lines.append((f"{name}: {value}" if value else f"{name};").encode())
    return [*lines, b"Expect:"]


def _check_header(name: str, value: str) -> None:
    if any(each in name + value for each in "\r\n\0"):
        raise RequestError(f"an invalid header: {name[:100]!r}")


def _to_bytes(data: bytes | Iterable[bytes] | None) -> bytes | None:
    if data is None or isinstance(data, bytes):
        return data
    read = getattr(data, "read", None)
    return bytes(read()) if read else b"".join(data)
