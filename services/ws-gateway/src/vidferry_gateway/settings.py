"""The gateway's settings."""

from typing import Self

from pydantic import Field, model_validator

from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.store import RedisSettings


class GatewaySettings(RedisSettings, LogSettings, AdminSettings):
    """How the gateway listens, and how long it waits for whom."""

    gateway_host: str = Field("0.0.0.0", description="The address that a stand-alone gateway listens on.")  # noqa: S104 - a container's own
    gateway_port: int = Field(3002, ge=0, le=65535, description="Its port; 0 takes a free one, which the log tells.")

    gateway_ping_seconds: float = Field(25, gt=0, description="Seconds between two pings to a WebSocket.")
    gateway_pong_seconds: float = Field(10, gt=0, description="Seconds that a client has to answer a ping.")
    gateway_slow_seconds: float = Field(
        10, gt=0, description="Seconds that a client may leave what it was sent unread before it is closed with 4008."
    )
    gateway_close_seconds: float = Field(
        10, gt=0, description="Seconds that a client has to answer the end of its socket before the connection is cut."
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
