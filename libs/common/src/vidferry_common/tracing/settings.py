"""The settings of traces, under the names that every OpenTelemetry program has (docs/adr/0020-spans-by-hand.md)."""

from pydantic import Field, field_validator
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
        "such as `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_CERTIFICATE`.",
    )
    trace_ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        validation_alias="OTEL_TRACES_SAMPLER_ARG",
        description="The share of traces that are recorded, from 0 to 1. It counts where a trace begins: a request "
        "with a `traceparent` is recorded if its caller records it.",
    )

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_endpoint(cls, text: str) -> str:
        if text:
            parse_http_url(text)
        return text.rstrip("/")
