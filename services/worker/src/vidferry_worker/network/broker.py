"""Connects for a child, which has no network of its own: resolves, checks, dials the very address it checked.

It knows nothing of children: whoever asks for one gets a share of the look-ups.
"""

import asyncio
import logging
import socket

from vidferry_worker.network import dial
from vidferry_worker.network.dial import Address, Dial
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.network.resolver import Resolver, Share

logger = logging.getLogger(__name__)

MAX_NAME = 253
MAX_SECONDS = 30.0
RESOLVE_SECONDS = 10.0


class Refused(Exception):
    """Every address of the host is one that downloads may not reach."""


class Broker:
    """The broker of all children of a worker."""

    def __init__(self, policy: EgressPolicy, way: Dial = dial.dial_directly) -> None:
        self._policy, self._dial = policy, way
        self._resolver = Resolver()

    def share(self) -> Share:
        """For one child: what it may look up at once."""
        return Share(self._resolver)

    async def connect(self, host: str, port: int, seconds: float, names: Share) -> socket.socket:
        """Connected to the host within so many seconds; Refused, TimeoutError, or OSError where that can't be."""
        try:
            # In this order a NaN ends as the most.
            async with asyncio.timeout(min(MAX_SECONDS, seconds)):
                return await self._connect(host, port, names)
        except Refused:
            logger.info("refused to connect", extra={"host": host, "port": port})
            raise
        except ValueError as error:  # what is no name (UnicodeError)
            raise OSError(str(error)) from error

    async def _connect(self, host: str, port: int, names: Share) -> socket.socket:
        return await dial.dial_first(await self._resolve(host, port, names), self._dial)

    async def _resolve(self, host: str, port: int, names: Share) -> list[Address]:
        if not host or len(host) > MAX_NAME or not 0 < port < 65536:  # noqa: PLR2004 - a port has 16 bits
            msg = "no such host or port"
            raise OSError(msg)
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await names.look_up(host, port)
        addresses = [Address(item[0], str(item[4][0]), port) for item in found]
        permitted = [address for address in addresses if self._policy.permits(address.host, port)]
        if found and not permitted:
            msg = "downloads may not reach that address"
            raise Refused(msg)
        return permitted
