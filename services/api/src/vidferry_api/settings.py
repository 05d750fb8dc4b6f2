"""The api's settings."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from vidferry_common.bucket import BucketSettings
from vidferry_common.log import LogSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.store import RedisSettings


class ApiSettings(RedisSettings, BucketSettings, LogSettings, AdminSettings):
    """All that the api is told."""

    host: str = Field("0.0.0.0", description="The address that the api listens on.")  # noqa: S104 - a container's own
    port: int = Field(3001, ge=1, le=65535, description="Its port.")
    public_url: str | None = Field(
        None,
        description="Vidferry's address as its users see it, with a path where it is below one, such as "
        "`https://media.example.org/vidferry`. By default the request's own.",
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="Ranges (CIDR, separated by commas) of proxies whose X-Forwarded-Proto and X-Forwarded-Host count.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins (separated by commas) of front ends elsewhere, or `*`; `https://app.example.org`."
    )
    queue_cap: int = Field(
        10_000, ge=1, description="Downloads that may wait or run; above it a POST is answered with 503."
    )

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            msg = "is no absolute http:// or https:// address"
            raise ValueError(msg)
        return value.rstrip("/")

    @property
    def prefix(self) -> str:
        """The path of the public address: empty, or with a slash at its beginning and none at its end."""
        return urlsplit(self.public_url).path if self.public_url else ""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        return (
            tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("cors_origins")
    @classmethod
    def _each_an_origin(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, _, host = origin.partition("://")
            if origin != "*" and (scheme not in {"http", "https"} or not host or "/" in host):
                msg = f"{origin!r} is no origin such as https://app.example.org"
                raise ValueError(msg)
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return (
            tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )
