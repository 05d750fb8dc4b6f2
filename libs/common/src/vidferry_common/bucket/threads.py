"""Blocking storage calls in threads of their own, so that long uploads never starve the event loop's default pool."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import BinaryIO, ParamSpec, TypeVar

from vidferry_common.bucket.growth import Growth
from vidferry_common.bucket.health import Health
from vidferry_common.bucket.interface import BucketError
from vidferry_common.bucket.source import Source

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
"""calls at once, made as needed; more wait their turn"""
ALL_THREADS = 2 * THREADS
"""of both pools"""
WAITING = THREADS // 2
"""of these, at most, for work that waits for others than the storage"""
STOP_SECONDS = 1.0
"""for which a cancelled call is waited for"""


class Threads:
    """Two pools, so that a readiness check or a link never waits behind uploads."""

    def __init__(self) -> None:
        self.health = Health()
        self._short = ThreadPoolExecutor(THREADS, "bucket")
        self._long = ThreadPoolExecutor(THREADS, "bucket-upload")
        self._waiting = threading.BoundedSemaphore(WAITING)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._short.submit(self._noted, partial(call, *args, **kwargs)))

    async def run_here(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As run, of a call that need not ask the bucket, so that its end says nothing of that."""
        return await asyncio.wrap_future(self._short.submit(call, *args, **kwargs))

    async def run_through(self, pages: Iterator[list[T]]) -> AsyncGenerator[list[T], None]:
        """Each page that is not empty, made in a thread when it is asked for."""
        while (page := await self.run(next, pages, None)) is not None:
            if page:
                yield page

    async def upload(self, work: Callable[[Source], T], file: BinaryIO, size: int, growth: Growth | None) -> T:
        """The work's result. Cancelled, it stops the source and waits for the work's end, for STOP_SECONDS at most.

        Work that looks at its source before each of its steps makes nothing appear afterwards but by the step that it
        is in, such as a request that is not answered: its thread ends with that. Work on a file that grows waits for
        others than the storage, and leaves half of the threads to the rest: BucketError where it would take more.
        """
        stop = threading.Event()
        if growth and not self._waiting.acquire(blocking=False):
            raise BucketError(f"{WAITING} uploads wait for their files already")
        future = self._long.submit(self._noted, partial(work, Source(file, size, stop, growth)))
        if growth:
            future.add_done_callback(lambda _: self._waiting.release())
        waited = asyncio.wrap_future(future)
        waited.add_done_callback(_seen)
        try:
            return await asyncio.shield(waited)
        except asyncio.CancelledError:
            stop.set()
            if not future.cancel():
                await _ended(future)
            raise

    def _noted(self, call: Callable[[], T]) -> T:
        """The call's result; its end tells of the bucket's health."""
        try:
            result = call()
        except Exception as error:
            self.health.failed(error)
            raise
        self.health.answered()
        return result

    async def close(self) -> None:
        """Waits for the calls under way."""
        await asyncio.to_thread(self._short.shutdown)
        await asyncio.to_thread(self._long.shutdown)


def _seen(waited: asyncio.Future[T]) -> None:
    """Once its waiter is cancelled, shield leaves an exception unlooked at, and asyncio would log it as lost."""
    if not waited.cancelled():
        waited.exception()


async def _ended(future: Future[T]) -> None:
    """Waits also through further cancellations; the first one is raised again by upload."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(STOP_SECONDS, ended.set)
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    while not ended.is_set():
        with suppress(asyncio.CancelledError):
            await ended.wait()
