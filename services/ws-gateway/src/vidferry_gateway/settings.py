"""The gateway's settings."""

from typing import Self

from pydantic import Field, model_validator

from vidferry_common.access import AccessSettings
from vidferry_common.http.known_hosts import HostSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.origins import Origins
from vidferry_common.proxies import ProxySettings
from vidferry_common.store import RedisSettings
from vidferry_common.tracing import TracingSettings


class GatewaySettings(
    RedisSettings, LogSettings, TracingSettings, AdminSettings, HostSettings, ProxySettings, AccessSettings
):
    """How the gateway listens, whom it lets in, and how long it waits for whom."""

    gateway_host: str = Field(
        "0.0.0.0",  # noqa: S104 - a container's own
        description="The IP address on which the gateway listens (not used by `make up`).",
    )
    gateway_port: int = Field(
        3002,
        ge=0,
        le=65535,
        description="The port on which the gateway listens. 0: any free port, which is then logged.",
    )

    gateway_origins: Origins = Field(
        (),
        description="Origins of the pages that may watch jobs, separated by commas. Include the origin of Vidferry's "
        "own page. By default pages of every origin may watch. Clients that send no Origin header always may.",
    )
    gateway_max_sockets: int = Field(
        20_000,
        ge=0,
        description="The most open WebSockets and event streams per process. Further ones are closed with 4429. 0: no "
        "limit.",
    )
    gateway_max_sockets_per_address: int = Field(
        0,
        ge=0,
        description="The most open WebSockets and event streams per client address (IPv6: per /64) and process. 0: no "
        "limit. If clients connect through a proxy, set VIDFERRY_TRUSTED_PROXIES first; otherwise all of its "
        "clients count as one.",
    )
    gateway_max_jobs_per_socket: int = Field(
        200, ge=1, description="The most jobs that one WebSocket at `/ws/downloads` may watch at the same time."
    )

    gateway_ping_seconds: float = Field(
        25, gt=0, description="Seconds between two pings on a WebSocket, and between two comments on an event stream."
    )
    gateway_pong_seconds: float = Field(10, gt=0, description="Seconds within which a client must answer a ping.")
    gateway_slow_seconds: float = Field(
        10, gt=0, description="Seconds for which a client may stop reading before the gateway closes it with 4008."
    )
    gateway_close_seconds: float = Field(
        10,
        gt=0,
        description="Seconds within which a client must answer a close frame before the gateway drops the connection.",
    )
    gateway_settle_seconds: float = Field(
        5,
        ge=0,
        description="Seconds for which a stopping gateway still accepts clients, although it is no longer ready, so "
        "that load balancers can notice.",
    )
    gateway_drain_seconds: float = Field(
        5,
        ge=0,
        description="Seconds over which a stopping gateway spreads closing its WebSockets (1012), so that clients "
        "don't all reconnect at once.",
    )
    gateway_probe_seconds: float = Field(
        5,
        gt=0,
        description="Seconds between two probes of the connection to Redis, and the time within which Redis must "
        "answer a probe. With Sentinel, also the seconds between two checks of which server is the primary.",
    )

    @model_validator(mode="after")
    def _answer_before_next_ping(self) -> Self:
        if self.gateway_pong_seconds >= self.gateway_ping_seconds:
            msg = "VIDFERRY_GATEWAY_PONG_SECONDS must be less than VIDFERRY_GATEWAY_PING_SECONDS"
            raise ValueError(msg)
        return self
