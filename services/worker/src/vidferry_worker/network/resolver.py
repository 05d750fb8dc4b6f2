"""Name resolution for children: a name server that doesn't answer holds up only the child that asked for its name.

getaddrinfo(3) takes no timeout, and a thread that waits in it can't be stopped. So each look-up has a thread of its
own, each child has a quota of them, and there is a limit for all children together.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

MAX_LOOKUPS = 128
"""at once, of all children; those that nobody waits for any more count too"""
MAX_LOOKUPS_PER_CHILD = 8
"""at once"""

AddressInfo = list[tuple[Any, ...]]
"""what getaddrinfo returns"""


class TooManyLookups(OSError):
    """More names are being looked up than may be."""


class LookupQuota:
    """The look-ups that one child may have at once. One counts until its thread ends, even if the child gave up."""

    def __init__(self, resolver: "Resolver") -> None:
        self._resolver = resolver
        self._free = asyncio.Semaphore(MAX_LOOKUPS_PER_CHILD)

    async def look_up(self, host: str, port: int) -> AddressInfo:
        """The TCP addresses of a host; OSError."""
        with contextlib.suppress(socket.gaierror):  # an IP address, in any notation, needs no name server
            return _getaddrinfo(host, port, socket.AI_NUMERICHOST)
        await self._free.acquire()
        try:
            answer = self._resolver.start_lookup(host, port, self._free.release)
        except BaseException:
            self._free.release()
            raise
        return await answer


class Resolver:
    """The resolver of all children of a worker."""

    def __init__(self) -> None:
        self._running = 0

    def start_lookup(self, host: str, port: int, on_end: Callable[[], object]) -> "asyncio.Future[AddressInfo]":
        """The answer to come; TooManyLookups. on_end() is called, in the event loop, when the thread has ended."""
        if self._running >= MAX_LOOKUPS:
            msg = "too many names are being looked up"
            raise TooManyLookups(msg)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[AddressInfo] = loop.create_future()

        def run_lookup() -> None:
            try:
                result: AddressInfo | Exception = _getaddrinfo(host, port)
            except (OSError, ValueError) as error:  # ValueError: not a valid name (UnicodeError)
                result = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(end_lookup, result)

        def end_lookup(result: AddressInfo | Exception) -> None:
            self._running -= 1
            on_end()
            _set_answer(answer, result)

        threading.Thread(target=run_lookup, name="resolver", daemon=True).start()
        self._running += 1
        return answer


def _set_answer(answer: "asyncio.Future[AddressInfo]", result: AddressInfo | Exception) -> None:
    if answer.done():  # nobody waits for it any more
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _getaddrinfo(host: str, port: int, flags: int = 0) -> AddressInfo:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=flags))
