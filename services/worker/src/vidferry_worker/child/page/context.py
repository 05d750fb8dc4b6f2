"""A page as a browser loads what it embeds: its address, its base, and the Referer that it sends."""

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
"""as HTML's meta element spells them too"""

_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "or", "org"})


@dataclass(frozen=True, slots=True)
class Page:
    address: str
    """where it came from, without a fragment"""
    base: str
    """what relative addresses in it are joined to (HTML §4.2.3)"""
    policy: str = _DEFAULT
    """by which it sends a Referer"""
    depth: int = 0
    """how many pages embed it"""
    errors: list[Exception] = field(default_factory=list, compare=False)
    """what stood in the way of media that it names: told where there is nothing else"""
    foreign: list[str] = field(default_factory=list, compare=False)
    """addresses of media that are none of the web's (`ftp:`): refused where there is nothing else"""

    @classmethod
    def read(cls, address: str, text: str, headers: Any = None, outer: "Page | None" = None) -> "Page":
        address = address.partition("#")[0]
        base, policy = _find_base(address, text), _find_policy(text, headers)
        if outer:
            return cls(address, base, policy, outer.depth + 1, outer.errors, outer.foreign)
        return cls(address, base, policy)

    def join(self, reference: str | None) -> str | None:
        """The whole address of one in the page, None where it is none of the web's. It has no fragment."""
        return join(self.base, reference)

    def referer_for(self, target: str) -> str | None:
        """The Referer of a request that the page makes (W3C Referrer Policy §8.3)."""
        try:
            page, other = urlsplit(self.address), urlsplit(target)
        except ValueError:
            return None
        whole, origin = page._replace(netloc=_host(page)).geturl(), f"{page.scheme}://{_host(page)}/"
        is_downgrade = page.scheme == "https" and other.scheme == "http"
        is_same = (page.scheme, _host(page)) == (other.scheme, _host(other))
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
        """Whether an address is on the page's host, or on another one of the domain that somebody has registered."""
        own, other = (urlsplit(each).hostname or "" for each in (self.address, target))
        return bool(own) and (own == other or _domain(own) == _domain(other))


def join(base: str, reference: str | None) -> str | None:
    """As a browser joins them (WHATWG URL §4.4), white space around and line ends left out; of http and https alone."""
    if not isinstance(reference, str):
        return None
    reference = reference.strip().translate({ord(each): None for each in "\t\r\n"})
    try:
        address = urljoin(base, reference).partition("#")[0] if reference else ""
        parts = urlsplit(address)
        address.encode()  # half of a UTF-16 pair can't be asked for, nor a port beyond the last
        return address if parts.scheme.lower() in SCHEMES and _is_host(parts.hostname) and parts.port != 0 else None
    except ValueError:
        return None


def _find_base(address: str, text: str) -> str:
    for tag in find_tags({"base"}, text):
        if "href" in tag.attributes and not tag.is_commented:  # the first one that has it counts
            return join(address, tag.attributes["href"]) or address
    return address


def _find_policy(text: str, headers: Any) -> str:
    """The page's own, the last that is known; an unknown one is as if there were none (Referrer Policy §8.1)."""
    told = str((headers.get("Referrer-Policy") if headers else None) or "").split(",")
    told += [content for name, content, _ in find_metas(text) if name == "referrer"]
    policies = [_OLD_POLICIES.get(each.strip().lower(), each.strip().lower()) for each in told]
    return next((each for each in reversed(policies) if each in _POLICIES), _DEFAULT)


def _is_host(name: str | None) -> bool:
    """Whether a name may be looked up: it has no empty parts (but for a last one), and no %."""
    return bool(name) and "%" not in str(name) and all(str(name).removesuffix(".").split("."))


def _domain(host: str) -> str:
    """The registered domain, or nearly: no list of public suffixes is at hand, and nothing is trusted for it."""
    labels = host.split(".")
    if labels[-1].isdecimal() or ":" in host:
        return host
    return ".".join(labels[-3 if len(labels[-1]) == 2 and labels[-2:-1] and labels[-2] in _SECOND_LEVEL else -2 :])  # noqa: PLR2004


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2].lower()


_current: ContextVar[Page | None] = ContextVar("page", default=None)
_loaded: dict[str, Page] = {}
"""by their addresses"""


def current() -> Page | None:
    """The page whose embedded media are looked for now."""
    return _current.get()


@contextmanager
def reading(page: Page | None) -> Iterator[None]:
    """Within it, that page is the current one; from then on, its address as a Referer is that page's."""
    if page:
        _loaded.setdefault(page.address, page)
    token = _current.set(page)
    try:
        yield
    finally:
        _current.reset(token)


def limit_referer(referer: str, target: str) -> str | None:
    """A Referer as the page would send it there: a list tells of segments and keys on further sites."""
    page = _loaded.get(referer)
    return page.referer_for(target) if page else referer


def sender(referer: str) -> Page:
    """The page that sends such a Referer; where that isn't known, one that sends it everywhere."""
    return _loaded.get(referer) or Page(referer, referer, "unsafe-url")
