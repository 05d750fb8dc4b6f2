"""The context in which a page loads what it embeds: its URL, its base URL, and the Referer that it sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from vidferry_worker.child.page.html_tags import find_metas, find_tags

SCHEMES = frozenset({"http", "https"})
_DEFAULT = "strict-origin-when-cross-origin"
_POLICIES = (
    *(
        "no-referrer",
        "no-referrer-when-downgrade",
        "origin",
        "origin-when-cross-origin",
        "same-origin",
        "strict-origin",
    ),
    *(_DEFAULT, "unsafe-url"),
)
_OLD_POLICIES = {
    "never": "no-referrer", "always": "unsafe-url", "default": _DEFAULT,
    "origin-when-crossorigin": "origin-when-cross-origin",
}  # fmt: skip
"""legacy values of the meta element"""

_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "or", "org"})


@dataclass(frozen=True, slots=True)
class Page:
    """A web page, with what decides how its embedded media are requested."""

    url: str
    """without a fragment"""
    base_url: str
    """the URL that relative ones are resolved against (HTML §4.2.3)"""
    policy: str = _DEFAULT
    """the referrer policy"""
    depth: int = 0
    """how many pages it is embedded in"""
    errors: list[Exception] = field(default_factory=list, compare=False)
    """errors of its media: the first is raised where nothing else is found"""
    foreign_urls: list[str] = field(default_factory=list, compare=False)
    """media with other schemes, such as `ftp:`: refused where nothing else is found"""
    other_urls: list[str] = field(default_factory=list, compare=False)
    """of videos beside the one that was found: of further players, of further objects in JSON-LD"""

    @classmethod
    def parse(cls, url: str, text: str, headers: Any = None, outer: "Page | None" = None) -> "Page":
        url = url.partition("#")[0]
        base, policy = _find_base(url, text), _find_policy(text, headers)
        if outer:
            return cls(url, base, policy, outer.depth + 1, outer.errors, outer.foreign_urls, outer.other_urls)
        return cls(url, base, policy)

    def resolve(self, reference: str | None) -> str | None:
        """The absolute URL of a reference in the page, without a fragment; None where it is not http or https."""
        return join_url(self.base_url, reference)

    def referer_for(self, target: str) -> str | None:
        """The Referer of a request by the page (W3C Referrer Policy §8.3)."""
        try:
            page, other = urlsplit(self.url), urlsplit(target)
        except ValueError:
            return None
        whole, origin = page._replace(netloc=_origin_host(page)).geturl(), f"{page.scheme}://{_origin_host(page)}/"
        is_downgrade = page.scheme == "https" and other.scheme == "http"
        is_same = (page.scheme, _origin_host(page)) == (other.scheme, _origin_host(other))
        if page.scheme not in SCHEMES:
            return None
        safe_origin = None if is_downgrade else origin
        return {
            "no-referrer": None,
            "no-referrer-when-downgrade": None if is_downgrade else whole,
            "origin": origin,
            "origin-when-cross-origin": whole if is_same else origin,
            "same-origin": whole if is_same else None,
            "strict-origin": safe_origin,
            "strict-origin-when-cross-origin": whole if is_same else safe_origin,
            "unsafe-url": whole,
        }[self.policy]

    def is_same_site(self, target: str) -> bool:
        """Whether a URL is on the page's host, or on another host of its registered domain."""
        own, other = (urlsplit(each).hostname or "" for each in (self.url, target))
        return bool(own) and (own == other or _registered_domain(own) == _registered_domain(other))


def join_url(base: str, reference: str | None) -> str | None:
    """Resolves a reference as a browser does (WHATWG URL §4.4), without whitespace; None unless http or https."""
    if not isinstance(reference, str):
        return None
    reference = reference.strip().translate({ord(each): None for each in "\t\r\n"})
    try:
        url = urljoin(base, reference).partition("#")[0] if reference else ""
        parts = urlsplit(url)
        url.encode()  # raises for a lone surrogate, as .port does for one out of range
        return url if parts.scheme.lower() in SCHEMES and _is_valid_host(parts.hostname) and parts.port != 0 else None
    except ValueError:
        return None


def _find_base(url: str, text: str) -> str:
    for tag in find_tags({"base"}, text):
        if "href" in tag.attributes and not tag.is_commented:  # only the first href counts
            return join_url(url, tag.attributes["href"]) or url
    return url


def _find_policy(text: str, headers: Any) -> str:
    """The page's referrer policy: the last valid one; unknown values are ignored (Referrer Policy §8.1)."""
    values = str((headers.get("Referrer-Policy") if headers else None) or "").split(",")
    values += [content for name, content, _ in find_metas(text) if name == "referrer"]
    policies = [_OLD_POLICIES.get(each.strip().lower(), each.strip().lower()) for each in values]
    return next((each for each in reversed(policies) if each in _POLICIES), _DEFAULT)


def _is_valid_host(name: str | None) -> bool:
    """Whether a host name is valid: no empty labels (but for a trailing dot), and no %."""
    return bool(name) and "%" not in str(name) and all(str(name).removesuffix(".").split("."))


def _registered_domain(host: str) -> str:
    """The registered domain, estimated without a public suffix list: no trust depends on it."""
    labels = host.split(".")
    if labels[-1].isdecimal() or ":" in host:
        return host
    return ".".join(labels[-3 if len(labels[-1]) == 2 and labels[-2:-1] and labels[-2] in _SECOND_LEVEL else -2 :])  # noqa: PLR2004


def _origin_host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2].lower()


_current: ContextVar[Page | None] = ContextVar("page", default=None)
_loaded: dict[str, Page] = {}
"""the pages that were read, by URL"""


def current_page() -> Page | None:
    """The page that is being read."""
    return _current.get()


@contextmanager
def reading_page(page: Page | None) -> Iterator[None]:
    """Makes a page the current one. From then on, its URL as a Referer follows that page's policy."""
    if page:
        _loaded.setdefault(page.url, page)
    token = _current.set(page)
    try:
        yield
    finally:
        _current.reset(token)


def limit_referer(referer: str, target: str) -> str | None:
    """The Referer that the page would send to a target: playlists name segments and keys on other sites."""
    page = _loaded.get(referer)
    return page.referer_for(target) if page else referer


def page_of_referer(referer: str) -> Page:
    """The page with that URL; where it is unknown, one that sends its full URL everywhere."""
    return _loaded.get(referer) or Page(referer, referer, "unsafe-url")
