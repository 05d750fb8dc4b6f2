"""Traces: a few spans for each job, written by hand, and sent by OTLP where an endpoint is set."""

from vidferry_common.tracing.settings import TracingSettings
from vidferry_common.tracing.spans import (
    NO_TRACER,
    Attributes,
    Span,
    SpanKind,
    SpanOutcome,
    Tracer,
    UntracedSpan,
    log_ids,
    recorded_trace,
)

__all__ = [
    "NO_TRACER",
    "Attributes",
    "Span",
    "SpanKind",
    "SpanOutcome",
    "Tracer",
    "TracingSettings",
    "UntracedSpan",
    "log_ids",
    "recorded_trace",
    "start_tracing",
]


def start_tracing(settings: TracingSettings, service: str) -> Tracer:
    """The tracer of a program; close() it at the end. service: `api`, `worker` or `gateway`."""
    if not settings.otlp_endpoint:
        return NO_TRACER
    # OpenTelemetry takes 0.25 s of CPU and 9 MB to start: only who traces pays for it.
    from vidferry_common.tracing.otlp import OtlpTracer  # noqa: PLC0415

    return OtlpTracer(settings, service)
