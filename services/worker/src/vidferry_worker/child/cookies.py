"""The cookies that the child was sent: in yt-dlp's jar, and in no request to another site."""

from collections.abc import Iterable, MutableMapping
from http.cookiejar import Cookie as JarCookie
from http.cookiejar import CookieJar
from urllib.parse import urlsplit

from vidferry_worker.children.protocol import SHORTEST_SECRET, Cookie

_sent: tuple[Cookie, ...] = ()


def put_into_jar(jar: CookieJar, cookies: Iterable[Cookie]) -> None:
    """Puts the cookies into the jar, each for its own domain. The jar is in memory and never written to a file."""
    global _sent  # noqa: PLW0603 - a child makes one download
    _sent = tuple(cookies)
    for each in _sent:
        jar.set_cookie(_to_jar_cookie(each))


def withhold_values(headers: MutableMapping[str, str], url: str) -> None:
    """Removes headers that hold the value of a cookie which the host of the URL would not be sent.

    Some extractors repeat a cookie in a header of their own, such as X-CSRFToken, which a redirect would take along.
    """
    if not _sent:
        return
    host = (urlsplit(url).hostname or "").rstrip(".")
    foreign = [each.value for each in _sent if len(each.value) >= SHORTEST_SECRET and not _is_within(host, each.domain)]
    for name, value in list(headers.items()):
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if any(each in text for each in foreign):
            del headers[name]


def _is_within(host: str, domain: str) -> bool:
    domain = domain.removeprefix(".")
    return host == domain or host.endswith(f".{domain}")


def _to_jar_cookie(cookie: Cookie) -> JarCookie:
    is_for_subdomains = cookie.domain.startswith(".")
    return JarCookie(
        0, cookie.name, cookie.value, None, False, cookie.domain, is_for_subdomains, is_for_subdomains, cookie.path,
        True, cookie.secure, cookie.expires, cookie.expires is None, None, None, {},
    )  # fmt: skip
