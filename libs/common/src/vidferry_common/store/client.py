"""The connection to Redis: a standalone or managed one, by address or Unix socket, or the primary of Sentinels."""

import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, field_validator
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as CutOff
from redis.exceptions import RedisError, ResponseError

from vidferry_common.settings import Settings
from vidferry_common.store.sentinel import PrimaryConnection, PrimarySSLConnection, SentinelAddress, Sentinels

RedisClient = Redis

_NO_PASSWORD = "put the user and the password into VIDFERRY_REDIS_USERNAME and VIDFERRY_REDIS_PASSWORD"  # noqa: S105


class StoreUnavailable(Exception):
    """Redis can't be reached or refuses; whether the last change took effect is unknown."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How many ended jobs are kept, whatever their age."""

    records: int = 100_000
    bytes: int = 128 * 1024**2


class RedisSettings(Settings):
    """Where Redis is."""

    redis_url: str = Field(
        "redis://localhost:6379/0",
        description="The URL of Redis or Valkey, 6.2 or newer: `redis://host:port/db`, `rediss://…` for TLS, or "
        "`unix:///path/to/socket`. With Sentinel: `redis+sentinel://host:26379,host:26379/master-name/db`, or "
        "`rediss+sentinel://…` for TLS to the Sentinels and the servers. Redis Cluster is not supported. Set "
        "passwords with the settings below.",
    )
    redis_username: str | None = Field(None, description="The ACL user. By default Redis' `default` user.")
    redis_password: SecretStr | None = Field(None, description="The password of the ACL user.")
    redis_sentinel_username: str | None = Field(
        None, description="The ACL user of the Sentinels. By default their `default` user."
    )
    redis_sentinel_password: SecretStr | None = Field(
        None, description="The password of the Sentinels, if they have one."
    )
    record_days: float = Field(
        7, gt=0, le=365, description="Days for which a job's record is kept after the job's last step."
    )
    ended_records: int = Field(
        100_000,
        ge=100,
        le=10_000_000,
        description="The most ended jobs to keep. When there are more, the oldest are deleted before "
        "VIDFERRY_RECORD_DAYS have passed.",
    )
    ended_bytes: int = Field(
        128 * 1024**2,
        ge=1024**2,
        description="The most memory of Redis, in bytes, that ended jobs may use (up to 4 KiB per job). When they use "
        "more, the oldest are deleted. VIDFERRY_ENDED_BYTES and VIDFERRY_QUEUE_BYTES together should be at most "
        "three quarters of Redis' `maxmemory`.",
    )

    @field_validator("redis_url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        if "@" in url:
            raise ValueError(_NO_PASSWORD)
        address = SentinelAddress.read(url)
        if address is None and not url.startswith(("redis://", "rediss://", "unix://")):
            msg = "must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"
            raise ValueError(msg)
        _check(address.server if address else url)
        return url

    @property
    def kept(self) -> "Kept":
        return Kept(self.ended_records, self.ended_bytes)

    @property
    def record_seconds(self) -> int:
        return int(self.record_days * 86400)


def _check(url: str) -> None:
    """ValueError, with a sentence, where redis-py could not use the address of a server."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("must be redis://host:port/db, with a port from 1 to 65535") from None
    options: dict[str, Any] = {**parse_url(url)}  # its ValueError names an option with a wrong value
    if options.keys() & {"username", "password"}:
        raise ValueError(_NO_PASSWORD)
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("must end with the number of the database, such as redis://host:port/0")
    try:
        options.pop("connection_class", Connection)(**options)  # connects later
    except TypeError:
        names = ", ".join(parse_qs(parts.query))
        raise ValueError(f"has unknown options after the question mark: {names}") from None


def connection_name(service: str, purpose: str) -> str:
    """What CLIENT LIST shows of a connection: whose it is, what for, and the host, which in Kubernetes is the pod."""
    return re.sub(r"[^!-~]", "-", f"vidferry-{service}:{purpose}:{socket.gethostname()}")  # Redis takes no others


def _naming(name: str) -> Callable[[Connection], Awaitable[None]]:
    """redis-py's hook for each new connection, which is then called so: to a primary, to a Sentinel, after a cut.

    Its own `client_name` would give up a connection where a user may not name it.
    """

    async def on_connect(connection: Connection) -> None:
        await connection.on_connect()
        with suppress(ResponseError):
            await connection.send_command("CLIENT", "SETNAME", name, check_health=False)
            await connection.read_response()

    return on_connect


def connection_options(settings: RedisSettings, name: str = "") -> dict[str, Any]:
    """What every connection is opened with, as redis-py takes it; ValueError where the address can't be read.

    name: as connection_name() makes it, also of the connections to Sentinels; empty: they have none.
    """
    address = SentinelAddress.read(settings.redis_url)
    url = address.server if address else settings.redis_url
    options: dict[str, Any] = {
        "username": settings.redis_username,
        "password": _secret(settings.redis_password),
        "socket_connect_timeout": 5,
        "health_check_interval": 15,
        **({"redis_connect_func": _naming(name)} if name else {}),
        # redis-py itself checks a certificate, and not whose it is.
        **({"ssl_check_hostname": True} if url.startswith("rediss://") else {}),
        **parse_url(url),
    }
    return _behind_sentinels(address, options, settings) if address else options


def _behind_sentinels(address: SentinelAddress, options: dict[str, Any], settings: RedisSettings) -> dict[str, Any]:
    """The same, with the Sentinels in the place of the host; they are reached as the servers are."""
    tls = options.get("connection_class") is SSLConnection
    sentinels = Sentinels(
        address,
        username=settings.redis_sentinel_username,
        password=_secret(settings.redis_sentinel_password),
        **({"ssl": True} if tls else {}),
        **{name: value for name, value in options.items() if name.startswith(("ssl_", "redis_connect_func"))},
    )
    kind = PrimarySSLConnection if tls else PrimaryConnection
    return {**options, "connection_class": kind, "sentinels": sentinels}


def _secret(password: SecretStr | None) -> str | None:
    return password.get_secret_value() if password else None


def connection_pool(settings: RedisSettings, name: str = "", max_connections: int = 32) -> BlockingConnectionPool:
    """Connections that wait for a free one, answer within 10 s, and are opened anew after a cut.

    What was sent on one that was cut is sent again: all of it may be, as it is scripts that know themselves again. What
    was not answered in time is not: it would keep its caller for as long once more.
    """
    return BlockingConnectionPool(
        **{
            "max_connections": max_connections,
            "timeout": 10,
            "socket_timeout": 10,
            "retry": Retry(ExponentialBackoff(cap=1, base=0.05), 3, supported_errors=(CutOff,)),
            "retry_on_error": [CutOff],
            **connection_options(settings, name),
        }
    )


def connect(settings: RedisSettings, name: str = "", max_connections: int = 32) -> RedisClient:
    """A client; nothing is sent yet. Values are bytes."""
    return Redis(connection_pool=connection_pool(settings, name, max_connections))


__all__ = [
    "RedisClient",
    "RedisError",
    "RedisSettings",
    "StoreUnavailable",
    "connect",
    "connection_name",
    "connection_options",
    "connection_pool",
]
