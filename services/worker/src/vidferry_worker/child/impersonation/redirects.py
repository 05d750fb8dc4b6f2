"""Where a redirect leads: the next request of a chain, as yt-dlp's plain handler would send it."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from requests.exceptions import InvalidSchema
from requests.utils import requote_uri
from yt_dlp.networking._helper import get_redirect_method
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.utils.networking import HTTPHeaderDict, normalize_url

MAX_REDIRECTS = 30
"""as many as the plain handler follows"""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_OF_A_BODY = ("Content-Length", "Content-Type", "Transfer-Encoding")


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a chain."""

    method: str
    url: str
    headers: MutableMapping[str, str]
    body: bytes | None

    @property
    def place(self) -> tuple[str, str, int]:
        """Scheme, host and port; RequestError where the URL has none."""
        try:
            parts = urlsplit(self.url)
            scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError as error:
            raise RequestError(cause=error) from error
        if not host or any(character <= " " for character in self.url):
            raise RequestError(f"an invalid URL: {self.url[:100]!r}")
        return scheme, host, port or _PORTS[scheme]

    def follow(self, status: int, location: str) -> "Hop":
        """The request to which a redirect leads; RequestError where that can't be sent."""
        # The header is read as Latin-1, but sites send UTF-8.
        location = location.encode("latin-1", "replace").decode("utf-8", "replace")
        try:
            url = normalize_url(requote_uri(urljoin(self.url, location)))
            parts = urlsplit(url)
        except ValueError as error:
            raise RequestError(cause=error) from error
        if parts.scheme not in _PORTS:
            raise RequestError(cause=InvalidSchema(f"a redirect to {url[:100]}"))
        method = get_redirect_method(self.method, status)
        headers = HTTPHeaderDict(self.headers)
        if method != self.method:
            for name in _OF_A_BODY:
                headers.pop(name, None)
        hop = Hop(
            method,
            parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
            headers,
            self.body if method == self.method else None,
        )
        headers.pop("Cookie", None)
        if hop.place != self.place:
            headers.pop("Authorization", None)
        return hop
