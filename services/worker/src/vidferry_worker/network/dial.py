"""Connects to the first of several addresses that answers (RFC 8305, "Happy Eyeballs")."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

ATTEMPT_DELAY = 0.25
"""seconds after which the next address is tried as well: RFC 8305's Connection Attempt Delay"""
MAX_ADDRESSES = 8
"""of one name that are tried"""


class Address(NamedTuple):
    """An IP address and port that downloads may reach."""

    family: int
    host: str
    """an IP address, as text"""
    port: int


Dial = Callable[[Address], Awaitable[socket.socket]]


async def dial_directly(address: Address) -> socket.socket:
    """A socket connected to the address; OSError."""
    sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
    except BaseException:
        sock.close()
        raise
    return sock


async def dial_first(addresses: Sequence[Address], dial: Dial) -> socket.socket:
    """The first connection that is established; the last failure's OSError where none is.

    Waiting for an address that doesn't answer would use up the child's timeout. So the next address is tried when one
    has failed, or hasn't answered for ATTEMPT_DELAY.
    """
    failure: BaseException = OSError("the name has no address")
    running: set[asyncio.Task[socket.socket]] = set()
    remaining = interleave_families(addresses)[:MAX_ADDRESSES]
    try:
        while remaining or running:
            if remaining:
                running.add(asyncio.ensure_future(_dial_one(dial, remaining.pop(0))))
            done, running = await asyncio.wait(
                running, timeout=ATTEMPT_DELAY if remaining else None, return_when=asyncio.FIRST_COMPLETED
            )
            connected = [task for task in done if task.exception() is None]
            if connected:
                running |= set(connected[1:])
                return connected[0].result()
            failure = next((error for task in done if (error := task.exception())), failure)
        raise failure
    finally:
        await _close_all(running)


def interleave_families(addresses: Sequence[Address]) -> list[Address]:
    """IPv6 and IPv4 by turns, else in the resolver's order: one of the two may not work here."""
    if not addresses:
        return []
    preferred = [address for address in addresses if address.family == addresses[0].family]
    other = [address for address in addresses if address.family != addresses[0].family]
    return [address for address in chain.from_iterable(zip_longest(preferred, other)) if address]


async def _dial_one(dial: Dial, address: Address) -> socket.socket:
    return await dial(address)


async def _close_all(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """Closes also a connection that has just been established."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            (await task).close()
