"""The api's settings."""

from pydantic import Field

from vidferry_common.bucket import BucketSettings
from vidferry_common.hosts import HostSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.origins import Origins
from vidferry_common.proxies import ProxySettings
from vidferry_common.store import RedisSettings


class ApiSettings(RedisSettings, BucketSettings, LogSettings, AdminSettings, HostSettings, ProxySettings):
    """All that the api is told."""

    host: str = Field("0.0.0.0", description="The address that the api listens on.")  # noqa: S104 - a container's own
    port: int = Field(3001, ge=1, le=65535, description="Its port.")
    cors_origins: Origins = Field(
        (), description="Origins (separated by commas) of front ends elsewhere, or `*`; `https://app.example.org`."
    )
    queue_cap: int = Field(
        10_000, ge=1, description="Downloads that may wait or run; above it a POST is answered with 503."
    )
    queue_bytes: int = Field(
        128 * 1024**2,
        ge=64 * 1024,
        description="Bytes of Redis' memory that the records of downloads that wait or run, and of their jobs, may "
        "take, about; above it a POST is answered with 503.",
    )
    caller_rate: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Requests for a job that one address (IPv6: a /64) may send a minute, to all apis together; above "
        "it they are answered with 429. 0: any number. Behind a proxy name it in VIDFERRY_TRUSTED_PROXIES, or all of "
        "its callers are one.",
    )
