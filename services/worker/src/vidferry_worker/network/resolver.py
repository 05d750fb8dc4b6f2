"""Name resolution for children: a name whose server does not answer holds up nobody but who asked for it.

getaddrinfo(3) knows no deadline, and a thread that waits in it can't be stopped. So each look-up has a thread of its
own, a child has a share of them, and all together are bounded.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

MAX_LOOKUPS = 128
"""of all children, those included that nobody waits for any more"""
SHARE = 8
"""of one child"""

Found = list[tuple[Any, ...]]
"""as getaddrinfo has it"""


class TooManyLookups(OSError):
    """More names are being looked up than may be."""


class Share:
    """The look-ups that one child may have at once. It counts until its thread ends, even where its asker gave up."""

    def __init__(self, resolver: "Resolver") -> None:
        self._resolver = resolver
        self._free = asyncio.Semaphore(SHARE)

    async def look_up(self, host: str, port: int) -> Found:
        """The stream addresses of a host; OSError."""
        with contextlib.suppress(socket.gaierror):  # an address in any spelling needs no server
            return _ask(host, port, socket.AI_NUMERICHOST)
        await self._free.acquire()
        try:
            answer = self._resolver.begin(host, port, self._free.release)
        except BaseException:
            self._free.release()
            raise
        return await answer


class Resolver:
    """The resolver of all children of a worker."""

    def __init__(self) -> None:
        self._running = 0

    def begin(self, host: str, port: int, ended: Callable[[], object]) -> "asyncio.Future[Found]":
        """The answer to come; ended() is called, in the event loop, once the thread is free. TooManyLookups."""
        if self._running >= MAX_LOOKUPS:
            msg = "too many names are being looked up"
            raise TooManyLookups(msg)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()

        def look_up() -> None:
            try:
                result: Found | Exception = _ask(host, port)
            except (OSError, ValueError) as error:  # ValueError: what is no name (UnicodeError)
                result = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(end, result)

        def end(result: Found | Exception) -> None:
            self._running -= 1
            ended()
            if answer.done():
                return
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        threading.Thread(target=look_up, name="resolver", daemon=True).start()
        self._running += 1
        return answer


def _ask(host: str, port: int, flags: int = 0) -> Found:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=flags))
