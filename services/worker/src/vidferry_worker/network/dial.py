"""Connects to the first of several addresses that answers (RFC 8305, "Happy Eyeballs")."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

NEXT_SECONDS = 0.25
"""after which the next address is tried as well: RFC 8305's Connection Attempt Delay"""
MAX_ADDRESSES = 8
"""of one name that are tried"""


class Address(NamedTuple):
    """One that was checked."""

    family: int
    host: str
    """numeric"""
    port: int


Dial = Callable[[Address], Awaitable[socket.socket]]


async def dial_directly(address: Address) -> socket.socket:
    """A connected socket; OSError."""
    sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
    except BaseException:
        sock.close()
        raise
    return sock


async def dial_first(addresses: Sequence[Address], dial: Dial) -> socket.socket:
    """The first connection that stands; the last one's OSError where none does.

    An address that does not answer would use up the child's patience: the next is begun when one has failed, or has
    said nothing for a while.
    """
    failure: BaseException = OSError("the name has no address")
    running: set[asyncio.Task[socket.socket]] = set()
    todo = interleave(addresses)[:MAX_ADDRESSES]
    try:
        while todo or running:
            if todo:
                running.add(asyncio.ensure_future(_dialled(dial, todo.pop(0))))
            done, running = await asyncio.wait(
                running, timeout=NEXT_SECONDS if todo else None, return_when=asyncio.FIRST_COMPLETED
            )
            connected = [task for task in done if task.exception() is None]
            if connected:
                running |= set(connected[1:])
                return connected[0].result()
            failure = next((error for task in done if (error := task.exception())), failure)
        raise failure
    finally:
        await _give_up(running)


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """In the resolver's order, the two families by turns: one of them may lead nowhere here."""
    if not addresses:
        return []
    ours = [address for address in addresses if address.family == addresses[0].family]
    others = [address for address in addresses if address.family != addresses[0].family]
    return [address for address in chain.from_iterable(zip_longest(ours, others)) if address]


async def _dialled(dial: Dial, address: Address) -> socket.socket:
    return await dial(address)


async def _give_up(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """Also one that has just connected is closed."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            (await task).close()
