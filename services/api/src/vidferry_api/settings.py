"""The api's settings."""

from enum import StrEnum

from pydantic import Field

from vidferry_api.access_settings import ApiAccessSettings
from vidferry_common.bucket import BucketSettings
from vidferry_common.http.known_hosts import HostSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.origins import Origins
from vidferry_common.proxies import ProxySettings
from vidferry_common.store import RedisSettings
from vidferry_common.tracing import TracingSettings


class ObjectSharing(StrEnum):
    """Who may get a stored video without fetching it."""

    ALL = "all"
    OWNER = "owner"


class ApiSettings(
    RedisSettings,
    BucketSettings,
    LogSettings,
    TracingSettings,
    AdminSettings,
    HostSettings,
    ProxySettings,
    ApiAccessSettings,
):
    """All that the api is told."""

    host: str = Field("0.0.0.0", description="The IP address on which the api listens.")  # noqa: S104 - a container's own
    port: int = Field(3001, ge=1, le=65535, description="The port on which the api listens.")
    cors_origins: Origins = Field(
        (),
        description="Origins of front ends on other hosts, separated by commas, such as `https://app.example.org`; or "
        "`*` for every origin. Pages of these origins may call the api from a browser (CORS).",
    )
    queue_cap: int = Field(
        10_000,
        ge=1,
        description="The most downloads that may wait or run. Beyond that, POST requests get 503 `queue_full`.",
    )
    queue_bytes: int = Field(
        128 * 1024**2,
        ge=64 * 1024,
        description="The most memory of Redis, in bytes and estimated, that waiting and running downloads and their "
        "jobs may use. Beyond that, POST requests get 503 `queue_full`.",
    )
    max_waits: int = Field(
        1000,
        ge=0,
        le=2000,
        description="The most requests with `?wait` that one api holds at once, half of them for one owner. Beyond "
        "that, they get 503 `too_many_waits`. 0: none.",
    )
    caller_rate: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="The most job requests per minute from one caller, counted over all apis. A caller is an owner; "
        "without owners (VIDFERRY_ACCESS is `none`) it is a client address (IPv6: a /64). Beyond that, requests get "
        "429. 0: no limit. If clients connect through a proxy, set VIDFERRY_TRUSTED_PROXIES; otherwise all of its "
        "clients count as one.",
    )
    trust_traceparent: bool = Field(
        default=False,
        description="Whether the sampled flag of a request's own `traceparent` decides that its trace is recorded. "
        "Otherwise OTEL_TRACES_SAMPLER_ARG decides for all requests. Set it if only services of yours call the api: "
        "who calls it can have everything recorded then.",
    )
    share_objects: ObjectSharing = Field(
        ObjectSharing.ALL,
        description="Who may get a stored video without fetching it again. `all`: every owner. `owner`: only the owner "
        "for whom it was fetched; each owner then has downloads and objects of its own. Set it once no worker of an "
        "earlier release runs.",
    )
