"""The settings of traces, under the names that every OpenTelemetry program has (docs/adr/0020-spans-by-hand.md)."""

from urllib.parse import unquote

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from vidferry_common.settings import Settings, parse_http_url


class TracingSettings(Settings):
    """Where traces go, and how many of them."""

    model_config = SettingsConfigDict(populate_by_name=True)

    otlp_endpoint: str = Field(
        default="",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="The base URL of a collector that takes OTLP over HTTP, such as `http://collector:4318`. Spans go "
        "to `/v1/traces` below it. Empty: no traces. OpenTelemetry's own variables for the exporter count as well, "
        "such as `OTEL_EXPORTER_OTLP_CERTIFICATE`.",
    )
    otlp_headers: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="OTEL_EXPORTER_OTLP_HEADERS",
        description="Headers for the collector, such as `authorization=Bearer%20TOKEN`. Several are separated by "
        "commas. Values are URL-encoded. They are secret: they appear in no log, and downloads don't get them.",
    )
    trace_ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        validation_alias="OTEL_TRACES_SAMPLER_ARG",
        description="The share of traces that are recorded, from 0 to 1. It is decided where a request comes in, for "
        "all that follows from it.",
    )

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_endpoint(cls, text: str) -> str:
        if text:
            parse_http_url(text)
        return text.rstrip("/")

    @field_validator("otlp_headers")
    @classmethod
    def _check_headers(cls, headers: SecretStr) -> SecretStr:
        if not all("=" in each.strip()[1:] for each in _split(headers)):
            raise ValueError("must be name=value, several separated by commas")
        return headers

    def header_values(self) -> list[str]:
        """The values of the headers, encoded and decoded: what must not appear anywhere."""
        values = [each.partition("=")[2].strip() for each in _split(self.otlp_headers)]
        return [secret for value in values for secret in (value, unquote(value)) if secret]


def _split(headers: SecretStr) -> list[str]:
    return [each for each in headers.get_secret_value().split(",") if each.strip()]
