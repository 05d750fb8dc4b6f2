"""Compresses responses of text with gzip (RFC 9110 §8.4.1), where the client accepts it and it is worth the time.

Vidferry's secrets in documents, signed links and tickets, can't be found by the length of a compressed response (the
BREACH attack): what a request contains is not repeated in the response, no cookie makes another site's page be answered
as a user, and a browser's request from another site gets no compressed response at all.
"""

import gzip

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES = 1024
"""Shorter responses are sent in one packet anyway."""
MAX_BYTES = 1024 * 1024
"""Longer ones are sent as they are: compressing would keep other requests waiting."""
LEVEL = 1
"""140 KiB of jobs take 0.7 ms; level 6 takes four times as long for a fifth less."""
MEDIA_TYPES = frozenset({
    "application/json", "application/problem+json", "application/schema+json",
    "text/html", "text/css", "text/javascript", "image/svg+xml",
})  # fmt: skip
"""Everything else is compressed already, or is a stream."""
_NOT_MODIFIED = 304


class Compression:
    """Middleware that compresses what the api itself makes: documents and the page. Stored files are not touched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = _Compressor(Headers(scope=scope), send, is_head=scope["method"] == "HEAD").send
        await self._app(scope, receive, send)


class _Compressor:
    """Decides by the head of one response, and holds the head back until the body is there."""

    def __init__(self, request: Headers, send: Send, *, is_head: bool) -> None:
        self._request, self._send, self._is_head = request, send, is_head
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._takes(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                body = self._compress(self._start)
                await self._send(self._start)
                await self._send({"type": "http.response.body", "body": body})

    def _takes(self, start: Message) -> bool:
        """Whether the response is to be compressed. Adds what caches have to know in any case."""
        headers = MutableHeaders(scope=start)
        if start["status"] == _NOT_MODIFIED:
            _repeat_etag(headers, self._request)
        if not _is_compressible(headers):
            return False
        headers.add_vary_header("Accept-Encoding")
        return (
            start["status"] != 206  # noqa: PLR2004 - a range is of the bytes as they are stored
            and MIN_BYTES <= int(headers.get("content-length", "0")) <= MAX_BYTES
            and accepts_gzip(self._request.get("accept-encoding", ""))
            and self._request.get("sec-fetch-site") != "cross-site"
        )

    def _compress(self, start: Message) -> bytes:
        headers = MutableHeaders(scope=start)
        headers["Content-Encoding"] = "gzip"
        if "etag" in headers and not headers["etag"].startswith("W/"):
            headers["ETag"] = f"W/{headers['etag']}"  # not the same bytes as without gzip (RFC 9110 §8.8.3)
        if self._is_head and not self._body:  # of a file: its compressed length is not known
            del headers["Content-Length"]
            return b""
        content = gzip.compress(bytes(self._body), LEVEL, mtime=0)
        headers["Content-Length"] = str(len(content))
        return content


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding allows gzip (RFC 9110 §12.5.3)."""
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        coding, _, parameters = item.partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            weights[coding.strip()] = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _is_compressible(headers: Headers) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    is_stored_file = "content-disposition" in headers  # by a signed link, of any media type
    return media_type in MEDIA_TYPES and not is_stored_file and "content-encoding" not in headers


def _repeat_etag(headers: MutableHeaders, request: Headers) -> None:
    """A 304 names the ETag that the client has: the weak one if it was given the compressed response."""
    weak = f"W/{headers.get('etag', '')}"
    if "etag" in headers and weak in [each.strip() for each in request.get("if-none-match", "").split(",")]:
        headers["ETag"] = weak
