"""Connects for children, which have no network of their own: resolves the name, checks the addresses, connects to one.

It connects to the very address that it checked, so a name can't lead elsewhere in between (DNS rebinding).
"""

import asyncio
import logging
import socket
from collections.abc import Callable

from vidferry_common.metrics.catalogue import EgressRefusal
from vidferry_worker.network import dial
from vidferry_worker.network.dial import Address, Dial
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.network.resolver import LookupQuota, Resolver

logger = logging.getLogger(__name__)

MAX_NAME = 253
MAX_SECONDS = 30.0
RESOLVE_SECONDS = 10.0


class ForbiddenAddress(Exception):
    """Every address of the host is one that downloads may not reach."""

    def __init__(self, reason: EgressRefusal) -> None:
        super().__init__("downloads may not reach that address")
        self.reason = reason


class Broker:
    """The broker of all children of a worker."""

    def __init__(
        self,
        policy: EgressPolicy,
        dial_address: Dial = dial.dial_directly,
        resolver: Resolver | None = None,
        count_refusal: Callable[[EgressRefusal], None] = lambda _: None,
    ) -> None:
        self._policy, self._dial_address, self._count_refusal = policy, dial_address, count_refusal
        self._resolver = resolver or Resolver()

    def through(self, dial_address: Dial) -> "Broker":
        """The same broker for children that go out another way: with its policy and its resolver."""
        return Broker(self._policy, dial_address, self._resolver, self._count_refusal)

    def new_lookup_quota(self) -> LookupQuota:
        """The quota of a new child."""
        return LookupQuota(self._resolver)

    async def connect(self, host: str, port: int, seconds: float, lookups: LookupQuota) -> socket.socket:
        """A socket connected to the host; ForbiddenAddress, TimeoutError after that many seconds, or OSError."""
        try:
            # In this order a NaN counts as the maximum.
            async with asyncio.timeout(min(MAX_SECONDS, seconds)):
                addresses = await self._resolve_permitted(host, port, lookups)
                return await dial.dial_first(addresses, self._dial_address)
        except ForbiddenAddress as refused:
            logger.info("refused to connect", extra={"host": host, "port": port, "reason": refused.reason})
            self._count_refusal(refused.reason)
            raise
        except ValueError as error:  # not a valid name (UnicodeError)
            raise OSError(str(error)) from error

    async def _resolve_permitted(self, host: str, port: int, lookups: LookupQuota) -> list[Address]:
        """The addresses of the host that downloads may reach."""
        if not host or len(host) > MAX_NAME or not 0 < port < 65536:  # noqa: PLR2004 - a port has 16 bits
            msg = "no such host or port"
            raise OSError(msg)
        async with asyncio.timeout(RESOLVE_SECONDS):
            infos = await lookups.look_up(host, port)
        addresses = [Address(info[0], str(info[4][0]), port) for info in infos]
        refusals = [self._policy.find_refusal(address.host, port) for address in addresses]
        permitted = [address for address, refusal in zip(addresses, refusals, strict=True) if refusal is None]
        if not permitted and (reason := next(filter(None, refusals), None)):
            raise ForbiddenAddress(reason)
        return permitted
