"""Who sends a request."""

from starlette.types import Scope

from vidferry_common.proxies import Proxies


def caller_of(scope: Scope, proxies: Proxies) -> str:
    """What counts as one caller: the client's IPv4 address, or the /64 of its IPv6 one, as trusted proxies tell it."""
    peer = str((scope.get("client") or ("",))[0])
    told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return proxies.find_subscriber(peer, told)
