"""One connection to Redis in RESP3: commands go out as they are, pushes and replies come back as they arrive."""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import hiredis
from redis.asyncio.connection import Connection as PlainConnection
from redis.asyncio.connection import SSLConnection

from vidferry_common.metrics import ClockOffset
from vidferry_common.store.sentinel import NoPrimary
from vidferry_gateway.buffer import SharedBuffer

_log = logging.getLogger(__name__)
_NOTHING = object()
_WITHHELD = re.compile(r"NOPERM .*'(?:info|time)'")
"""what a user may be kept from: it is no more than nice to have"""


class RedisRefused(Exception):
    """Redis answered with an error: a wrong password, a missing right, a server that is still loading or no primary."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What INFO tells of a server: which it is, and how many clients it has dropped for not reading on."""

    run_id: bytes
    dropped: int

    @classmethod
    def parse_info(cls, info: bytes) -> "ServerFacts":
        """Of INFO's answer. Redis 7.0 does not count yet."""
        fields = dict(line.split(b":", 1) for line in info.split(b"\r\n") if b":" in line)
        dropped = fields.get(b"client_output_buffer_limit_disconnections", b"0")
        return cls(fields.get(b"run_id", b""), int(dropped))


class Listener(Protocol):
    """The receiver of what a connection reads."""

    def read_begun(self) -> None:
        """Some bytes have come: what they hold follows at once, then read_ended()."""

    def message_received(self, channel: bytes, payload: bytes) -> None: ...

    def push_received(self, kind: bytes, channel: bytes) -> None:
        """A push that is no message: subscribe and the like."""

    def reply_received(self, item: Any) -> None: ...

    def read_ended(self) -> None:
        """That was all of it."""


class RespConnection(SharedBuffer):
    """A connection to Redis in RESP3, probed; closed tells why it ended."""

    def __init__(self, listener: Listener, probe: float, clock_offset: ClockOffset) -> None:
        self._listener, self._probe_seconds, self._clock_offset = listener, probe, clock_offset
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._loop = asyncio.get_running_loop()
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
        self._unanswered = False
        self._probed = 0.0
        """when, by the loop's clock"""
        self._failure: Exception | None = None
        self.closed: asyncio.Future[Exception] = self._loop.create_future()
        self.role = ""
        """what the server said of itself: `master` or `replica`"""
        self.server: ServerFacts | None = None
        """as of the greeting; None where this user may not know"""

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def greet(self, hello: tuple[str, ...], database: int) -> None:
        """Speaks RESP3, signs in and proves that commands are answered; raises RedisRefused, OSError."""
        commands = [hello, ("SELECT", str(database))] if database else [hello]
        self.send(b"".join(pack_command(*each) for each in (*commands, ("INFO",), ("PING",))))
        await self._greeted

    def abort(self, reason: Exception) -> None:
        """Ends the connection at once."""
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
        if not self._greeted.done():
            self._greeted.set_exception(reason)
        self.closed.set_result(reason)

    # Within.

    def _handle_all(self) -> None:
        """Messages are nearly all that comes, so they are looked for first."""
        gets, message = self._reader.gets, self._listener.message_received
        while self._failure is None and (item := gets()) is not _NOTHING:
            if type(item) is not hiredis.PushNotification:
                self._handle_reply(item)
            elif item[0] == b"message":
                message(item[1], item[2])
            else:
                self._listener.push_received(item[0], item[1])

    def _handle_reply(self, item: Any) -> None:
        if isinstance(item, hiredis.ReplyError):
            if not _WITHHELD.match(str(item)):
                raise RedisRefused(str(item))
        elif item == b"PONG":
            self._unanswered = False
            if not self._greeted.done():
                self._greeted.set_result(None)
                self._probe_timer = self._loop.call_later(self._probe_seconds, self._send_probe)
        elif self._greeted.done():
            if isinstance(item, list) and isinstance(item[-1], bytes):  # a read's ends with a list
                self._clock_offset.record_measure(int(item[0]) + int(item[1]) / 1e6, self._loop.time() - self._probed)
            else:
                self._listener.reply_received(item)
        elif isinstance(item, dict):  # the answer to HELLO
            self.role = item[b"role"].decode()
        elif isinstance(item, bytes) and b"run_id:" in item:
            self.server = ServerFacts.parse_info(item)

    def _send_probe(self) -> None:
        """A connection can be dead without a sign: no packet tells that the other side is gone."""
        if self._unanswered:
            self.abort(TimeoutError(f"Redis did not answer for {self._probe_seconds:g} s"))
            return
        self._unanswered = True
        self._probed = self._loop.time()
        self.send(_PROBE)
        self._probe_timer = self._loop.call_later(self._probe_seconds, self._send_probe)


def pack_command(*words: str) -> bytes:
    """A command as Redis reads it."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # the stub allows a tuple of one
    return packed


_PROBE = pack_command("TIME") + pack_command("PING")


async def open_connection(options: dict[str, Any], name: str, make: Callable[[], RespConnection]) -> RespConnection:
    """A connection that has signed in; raises OSError (TimeoutError among them) and RedisRefused.

    The options are those of the other services' client.
    """
    if "sentinels" in options:
        options = {**options, **await _primary_address(options)}
    async with asyncio.timeout(options["socket_connect_timeout"]):
        connection = await _connect(options, make)
        try:
            await connection.greet(_hello_command(options, name), options.get("db", 0))
            _check_role(connection, options)
        except BaseException:
            connection.abort(ConnectionAbortedError("given up"))
            raise
    return connection


def _check_role(connection: RespConnection, options: dict[str, Any]) -> None:
    """What Sentinels name may have been demoted already."""
    if "sentinels" in options and connection.role != "master":
        raise RedisRefused(f"{options['host']}:{options['port']} is no primary (any more)")


async def _primary_address(options: dict[str, Any]) -> dict[str, Any]:
    try:
        host, port = await options["sentinels"].primary()
    except NoPrimary as error:
        raise RedisRefused(str(error)) from error
    return {"host": host, "port": port}


async def _connect(options: dict[str, Any], make: Callable[[], RespConnection]) -> RespConnection:
    loop = asyncio.get_running_loop()
    if "path" in options:
        _, connection = await loop.create_unix_connection(make, options["path"])
    else:
        _, connection = await loop.create_connection(
            make, options.get("host", "localhost"), options.get("port", 6379), ssl=_tls_context(options)
        )
    return connection


def _hello_command(options: dict[str, Any], name: str) -> tuple[str, ...]:
    password = options.get("password")
    sign_in = ("AUTH", options.get("username") or "default", password) if password else ()
    return ("HELLO", "3", *sign_in, "SETNAME", name)


def _tls_context(options: dict[str, Any]) -> ssl.SSLContext | None:
    """The address's `ssl_` options, as the other services' client reads them."""
    if not issubclass(options.get("connection_class", PlainConnection), SSLConnection):
        return None
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path"))
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    unchecked = options.get("ssl_cert_reqs") == "none"
    context.check_hostname = not unchecked and options.get("ssl_check_hostname", True)
    if unchecked:
        context.verify_mode = ssl.CERT_NONE
    return context
