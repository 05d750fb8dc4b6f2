"""How the buckets run blocking calls: in threads of their own, so that long uploads never hold up the event loop's."""

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from vidferry_common.bucket.disposition import other_filename
from vidferry_common.bucket.errors import BucketError, find_error_kind
from vidferry_common.bucket.growing_file import GrowingFile
from vidferry_common.bucket.health import Health
from vidferry_common.bucket.interface import PAGE, CallObserver, ListedObject, SignedLink, StoredObject, Upload
from vidferry_common.bucket.names import checked_name
from vidferry_common.bucket.source import Source
from vidferry_common.bucket.uploads import check_metadata, prepare_upload

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
"""calls at once, in each pool; threads are made as needed, and more calls wait their turn"""
ALL_THREADS = 2 * THREADS
"""of both pools"""
WAITING = THREADS // 2
"""of these, at most, for uploads that wait for their files to grow"""
STOP_SECONDS = 1.0
"""for which a cancelled call is waited for"""


class ThreadedBucket(ABC):
    """The Bucket protocol over blocking calls. A backend writes the calls, whose names begin with an underscore.

    They run in threads, and may raise BucketErrors and nothing else of the storage's own.
    """

    def __init__(self) -> None:
        self._threads = Threads()

    @property
    def health(self) -> Health:
        return self._threads.health

    def observe_calls(self, observer: CallObserver) -> None:
        self._threads.observer = observer

    async def stat(self, name: str) -> StoredObject | None:
        return await self._threads.run("stat", self._stat, checked_name(name))

    async def upload(
        self,
        what: Upload,
        source: BinaryIO,
        size: int,
        progress: Callable[[int], None],
        growing: GrowingFile | None = None,
        *,
        allow_link: bool = False,
    ) -> StoredObject:
        what = prepare_upload(what)
        return await self._threads.upload(
            lambda read: self._upload(what, read, progress, allow_link), source, size, growing
        )

    async def links_from(self, folder: Path) -> bool:  # noqa: ARG002 - most backends hold no files
        return False

    async def read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        return await self._threads.run("read", self._read, checked_name(name), limit)

    async def delete(self, name: str, if_version: str) -> None:
        await self._threads.run("delete", self._delete, checked_name(name), if_version)

    def list_objects(self, folder: str, page: int = PAGE) -> AsyncGenerator[list[ListedObject], None]:
        return self._threads.run_pages(self._list_pages(checked_name(folder), page))

    async def update_metadata(self, stored: StoredObject, changes: Mapping[str, str]) -> StoredObject:
        metadata = check_metadata({**stored.metadata, **changes})
        return await self._threads.run("update", self._update_metadata, stored, metadata)

    def describe_objects(
        self, folder: str, after: str = "", page: int = PAGE
    ) -> AsyncGenerator[list[StoredObject], None]:
        return self._threads.run_pages(self._describe_pages(checked_name(folder), after and checked_name(after), page))

    async def sign_link(self, stored: StoredObject, lifetime: float, filename: str = "") -> SignedLink:
        filename = other_filename(filename, stored.filename)
        return await self._threads.run_without_health("sign", self._sign_link, stored, lifetime, filename)

    async def remove_leftovers(self, folder: str, age: float) -> int:
        return await self._threads.run("list", self._remove_leftovers, checked_name(folder), age)

    async def check(self, *, writing: bool = False) -> None:
        await self._threads.run("check", self._check, writing)

    async def close(self) -> None:
        await self._threads.close()

    @abstractmethod
    def _stat(self, name: str) -> StoredObject | None: ...
    @abstractmethod
    def _upload(
        self, what: Upload, source: Source, progress: Callable[[int], None], allow_link: bool
    ) -> StoredObject: ...
    @abstractmethod
    def _read(self, name: str, limit: int) -> tuple[StoredObject, bytes]: ...
    @abstractmethod
    def _delete(self, name: str, if_version: str) -> None: ...
    @abstractmethod
    def _list_pages(self, folder: str, page: int) -> Iterator[list[ListedObject]]: ...
    @abstractmethod
    def _update_metadata(self, stored: StoredObject, metadata: Mapping[str, str]) -> StoredObject: ...
    @abstractmethod
    def _describe_pages(self, folder: str, after: str, page: int) -> Iterator[list[StoredObject]]: ...
    @abstractmethod
    def _sign_link(self, stored: StoredObject, lifetime: float, filename: str) -> SignedLink: ...
    def _remove_leftovers(self, folder: str, age: float) -> int:  # noqa: ARG002 - most backends leave none
        return 0

    @abstractmethod
    def _check(self, writing: bool) -> None: ...


class Threads:
    """Two pools of threads, so that a readiness check or a link never waits behind uploads."""

    def __init__(self) -> None:
        self.health = Health()
        self.observer: CallObserver = lambda _operation, _seconds, _error: None
        """is told of each call, in the event loop's thread"""
        self._short = ThreadPoolExecutor(THREADS, "bucket")
        self._long = ThreadPoolExecutor(THREADS, "bucket-upload")
        self._waiting = threading.BoundedSemaphore(WAITING)

    async def run(self, operation: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result; its outcome counts for the bucket's health."""
        with self._observe(operation):
            return await asyncio.wrap_future(self._short.submit(self._record_health, partial(call, *args, **kwargs)))

    async def run_without_health(self, operation: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As run, of a call that may end without asking the bucket: its outcome says nothing of the bucket's health."""
        with self._observe(operation):
            return await asyncio.wrap_future(self._short.submit(call, *args, **kwargs))

    async def run_pages(self, pages: Iterator[list[T]]) -> AsyncGenerator[list[T], None]:
        """Each page that is not empty, made in a thread when it is asked for."""
        while (page := await self.run("list", next, pages, None)) is not None:
            if page:
                yield page

    async def upload(self, work: Callable[[Source], T], file: BinaryIO, size: int, growing: GrowingFile | None) -> T:
        """The work's result. Cancelled, it stops the source and waits for the work's end, for STOP_SECONDS at most.

        Work that checks its source before each of its steps makes nothing appear after a cancellation, except by the
        step that it is in, such as a request without an answer yet: its thread ends with that step. Work on a growing
        file waits for its writer and not for the storage, so half of the threads are left to other uploads:
        BucketError where it would take more.
        """
        stop = threading.Event()
        if growing and not self._waiting.acquire(blocking=False):
            raise BucketError(f"{WAITING} uploads wait for their files already")
        future = self._long.submit(self._record_health, partial(work, Source(file, size, stop, growing)))
        if growing:
            future.add_done_callback(lambda _: self._waiting.release())
        waited = asyncio.wrap_future(future)
        waited.add_done_callback(_retrieve_exception)
        try:
            with self._observe("upload"):
                return await asyncio.shield(waited)
        except asyncio.CancelledError:
            stop.set()
            if not future.cancel():
                await _wait_for_end(future)
            raise

    @contextmanager
    def _observe(self, operation: str) -> Iterator[None]:
        """Tells of the call within, with its wait for a thread, unless it is cancelled."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            self.observer(operation, time.monotonic() - started, find_error_kind(error))
            raise
        self.observer(operation, time.monotonic() - started, "")

    def _record_health(self, call: Callable[[], T]) -> T:
        try:
            result = call()
        except Exception as error:
            self.health.record_error(error)
            raise
        self.health.record_answer()
        return result

    async def close(self) -> None:
        """Waits for the calls under way."""
        await asyncio.to_thread(self._short.shutdown)
        await asyncio.to_thread(self._long.shutdown)


def _retrieve_exception(waited: asyncio.Future[T]) -> None:
    """Else asyncio logs it as never retrieved: shield does not look at it once its waiter is cancelled."""
    if not waited.cancelled():
        waited.exception()


async def _wait_for_end(future: Future[T]) -> None:
    """Waits through further cancellations too; upload raises the first one again."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(STOP_SECONDS, ended.set)
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    while not ended.is_set():
        with suppress(asyncio.CancelledError):
            await ended.wait()
