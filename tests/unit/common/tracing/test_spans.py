"""Programs that record nothing."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from vidferry_common.settings import load_settings
from vidferry_common.tracing import NO_TRACER, SpanKind, TracingSettings, log_ids, recorded_trace, start_tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_without_an_endpoint_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert start_tracing(TracingSettings(), "test") is NO_TRACER
    span = NO_TRACER.begin("work", SpanKind.SERVER, PARENT)
    part = span.begin("part")
    part.set({"a": 1})
    part.fail("x")
    part.end()
    assert (part.recorded, part.traceparent) == (False, PARENT)


def test_log_entries_and_exemplars_name_what_is_recorded() -> None:
    """Not a span that only a caller records, and that nobody will find."""
    trace = PARENT.split("-")[1]
    span = NO_TRACER.begin("work", SpanKind.SERVER, PARENT)
    assert (log_ids(span), recorded_trace(span)) == ({"trace_id": trace}, "")
    assert log_ids(NO_TRACER.begin("work", SpanKind.SERVER)) == {}


def test_without_an_endpoint_opentelemetry_is_not_imported() -> None:
    program = (
        "import sys, vidferry_gateway.main, vidferry_common.tracing as tracing;"
        "tracing.start_tracing(tracing.TracingSettings(otlp_endpoint=''), 'test');"
        "print(*(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_standard_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    settings = TracingSettings()
    assert (settings.otlp_endpoint, settings.trace_ratio) == ("http://collector:4318", 0.25)


def test_a_wrong_ratio_is_refused_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "2")
    with pytest.raises(SystemExit):
        load_settings(TracingSettings)
    assert capsys.readouterr().err.startswith("OTEL_TRACES_SAMPLER_ARG: must be a number from 0")


@pytest.mark.parametrize("wrong", ["collector:4318", "grpc://collector", "http://user:secret@collector"])
def test_an_endpoint_that_is_none(wrong: str) -> None:
    with pytest.raises(ValidationError):
        TracingSettings(otlp_endpoint=wrong)
