"""The gateway's settings."""

from typing import Self

from pydantic import Field, model_validator

from vidferry_common.hosts import HostSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.origins import Origins
from vidferry_common.proxies import ProxySettings
from vidferry_common.store import RedisSettings


class GatewaySettings(RedisSettings, LogSettings, AdminSettings, HostSettings, ProxySettings):
    """How the gateway listens, whom it lets in, and how long it waits for whom."""

    gateway_host: str = Field("0.0.0.0", description="The address that a stand-alone gateway listens on.")  # noqa: S104 - a container's own
    gateway_port: int = Field(3002, ge=0, le=65535, description="Its port; 0 takes a free one, which the log tells.")

    gateway_origins: Origins = Field(
        (),
        description="Origins (separated by commas) of the pages that may watch, Vidferry's own among them; by default "
        "every page. Programs that send no Origin may always.",
    )
    gateway_max_sockets: int = Field(
        20_000, ge=0, description="WebSockets and event streams of a process; above it they are refused (4429). 0: any."
    )
    gateway_max_sockets_per_address: int = Field(
        0,
        ge=0,
        description="Those of one client's address (IPv6: of one /64) in a process; 0: any number. Behind a proxy set "
        "VIDFERRY_TRUSTED_PROXIES first, or all clients are of one address.",
    )
    gateway_max_jobs_per_socket: int = Field(
        200, ge=1, description="Jobs that one WebSocket at `/ws/downloads` may watch at once."
    )

    gateway_ping_seconds: float = Field(
        25, gt=0, description="Seconds between two pings to a WebSocket, and between two comments to an event stream."
    )
    gateway_pong_seconds: float = Field(10, gt=0, description="Seconds that a client has to answer a ping.")
    gateway_slow_seconds: float = Field(
        10, gt=0, description="Seconds that a client may leave what it was sent unread before it is closed with 4008."
    )
    gateway_close_seconds: float = Field(
        10, gt=0, description="Seconds that a client has to answer the end of its socket before the connection is cut."
    )
    gateway_settle_seconds: float = Field(
        5,
        ge=0,
        description="Seconds that a stopping gateway, which is not ready any more, goes on taking clients: load "
        "balancers take their time to notice.",
    )
    gateway_drain_seconds: float = Field(
        5, ge=0, description="Seconds over which a stopping gateway spreads the closing (1012) of its sockets."
    )
    gateway_probe_seconds: float = Field(
        5,
        gt=0,
        description="Seconds between two probes of the connection to Redis, and that Redis has to answer one; with "
        "Sentinels also between two questions for the primary.",
    )

    @model_validator(mode="after")
    def _answer_before_next_ping(self) -> Self:
        if self.gateway_pong_seconds >= self.gateway_ping_seconds:
            msg = "VIDFERRY_GATEWAY_PONG_SECONDS must be less than VIDFERRY_GATEWAY_PING_SECONDS"
            raise ValueError(msg)
        return self
