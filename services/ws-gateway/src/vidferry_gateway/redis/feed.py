"""Keeps one connection to Redis for all watched jobs, and passes commands and messages between it and the hub."""

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
from vidferry_gateway.link_tickets import LinkTickets
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.redis.connection import RedisRefused, RespConnection, ServerFacts, open_connection, pack_command
from vidferry_gateway.watch_traces import WatchTraces

_log = logging.getLogger(__name__)

MAX_READS_IN_FLIGHT = 128
"""The most reads in flight. An answer is up to 65 messages, and Redis disconnects a subscriber with 32 MiB unread."""

_PREFIX_LENGTH = len(keys.CHANNEL)
_BACKOFF_FIRST, _BACKOFF_LAST = 0.05, 2.0
_VERIFY_INTERVAL = 0.1
"""Seconds between two queries to the Sentinels, however many clients ask for jobs that do not exist."""
_STABLE_SECONDS = 5.0
"""Seconds that a connection must last for the back-off to start again from its first delay."""


class Clients(Protocol):
    """The clients' connections. What one read of Redis brings is written to each of them in one flush."""

    def hold_flush(self) -> None: ...
    def flush_scheduled(self) -> None: ...


class RedisFeed:
    """The hub's connection to Redis, opened again whenever it is lost."""

    def __init__(
        self,
        settings: RedisSettings,
        probe: float,
        metrics: GatewayMetrics,
        clients: Clients,
        link_tickets: LinkTickets | None = None,
        traces: WatchTraces | None = None,
    ) -> None:
        """link_tickets: where access isn't open; the owners of jobs are read too then."""
        self._name = connection_name("gateway", "messages")
        self._options, self._probe, self._clients = connection_options(settings, self._name), probe, clients
        self._metrics = metrics
        self._sentinels: Sentinels | None = self._options.get("sentinels")
        self._absence_to_verify = asyncio.Event()
        verify_absence = self._absence_to_verify.set if self._sentinels else None
        self.hub = Hub(self._schedule_send, self._metrics, verify_absence, link_tickets, traces)
        self._read_script = _READ if link_tickets is None else _READ_WITH_OWNER
        self._connection: RespConnection | None = None
        self.has_connected = False
        """whether there has been a connection since the start"""
        self._send_scheduled = False
        self._logged_reason = ""
        self._lost_connection: RespConnection | None = None
        """the previous connection, until the reason for its loss has been counted"""
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def start(self) -> None:
        """Starts connecting and returns immediately."""
        self._task = asyncio.get_running_loop().create_task(self._stay_connected())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    # Connecting

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            reason = await self._connect_and_serve()
            if asyncio.get_running_loop().time() - began > _STABLE_SECONDS:
                failures = 0
            self._log_outage(str(reason) or type(reason).__name__)
            ceiling = min(_BACKOFF_LAST, _BACKOFF_FIRST * 2**failures)
            failures = min(failures + 1, 10)
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - spreads load, guards nothing

    async def _connect_and_serve(self) -> Exception:
        """Returns the reason once the connection is lost, or could not be opened."""
        try:
            connection = await open_connection(self._options, self._name, self._make_connection)
        except (OSError, ValueError, RedisRefused) as error:
            return error
        self._connection, self.has_connected = connection, True
        self._metrics.redis_connections += 1
        self._count_loss(connection)
        self._logged_reason = ""
        _log.info("connected to Redis")
        follow_task = asyncio.get_running_loop().create_task(self._follow_primary(connection))
        try:
            self._schedule_send()
            return await asyncio.shield(connection.closed)
        finally:
            follow_task.cancel()
            self._connection = None
            self._lost_connection = connection
            connection.abort(ConnectionAbortedError("stopping"))
            await connection.closed
            self.hub.connection_lost()

    async def _follow_primary(self, connection: RespConnection) -> None:
        """Closes the connection when the Sentinels name another primary.

        A former primary that is cut off from the Sentinels would keep the connection open. It does not know the jobs
        that were made since, so absences are confirmed here too.
        """
        if self._sentinels is None:
            return
        primary = self._sentinels.newest
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._absence_to_verify.wait(), self._probe)
            self._absence_to_verify.clear()
            unverified = self.hub.unverified_topics()
            with contextlib.suppress(NoPrimary):
                if await self._sentinels.find_primary() != primary:
                    connection.abort(ConnectionAbortedError("another server is the primary now"))
                    return
                self.hub.confirm_absence(unverified)
            await asyncio.sleep(_VERIFY_INTERVAL)

    def _count_loss(self, connection: RespConnection) -> None:
        """Counts why the previous connection was lost. The server's own counters, read while signing in again, tell
        whether it disconnected this gateway for being slow.
        """
        lost, self._lost_connection = self._lost_connection, None
        if lost is not None:
            self._metrics.redis_connection_lost(_loss_reason(lost.closed.result(), lost.server, connection.server))

    def _log_outage(self, reason: str) -> None:
        """Logs an outage once, and again when its reason changes."""
        if reason != self._logged_reason:
            self._logged_reason = reason
            _log.warning("Redis is away", extra={"error": reason})

    def _make_connection(self) -> RespConnection:
        return RespConnection(self, self._probe, self._metrics.clock_offset)

    # Sending: the commands of one iteration of the event loop leave in one write.

    def _schedule_send(self) -> None:
        if self._connection is not None and not self._send_scheduled:
            self._send_scheduled = True
            asyncio.get_running_loop().call_soon(self._send_commands)

    def _send_commands(self) -> None:
        self._send_scheduled = False
        if self._connection is None:
            return
        commands = self.hub.take_commands(MAX_READS_IN_FLIGHT - self.hub.reads_in_flight)
        out = []
        if commands.unsubscribe:
            out.append(pack_command("UNSUBSCRIBE", *(keys.CHANNEL + job_id for job_id in commands.unsubscribe)))
        if commands.subscribe:
            out.append(pack_command("SUBSCRIBE", *(keys.CHANNEL + job_id for job_id in commands.subscribe)))
        out.extend(_read_command(self._read_script, job_id) for job_id in commands.read)
        self._connection.send(b"".join(out))

    # Receiving: what one read of the connection brings leaves in one write to each client.

    def read_begun(self) -> None:
        self._clients.hold_flush()

    def message_received(self, channel: bytes, payload: bytes) -> None:
        self.hub.receive_message(channel[_PREFIX_LENGTH:], payload)

    def push_received(self, kind: bytes, channel: bytes) -> None:
        if kind == b"subscribe" and _log.isEnabledFor(logging.DEBUG):
            _log.debug("subscribed to channel", extra={"job_id": channel[_PREFIX_LENGTH:].decode()})

    def reply_received(self, item: Any) -> None:
        state, *owner, history = item
        self.hub.answer_read(state, history, *owner)
        if self.hub.has_commands:
            self._schedule_send()

    def read_ended(self) -> None:
        self.hub.deliver_pending()
        self._clients.flush_scheduled()


def _loss_reason(reason: Exception, before: ServerFacts | None, now: ServerFacts | None) -> RedisLoss:
    if isinstance(reason, TimeoutError):
        return RedisLoss.SILENT
    if isinstance(reason, RedisRefused):
        return RedisLoss.REFUSED
    if before and now and before.run_id == now.run_id and now.slow_disconnections > before.slow_disconnections:
        _log.warning("Redis dropped the subscription: this gateway did not keep up; everything watched was read again")
        return RedisLoss.BEHIND
    return RedisLoss.CLOSED


def _read_command(script: str, job_id: str) -> bytes:
    """Reads all in one step: a message published between two commands could be missing from both.

    A script and not MULTI: a Redis whose memory is full refuses every command within MULTI, reads included.
    """
    key = keys.JOB + job_id
    return pack_command("EVAL", script, "2", key, key + keys.HISTORY)


_READ_WITH_OWNER = (
    "return {redis.call('HGET', KEYS[1], 'state'), redis.call('HGET', KEYS[1], 'owner') or '', "
    "redis.call('LRANGE', KEYS[2], 0, -1)}"
)
"""A record of an older release has no owner, as one of open access. The answer ends with a list, as that of _READ does:
so the connection knows it from others.
"""
_READ = "return {redis.call('HGET', KEYS[1], 'state'), redis.call('LRANGE', KEYS[2], 0, -1)}"
