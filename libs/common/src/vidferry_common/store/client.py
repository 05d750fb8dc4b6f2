"""The connection to Redis: standalone or a managed primary, by address or Unix socket."""

from typing import Any

from pydantic import Field, SecretStr, field_validator
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from vidferry_common.settings import Settings

RedisClient = Redis


class StoreUnavailable(Exception):
    """Redis can't be reached or refuses; whether the last change took effect is unknown."""


class RedisSettings(Settings):
    """Where Redis is."""

    redis_url: str = Field(
        "redis://localhost:6379/0",
        description="Redis or Valkey 6.2 or newer: `redis://host:port/db`, `rediss://…` with TLS, "
        "`unix:///path/to/socket`. Redis Cluster is not supported. The password has a setting of its own.",
    )
    redis_username: str | None = Field(None, description="The ACL user, where it is not the default one.")
    redis_password: SecretStr | None = Field(None, description="The password.")
    record_days: float = Field(7, gt=0, le=365, description="Days that a job's record is kept after its last change.")

    @field_validator("redis_url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        if "@" in url:
            msg = "put the user and the password into VIDFERRY_REDIS_USERNAME and VIDFERRY_REDIS_PASSWORD"
            raise ValueError(msg)
        if not url.startswith(("redis://", "rediss://", "unix://")):
            msg = "must begin with redis://, rediss:// or unix://"
            raise ValueError(msg)
        return url

    @property
    def record_seconds(self) -> int:
        return int(self.record_days * 86400)


def connection_options(settings: RedisSettings) -> dict[str, Any]:
    """What every connection is opened with."""
    password = settings.redis_password
    # redis-py itself checks a certificate, and not whose it is.
    tls = {"ssl_check_hostname": True} if settings.redis_url.startswith("rediss://") else {}
    return {
        **tls,
        "username": settings.redis_username,
        "password": password.get_secret_value() if password else None,
        "socket_connect_timeout": 5,
        "health_check_interval": 15,
    }


def connection_pool(settings: RedisSettings, max_connections: int = 32) -> BlockingConnectionPool:
    """Connections that wait for a free one, answer within 10 s, and are opened anew after a cut."""
    return BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=max_connections,
        timeout=10,
        socket_timeout=10,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), 3),
        **connection_options(settings),
    )


def connect(settings: RedisSettings, max_connections: int = 32) -> RedisClient:
    """A client; nothing is sent yet. Values are bytes."""
    return Redis(connection_pool=connection_pool(settings, max_connections))


__all__ = [
    "RedisClient",
    "RedisError",
    "RedisSettings",
    "StoreUnavailable",
    "connect",
    "connection_options",
    "connection_pool",
]
