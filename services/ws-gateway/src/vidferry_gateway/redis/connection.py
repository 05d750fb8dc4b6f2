"""A connection to Redis in RESP3 on the bare event loop: sends packed commands, hands on pushes and replies."""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import hiredis
from redis.asyncio.connection import Connection as TcpConnection
from redis.asyncio.connection import SSLConnection

from vidferry_common.metrics import ClockOffset
from vidferry_common.store.sentinel import NoPrimary
from vidferry_gateway.buffer import SharedBuffer

_log = logging.getLogger(__name__)
_NEED_MORE_DATA = object()
_OPTIONAL_COMMAND_DENIED = re.compile(r"NOPERM .*'(?:info|time)'")
"""The gateway works without INFO and TIME, so a user that may not call them is accepted."""


class RedisRefused(Exception):
    """Redis answered with an error: wrong password, missing permission, still loading, or not the primary."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The identity of a Redis server, and how many clients it has disconnected for not reading fast enough."""

    run_id: bytes
    slow_disconnections: int

    @classmethod
    def parse_info(cls, info: bytes) -> "ServerFacts":
        """Parses the answer to INFO. Redis 7.0 does not report the disconnections yet."""
        fields = dict(line.split(b":", 1) for line in info.split(b"\r\n") if b":" in line)
        disconnections = fields.get(b"client_output_buffer_limit_disconnections", b"0")
        return cls(fields.get(b"run_id", b""), int(disconnections))


class Listener(Protocol):
    """The receiver of what a connection reads."""

    def read_begun(self) -> None:
        """Bytes have been read. The calls for what they contain follow immediately, then read_ended()."""

    def message_received(self, channel: bytes, payload: bytes) -> None: ...

    def push_received(self, kind: bytes, channel: bytes) -> None:
        """A push other than a message, such as the confirmation of a SUBSCRIBE."""

    def reply_received(self, item: Any) -> None: ...

    def read_ended(self) -> None:
        """Everything that was read has been handed over."""


class RespConnection(SharedBuffer):
    """A connection to Redis in RESP3 that is probed regularly. `closed` resolves with the reason when it ends."""

    def __init__(self, listener: Listener, probe: float, clock_offset: ClockOffset) -> None:
        self._listener, self._probe_seconds, self._clock_offset = listener, probe, clock_offset
        self._reader = hiredis.Reader(notEnoughData=_NEED_MORE_DATA)
        self._loop = asyncio.get_running_loop()
        self._signed_in: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
        self._unanswered = False
        self._probed = 0.0
        """time of the last probe, by the event loop's clock"""
        self._failure: Exception | None = None
        self.closed: asyncio.Future[Exception] = self._loop.create_future()
        self.role = ""
        """the server's role, from its answer to HELLO: `master` or `replica`"""
        self.server: ServerFacts | None = None
        """read while signing in; None if this user may not call INFO"""

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def sign_in(self, hello: tuple[str, ...], database: int) -> None:
        """Switches to RESP3, authenticates, and waits for an answer to PING. Raises RedisRefused and OSError."""
        commands = [hello, ("SELECT", str(database))] if database else [hello]
        self.send(b"".join(pack_command(*each) for each in (*commands, ("INFO",), ("PING",))))
        await self._signed_in

    def abort(self, reason: Exception) -> None:
        """Closes the connection immediately."""
        self._failure = self._failure or reason
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._listener.read_begun()
        try:
            self._handle_all()
        except (hiredis.HiredisError, RedisRefused) as error:
            self.abort(error)
        self._listener.read_ended()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self._failure or exc or ConnectionResetError("Redis closed the connection")
        if self._probe_timer is not None:
            self._probe_timer.cancel()
        if not self._signed_in.done():
            self._signed_in.set_exception(reason)
        self.closed.set_result(reason)

    # Internals

    def _handle_all(self) -> None:
        """Hands on everything that has been parsed. Nearly all of it is messages, so they are checked first."""
        gets, message = self._reader.gets, self._listener.message_received
        while self._failure is None and (item := gets()) is not _NEED_MORE_DATA:
            if type(item) is not hiredis.PushNotification:
                self._handle_reply(item)
            elif item[0] == b"message":
                message(item[1], item[2])
            else:
                self._listener.push_received(item[0], item[1])

    def _handle_reply(self, item: Any) -> None:
        if isinstance(item, hiredis.ReplyError):
            if not _OPTIONAL_COMMAND_DENIED.match(str(item)):
                raise RedisRefused(str(item))
        elif item == b"PONG":
            self._unanswered = False
            if not self._signed_in.done():
                self._signed_in.set_result(None)
                self._probe_timer = self._loop.call_later(self._probe_seconds, self._send_probe)
        elif self._signed_in.done():
            if isinstance(item, list) and isinstance(item[-1], bytes):  # TIME's; a read's answer ends with a list
                self._clock_offset.record_measure(int(item[0]) + int(item[1]) / 1e6, self._loop.time() - self._probed)
            else:
                self._listener.reply_received(item)
        elif isinstance(item, dict):  # HELLO's answer
            self.role = item[b"role"].decode()
        elif isinstance(item, bytes) and b"run_id:" in item:
            self.server = ServerFacts.parse_info(item)

    def _send_probe(self) -> None:
        """Probes the connection, since TCP alone does not notice a peer that vanished."""
        if self._unanswered:
            self.abort(TimeoutError(f"Redis did not answer for {self._probe_seconds:g} s"))
            return
        self._unanswered = True
        self._probed = self._loop.time()
        self.send(_PROBE)
        self._probe_timer = self._loop.call_later(self._probe_seconds, self._send_probe)


def pack_command(*words: str) -> bytes:
    """Encodes a command in the Redis protocol."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # the stub allows a tuple of one
    return packed


_PROBE = pack_command("TIME") + pack_command("PING")


async def open_connection(options: dict[str, Any], name: str, factory: Callable[[], RespConnection]) -> RespConnection:
    """Connects and signs in. Raises OSError (including TimeoutError) and RedisRefused.

    The options are the ones that the other services pass to their Redis client.
    """
    if "sentinels" in options:
        options = {**options, **await _primary_address(options)}
    async with asyncio.timeout(options["socket_connect_timeout"]):
        connection = await _connect(options, factory)
        try:
            await connection.sign_in(_hello_command(options, name), options.get("db", 0))
            _check_role(connection, options)
        except BaseException:
            connection.abort(ConnectionAbortedError("signing in failed"))
            raise
    return connection


def _check_role(connection: RespConnection, options: dict[str, Any]) -> None:
    """The server that the Sentinels name may have been demoted since."""
    if "sentinels" in options and connection.role != "master":
        raise RedisRefused(f"{options['host']}:{options['port']} is no primary (any more)")


async def _primary_address(options: dict[str, Any]) -> dict[str, Any]:
    try:
        host, port = await options["sentinels"].find_primary()
    except NoPrimary as error:
        raise RedisRefused(str(error)) from error
    return {"host": host, "port": port}


async def _connect(options: dict[str, Any], factory: Callable[[], RespConnection]) -> RespConnection:
    loop = asyncio.get_running_loop()
    if "path" in options:
        _, connection = await loop.create_unix_connection(factory, options["path"])
    else:
        _, connection = await loop.create_connection(
            factory, options.get("host", "localhost"), options.get("port", 6379), ssl=_tls_context(options)
        )
    return connection


def _hello_command(options: dict[str, Any], name: str) -> tuple[str, ...]:
    password = options.get("password")
    auth = ("AUTH", options.get("username") or "default", password) if password else ()
    return ("HELLO", "3", *auth, "SETNAME", name)


def _tls_context(options: dict[str, Any]) -> ssl.SSLContext | None:
    """Applies the URL's `ssl_` options in the way the other services' client does."""
    if not issubclass(options.get("connection_class", TcpConnection), SSLConnection):
        return None
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path"))
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    unverified = options.get("ssl_cert_reqs") == "none"
    context.check_hostname = not unverified and options.get("ssl_check_hostname", True)
    if unverified:
        context.verify_mode = ssl.CERT_NONE
    return context
