"""Redis' side of the hub: one connection for all watched jobs, kept alive, opened anew when it is lost."""

import asyncio
import contextlib
import logging
import random
from typing import Any, Protocol

from vidferry_common.contract import keys
from vidferry_common.metrics.catalogue import RedisLoss
from vidferry_common.store import RedisSettings
from vidferry_common.store.client import connection_name, connection_options
from vidferry_common.store.sentinel import NoPrimary, Sentinels
from vidferry_gateway.hub import Hub
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.redis.connection import RedisRefused, RespConnection, ServerFacts, open_connection, pack_command

_log = logging.getLogger(__name__)

WINDOW = 128
"""Reads under way at once. An answer is up to 65 messages, and Redis cuts a subscriber that has 32 MiB to take."""

_PREFIX = len(keys.CHANNEL)
_BACKOFF_FIRST, _BACKOFF_LAST = 0.05, 2.0
_ASKED_AGAIN = 0.1
"""Seconds between two questions to Sentinels, however many ask for jobs that are not there."""
_SETTLED = 5.0
"""Seconds after which a connection counts as good, and the back-off begins anew."""


class Clients(Protocol):
    """The clients' connections, which write what one read of Redis brought in one flush."""

    def hold_flush(self) -> None: ...
    def flush(self) -> None: ...


class Feed:
    """The hub's link to Redis: carries its work there, and what Redis says back."""

    def __init__(self, settings: RedisSettings, probe: float, metrics: GatewayMetrics, clients: Clients) -> None:
        self._name = connection_name("gateway", "messages")
        self._options, self._probe, self._clients = connection_options(settings, self._name), probe, clients
        self._metrics = metrics
        self._sentinels: Sentinels | None = self._options.get("sentinels")
        self._doubt = asyncio.Event()
        self.hub = Hub(self._schedule_send, self._metrics, self._doubt.set if self._sentinels else None)
        self._connection: RespConnection | None = None
        self.reached = False
        """Redis has been there, now or before"""
        self._send_scheduled = False
        self._logged_reason = ""
        self._lost: RespConnection | None = None
        """the connection before this one"""
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._stay_connected())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    # The connection's life.

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            reason = await self._connect_and_serve()
            if asyncio.get_running_loop().time() - began > _SETTLED:
                failures = 0
            self._log_outage(str(reason) or type(reason).__name__)
            ceiling = min(_BACKOFF_LAST, _BACKOFF_FIRST * 2**failures)
            failures = min(failures + 1, 10)
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - spreads load, guards nothing

    async def _connect_and_serve(self) -> Exception:
        """Returns when the connection is lost, or none could be had, with the reason."""
        try:
            connection = await open_connection(self._options, self._name, self._make_connection)
        except (OSError, ValueError, RedisRefused) as error:
            return error
        self._connection, self.reached = connection, True
        self._metrics.redis_connections += 1
        self._count_loss(connection)
        self._logged_reason = ""
        _log.info("connected to Redis")
        following = asyncio.get_running_loop().create_task(self._follow_primary(connection))
        try:
            self._schedule_send()
            return await asyncio.shield(connection.closed)
        finally:
            following.cancel()
            self._connection = None
            self._lost = connection
            connection.abort(ConnectionAbortedError("stopping"))
            await connection.closed
            self.hub.connection_lost()

    async def _follow_primary(self, connection: RespConnection) -> None:
        """Gives the connection up when Sentinels name another primary: one that they can't reach would keep it open.

        A server that is no primary any more, and does not know it yet, knows no job that was made since.
        """
        if self._sentinels is None:
            return
        known = self._sentinels.newest
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._doubt.wait(), self._probe)
            self._doubt.clear()
            doubted = self.hub.doubted_topics()
            with contextlib.suppress(NoPrimary):
                if await self._sentinels.find_primary() != known:
                    connection.abort(ConnectionAbortedError("another server is the primary now"))
                    return
                self.hub.believe_absence(doubted)
            await asyncio.sleep(_ASKED_AGAIN)

    def _count_loss(self, connection: RespConnection) -> None:
        """Why the last one was lost, which Redis itself tells only when it is asked again."""
        lost, self._lost = self._lost, None
        if lost is not None:
            self._metrics.redis_connection_lost(_loss_reason(lost.closed.result(), lost.server, connection.server))

    def _log_outage(self, reason: str) -> None:
        """Once an outage, and once more where its reason changes."""
        if reason != self._logged_reason:
            self._logged_reason = reason
            _log.warning("Redis is away: %s", reason)

    def _make_connection(self) -> RespConnection:
        return RespConnection(self, self._probe, self._metrics.clock_offset)

    # Out: all that came up in one iteration of the loop leaves in one write.

    def _schedule_send(self) -> None:
        if self._connection is not None and not self._send_scheduled:
            self._send_scheduled = True
            asyncio.get_running_loop().call_soon(self._send_work)

    def _send_work(self) -> None:
        self._send_scheduled = False
        if self._connection is None:
            return
        work = self.hub.take_work(WINDOW - self.hub.reads_in_flight)
        out = []
        if work.unsubscribe:
            out.append(pack_command("UNSUBSCRIBE", *(keys.CHANNEL + job_id for job_id in work.unsubscribe)))
        if work.subscribe:
            out.append(pack_command("SUBSCRIBE", *(keys.CHANNEL + job_id for job_id in work.subscribe)))
        out.extend(_read_command(job_id) for job_id in work.read)
        self._connection.send(b"".join(out))

    # In: what came in one read of the connection leaves in one write to each socket.

    def read_begun(self) -> None:
        self._clients.hold_flush()

    def message_received(self, channel: bytes, payload: bytes) -> None:
        self.hub.receive(channel[_PREFIX:], payload)

    def push_received(self, kind: bytes, channel: bytes) -> None:
        if kind == b"subscribe" and _log.isEnabledFor(logging.DEBUG):
            _log.debug("subscribed to channel", extra={"job_id": channel[_PREFIX:].decode()})

    def reply_received(self, item: Any) -> None:
        state, history = item
        self.hub.answer_read(state, history)
        if not self.hub.idle:
            self._schedule_send()

    def read_ended(self) -> None:
        self.hub.deliver_due()
        self._clients.flush()


def _loss_reason(reason: Exception, before: ServerFacts | None, now: ServerFacts | None) -> RedisLoss:
    if isinstance(reason, TimeoutError):
        return RedisLoss.SILENT
    if isinstance(reason, RedisRefused):
        return RedisLoss.REFUSED
    if before and now and before.run_id == now.run_id and now.dropped > before.dropped:
        _log.warning("Redis dropped the subscription: this gateway did not keep up; everything watched was read again")
        return RedisLoss.BEHIND
    return RedisLoss.CLOSED


def _read_command(job_id: str) -> bytes:
    """One moment of the record: a message published between two commands could be in neither.

    By a script, as a Redis whose memory is used up refuses each command within MULTI, reads too.
    """
    key = keys.JOB + job_id
    return pack_command("EVAL", _READ, "2", key, key + keys.HISTORY)


_READ = "return {redis.call('HGET', KEYS[1], 'state'), redis.call('LRANGE', KEYS[2], 0, -1)}"
