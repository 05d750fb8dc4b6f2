"""Whose request it is: what limits a caller counts by."""

from starlette.datastructures import Headers
from starlette.types import Scope

from vidferry_common.proxies import Proxies, subscriber


def caller_of(scope: Scope, proxies: Proxies) -> str:
    """The caller's address as the outermost trusted proxy saw it: an IPv4 one whole, of an IPv6 one its /64."""
    peer = scope["client"][0] if scope.get("client") else ""
    return subscriber(proxies.client(peer, Headers(scope=scope).getlist("x-forwarded-for")))
