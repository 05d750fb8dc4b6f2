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
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from vidferry_common.settings import Settings
from vidferry_common.store.sentinel import PrimaryConnection, PrimarySSLConnection, Sentinels, SentinelUrl

RedisClient = Redis

_NO_PASSWORD = "put the user and the password into VIDFERRY_REDIS_USERNAME and VIDFERRY_REDIS_PASSWORD"  # noqa: S105


class StoreUnavailable(Exception):
    """Redis can't be reached or refuses; whether the last change took effect is unknown."""


@dataclass(frozen=True, slots=True)
class EndedLimits:
    """How many ended jobs are kept, and how many bytes they may take, whatever their age."""

    records: int = 100_000
    bytes: int = 128 * 1024**2


class RedisSettings(Settings):
    """Where Redis is, and how long records are kept there."""

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
        description="The most ended jobs to keep. When there are more, the oldest of the owner whose ended jobs take "
        "most are deleted before VIDFERRY_RECORD_DAYS have passed.",
    )
    ended_bytes: int = Field(
        128 * 1024**2,
        ge=1024**2,
        description="The most memory of Redis, in bytes, that ended jobs may use (up to 4.5 KiB per job, and its "
        "metadata twice). When they use more, the oldest of the owner whose ended jobs take most are deleted. "
        "VIDFERRY_ENDED_BYTES and VIDFERRY_QUEUE_BYTES together should be at most three quarters of Redis' "
        "`maxmemory`.",
    )

    @field_validator("redis_url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        if "@" in url:
            raise ValueError(_NO_PASSWORD)
        sentinel_url = SentinelUrl.parse(url)
        if sentinel_url is None and not url.startswith(("redis://", "rediss://", "unix://")):
            msg = "must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"
            raise ValueError(msg)
        _check_server_url(sentinel_url.server if sentinel_url else url)
        return url

    @property
    def ended_limits(self) -> "EndedLimits":
        return EndedLimits(self.ended_records, self.ended_bytes)

    @property
    def record_seconds(self) -> int:
        return int(self.record_days * 86400)


def _check_server_url(url: str) -> None:
    """ValueError, with a sentence, where redis-py could not use the URL of a server."""
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


def _name_connections(name: str) -> Callable[[Connection], Awaitable[None]]:
    """redis-py's hook that names each new connection: to a primary, to a Sentinel, after a cut.

    redis-py's own `client_name` would close a connection where the user may not name it.
    """

    async def on_connect(connection: Connection) -> None:
        await connection.on_connect()
        with suppress(ResponseError):
            await connection.send_command("CLIENT", "SETNAME", name, check_health=False)
            await connection.read_response()

    return on_connect


def connection_options(settings: RedisSettings, name: str = "") -> dict[str, Any]:
    """What every connection is opened with, as redis-py takes it; ValueError where the URL can't be parsed.

    name: as connection_name() makes it, also of the connections to Sentinels; empty: they have none.
    """
    sentinel_url = SentinelUrl.parse(settings.redis_url)
    url = sentinel_url.server if sentinel_url else settings.redis_url
    options: dict[str, Any] = {
        "username": settings.redis_username,
        "password": _reveal(settings.redis_password),
        "socket_connect_timeout": 5,
        "health_check_interval": 15,
        **({"redis_connect_func": _name_connections(name)} if name else {}),
        # redis-py itself checks a certificate, and not whose it is.
        **({"ssl_check_hostname": True} if url.startswith("rediss://") else {}),
        **parse_url(url),
    }
    return _behind_sentinels(sentinel_url, options, settings) if sentinel_url else options


def _behind_sentinels(sentinel_url: SentinelUrl, options: dict[str, Any], settings: RedisSettings) -> dict[str, Any]:
    """The options with the Sentinels in the place of a host. TLS and timeouts to them are those to the servers."""
    tls = options.get("connection_class") is SSLConnection
    sentinels = Sentinels(
        sentinel_url,
        username=settings.redis_sentinel_username,
        password=_reveal(settings.redis_sentinel_password),
        **({"ssl": True} if tls else {}),
        **{name: value for name, value in options.items() if name.startswith(("ssl_", "redis_connect_func"))},
    )
    kind = PrimarySSLConnection if tls else PrimaryConnection
    return {**options, "connection_class": kind, "sentinels": sentinels}


def _reveal(password: SecretStr | None) -> str | None:
    return password.get_secret_value() if password else None


def connection_pool(settings: RedisSettings, name: str = "", max_connections: int = 32) -> BlockingConnectionPool:
    """A pool whose callers wait for a free connection. Replies have to come in 10 s; after a cut it connects anew.

    What was sent on a connection that was cut is sent again, which is safe: the scripts recognise a repetition. What
    was not answered in time is not sent again, since its caller would wait for as long once more.
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


def connect_redis(settings: RedisSettings, name: str = "", max_connections: int = 32) -> RedisClient:
    """A client; nothing is sent yet. Values are bytes."""
    return Redis(connection_pool=connection_pool(settings, name, max_connections))


__all__ = [
    "EndedLimits",
    "OutOfMemoryError",
    "RedisClient",
    "RedisError",
    "RedisSettings",
    "StoreUnavailable",
    "connect_redis",
    "connection_name",
    "connection_options",
    "connection_pool",
]
