"""Identifies the caller of a request by address."""

from starlette.types import Scope

from vidferry_common.proxies import Proxies


def caller_address(scope: Scope, proxies: Proxies) -> str:
    """The client's IPv4 address or the /64 of its IPv6 address. Trusted proxies may name it in X-Forwarded-For."""
    peer = str((scope.get("client") or ("",))[0])
    forwarded_for = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return proxies.find_subscriber(peer, forwarded_for)
