"""Who is let in: by which name, from which pages, and how many at once."""

import logging
from collections.abc import Sequence

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.proxies import subscriber
from vidferry_gateway.settings import GatewaySettings

_log = logging.getLogger(__name__)


class Admission:
    """The rules by which clients are let in, and the count of those who are, of the process and of each address."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._proxies, self._hosts = settings.proxies, settings.hosts
        self._origins = frozenset(settings.gateway_origins)
        self._limit, self._address_limit = settings.gateway_max_sockets, settings.gateway_max_sockets_per_address
        self._inside = 0
        self._addresses: dict[str, int] = {}

    def host_refusal(
        self, headers: Sequence[tuple[bytes, bytes]], http_version: str, reached: str, peer: str
    ) -> ProblemCode | None:
        """Why a request is refused for the host that it names, whatever it asks for; None where it is not."""
        return self._hosts.refusal(headers, http_version, reached, by_proxy=self._proxies.trusted(peer))

    def allows_origin(self, origin: str | None) -> bool:
        """Whether pages of that origin may watch; programs, which send none, always may."""
        return origin is None or not self._origins or bool(self._origins & {"*", origin})

    def cors_origin(self, origin: str | None) -> str | None:
        """What a browser has to be told (Access-Control-Allow-Origin) so that a page elsewhere may read the answer."""
        if not self._origins or "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None

    def client_address(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """What counts as one client; empty where nobody counts them."""
        if not self._address_limit:
            return ""
        return subscriber(self._proxies.client(peer, forwarded_for))

    def refusal(self, origin: str | None, address: str) -> CloseCode | None:
        if not self.allows_origin(origin):
            return CloseCode.ORIGIN_REFUSED
        if self._limit and self._inside >= self._limit:
            _log.warning(
                "VIDFERRY_GATEWAY_MAX_SOCKETS is reached; further clients are refused", extra={"clients": self._inside}
            )
            return CloseCode.TOO_MANY
        if address and self._addresses.get(address, 0) >= self._address_limit:
            # A proxy that is not named as one is an address with all its clients.
            _log.warning(
                "one client address reached VIDFERRY_GATEWAY_MAX_SOCKETS_PER_ADDRESS; if it is a proxy, add it to "
                "VIDFERRY_TRUSTED_PROXIES",
                extra={"address": address},
            )
            return CloseCode.TOO_MANY
        return None

    def admit(self, address: str) -> None:
        self._inside += 1
        if address:
            self._addresses[address] = self._addresses.get(address, 0) + 1

    def release(self, address: str) -> None:
        self._inside -= 1
        if address:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]
