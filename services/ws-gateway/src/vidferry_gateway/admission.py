"""Decides which clients are let in: by host, by origin, and by the number of connections."""

import logging
from collections.abc import Sequence

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.proxies import subscriber_of
from vidferry_gateway.settings import GatewaySettings

_log = logging.getLogger(__name__)


class Admission:
    """The rules by which clients are let in, and the numbers of connections: of the process, and of each address."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._proxies, self._hosts = settings.proxies, settings.hosts
        self._origins = frozenset(settings.gateway_origins)
        self._limit, self._address_limit = settings.gateway_max_sockets, settings.gateway_max_sockets_per_address
        self._connection_count = 0
        self._count_by_address: dict[str, int] = {}

    def host_refusal(
        self, headers: Sequence[tuple[bytes, bytes]], http_version: str, server_address: str, peer: str
    ) -> ProblemCode | None:
        """Why a request is refused because of the host that it names; None if the host is accepted."""
        return self._hosts.find_refusal(headers, http_version, server_address, by_proxy=self._proxies.trusted(peer))

    def allows_origin(self, origin: str | None) -> bool:
        """Whether pages of that origin may watch. Programs send no Origin, and always may."""
        return origin is None or not self._origins or bool(self._origins & {"*", origin})

    def cors_origin(self, origin: str | None) -> str | None:
        """The value of Access-Control-Allow-Origin for pages of that origin; None if they may not read the answer."""
        if not self._origins or "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None

    def client_address(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The address that connections are counted by; empty if they are not counted by address."""
        if not self._address_limit:
            return ""
        return subscriber_of(self._proxies.find_client(peer, forwarded_for))

    def client_refusal(self, origin: str | None, address: str) -> CloseCode | None:
        """Why a client is turned away for its origin or for a limit; None if it is let in."""
        if not self.allows_origin(origin):
            return CloseCode.ORIGIN_REFUSED
        if self._limit and self._connection_count >= self._limit:
            _log.warning(
                "VIDFERRY_GATEWAY_MAX_SOCKETS is reached; further clients are refused",
                extra={"clients": self._connection_count},
            )
            return CloseCode.TOO_MANY
        if address and self._count_by_address.get(address, 0) >= self._address_limit:
            # All clients of a proxy that is not configured as one have the proxy's address.
            _log.warning(
                "one client address reached VIDFERRY_GATEWAY_MAX_SOCKETS_PER_ADDRESS; if it is a proxy, add it to "
                "VIDFERRY_TRUSTED_PROXIES",
                extra={"address": address},
            )
            return CloseCode.TOO_MANY
        return None

    def admit(self, address: str) -> None:
        self._connection_count += 1
        if address:
            self._count_by_address[address] = self._count_by_address.get(address, 0) + 1

    def release(self, address: str) -> None:
        self._connection_count -= 1
        if address:
            self._count_by_address[address] -= 1
            if not self._count_by_address[address]:
                del self._count_by_address[address]
