"""Tells when a job's status changes: one connection to Redis for all in this process who wait for that.

redis-py's own pub/sub object is not used: after a cut it can stay silent without an error. Here a connection that fails
or does not answer its probe is replaced, and everybody who waits is told to read the job again.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Any

import orjson
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from vidferry_common.contract import keys
from vidferry_common.store.client import RedisSettings, connection_options

logger = logging.getLogger(__name__)

PROBE_SECONDS = 5.0
"""without a message, after which the connection is probed; after as many again without an answer it is replaced"""
BACKOFF_FIRST, BACKOFF_LAST = 0.05, 2.0
STABLE_SECONDS = 5.0
"""that a connection must last for the back-off to start again from its first delay"""


class TooManyListeners(Exception):
    """As many listeners wait as this process may hold, or as one owner may have of them."""


class Listener:
    """Waits for one job's status to become another one."""

    __slots__ = ("_news", "changed", "released", "status")

    def __init__(self, status: str) -> None:
        self.status = status
        """the status that it waits to change"""
        self.changed = False
        """whether a message with another status has come"""
        self.released = False
        """whether it need not wait any longer, whatever the status is"""
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns when the job should be read: its status has changed, or a message may have been missed, or the time
        is over, or the listener was released.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    def wake(self) -> None:
        self._news.set()

    def release(self) -> None:
        self.released = True
        self.wake()

    def note_status(self, status: str) -> None:
        if status != self.status:
            self.changed = True
            self.wake()


class JobChanges:
    """The listeners of one process, and their connection, which is opened when the first one comes."""

    def __init__(self, settings: RedisSettings, name: str, limit: int) -> None:
        """name: what Redis shows of the connection. limit: the most listeners at once."""
        options = {
            **connection_options(settings, name),
            "health_check_interval": 0,
            "socket_timeout": 10,
            "protocol": 2,
        }
        self._connection_class: type[Connection] = options.pop("connection_class", Connection)
        self._options = options
        self._limit, self._count = limit, 0
        self._owner_limit = (limit + 1) // 2
        self._by_owner: Counter[str] = Counter()
        self._listeners: dict[bytes, set[Listener]] = {}
        """by channel"""
        self._subscribed: set[bytes] = set()
        """the channels for which the present connection has sent SUBSCRIBE"""
        self._closing = False
        self._wanted = asyncio.Event()
        """set while there are listeners"""
        self._to_send = asyncio.Event()
        """set when the listeners' channels may differ from the subscribed ones"""
        self._is_out = False
        """whether an outage has been logged, and the listeners told"""
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self, job_id: str, status: str, owner: str = "") -> Iterator[Listener]:
        """A listener for as long as the context lasts. Raises TooManyListeners.

        It is woken once the subscription stands. Whoever reads the job then misses no change.
        owner: who listens. One owner has at most half of the places, so that others find some; empty: nobody counts.
        """
        if self._count >= self._limit or (owner and self._by_owner[owner] >= self._owner_limit):
            raise TooManyListeners
        listener, channel = Listener(status), (keys.CHANNEL + job_id).encode()
        self._by_owner[owner] += 1
        self._add(channel, listener)
        try:
            yield listener
        finally:
            self._remove(channel, listener)
            self._by_owner[owner] -= 1
            if not self._by_owner[owner]:
                del self._by_owner[owner]

    def release_all(self) -> None:
        """Has all listeners answered now, and those that still come at once: the process is about to stop."""
        self._closing = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.release()

    async def close(self) -> None:
        while self._task is not None and not self._task.done():
            self._task.cancel()
            # Python 3.11's wait_for(), which redis-py opens connections with, can lose a cancellation.
            await asyncio.wait([self._task], timeout=1)

    def _add(self, channel: bytes, listener: Listener) -> None:
        self._count += 1
        self._listeners.setdefault(channel, set()).add(listener)
        if channel in self._subscribed:
            listener.wake()  # no confirmation is to come, or one that wakes it again
        if self._closing:
            listener.release()
        self._wanted.set()
        self._to_send.set()
        if self._task is None:
            # In a context of its own: it outlives the request that starts it, and is none of that in the log.
            self._task = asyncio.create_task(self._stay_connected(), context=Context())

    def _remove(self, channel: bytes, listener: Listener) -> None:
        self._count -= 1
        listeners = self._listeners[channel]
        listeners.remove(listener)
        if not listeners:
            del self._listeners[channel]
            self._to_send.set()
        if not self._listeners:
            self._wanted.clear()

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            await self._wanted.wait()
            began = asyncio.get_running_loop().time()
            connection = self._connection_class(**self._options)
            try:
                await self._serve(connection)
            except (RedisError, OSError) as error:
                self._note_outage(error)
            finally:
                self._subscribed.clear()
                await connection.disconnect(nowait=True)
            if asyncio.get_running_loop().time() - began > STABLE_SECONDS:
                failures = 0
            ceiling = min(BACKOFF_LAST, BACKOFF_FIRST * 2**failures)
            failures = min(failures + 1, 10)
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - spreads load, guards nothing

    async def _serve(self, connection: Connection) -> None:
        """Ends with an exception once the connection is lost, or could not be opened."""
        await connection.connect()  # type: ignore[no-untyped-call]
        connection.socket_timeout = None  # the probe notices silence
        self._to_send.set()
        tasks = [asyncio.create_task(work(connection)) for work in (self._send_commands, self._read_messages)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        raise next(each for each in results if isinstance(each, Exception))

    def _note_outage(self, error: Exception) -> None:
        """Wakes all listeners: they read their jobs and answer with an error if Redis is away. Once for each outage:
        where only this connection can't be had, they read now and then anyway.
        """
        if self._is_out:
            return
        self._is_out = True
        logger.warning("the connection of waiting requests is lost", extra={"error": str(error)})
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.wake()

    async def _send_commands(self, connection: Connection) -> None:
        """Sends what has come together since the last time in one command of each kind."""
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            gone, new = self._subscribed - self._listeners.keys(), self._listeners.keys() - self._subscribed
            self._subscribed = set(self._listeners)
            if gone:
                await connection.send_command("UNSUBSCRIBE", *gone, check_health=False)
            if new:
                await connection.send_command("SUBSCRIBE", *new, check_health=False)

    async def _read_messages(self, connection: Connection) -> None:
        probed = False
        while True:
            item = await connection.read_response(timeout=PROBE_SECONDS, disconnect_on_error=False)
            if item is not None:
                probed = False
                self._hand_on(item)
            elif probed:
                raise TimeoutError("Redis does not answer")
            else:
                probed = True
                await connection.send_command("PING", check_health=False)

    def _hand_on(self, item: Any) -> None:
        kind, channel, payload = item if isinstance(item, list) and len(item) == 3 else (b"", b"", b"")  # noqa: PLR2004
        if kind == b"subscribe":
            self._is_out = False
            for listener in self._listeners.get(channel, ()):
                listener.wake()
        elif kind == b"message":
            status = _read_status(payload)
            for listener in self._listeners.get(channel, ()):
                listener.note_status(status)


def _read_status(payload: bytes) -> str:
    """The status that a message tells; empty where it can't be read, so that whoever waits reads the job itself."""
    try:
        return str(orjson.loads(payload)["data"]["status"])
    except (ValueError, KeyError, TypeError):
        return ""
