"""Spans as a collector gets them, and what a collector that fails does."""

import json
import logging
import os
import subprocess
import sys
from urllib.parse import quote

import pytest

from support.otlp_receiver import QUICKLY, OtlpReceiver, tree
from support.ports import free_port
from support.product import wait_until
from vidferry_common.contract.trace import parse_traceparent, trace_id
from vidferry_common.settings import load_settings
from vidferry_common.tracing import SpanKind, Tracer, TracingSettings, log_ids, recorded_trace, start_tracing
from vidferry_common.tracing.otlp import MAX_EVENTS, MAX_HELD, MAX_WAITING

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNRECORDED = PARENT[:-2] + "00"
SAMPLED = 1
SECRET = "hidden token"
AWAY = """
import os
from support.product import wait_until
from vidferry_common.log import LogSettings, set_up
from vidferry_common.settings import load_settings
from vidferry_common.tracing import SpanKind, TracingSettings, start_tracing

set_up(LogSettings(log_level="info"), "test")
tracer = start_tracing(TracingSettings(), "test")
for count in (1, 2):
    tracer.begin("work", SpanKind.SERVER).end()
    wait_until(lambda: tracer.count_spans()["failed",] == count)
tracer.close()
"""


def open_tracer(endpoint: str, ratio: float = 1) -> Tracer:
    return start_tracing(TracingSettings(otlp_endpoint=endpoint, trace_ratio=ratio), "test")


def test_a_span_tells_all_that_it_was_told(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url + "/")
    span = tracer.begin("work", SpanKind.CONSUMER, PARENT, {"vidferry.attempt": 1}, start=10**18, link=UNRECORDED)
    span.add_event("stream", {"vidferry.bytes": 7})
    span.set({"vidferry.site": "x" * 1000})
    span.add_link("nonsense")
    span.fail("network")
    span.end(2 * 10**18)
    span.end()
    tracer.close()

    (seen,) = collector.spans
    assert (seen.service, seen.name, seen.kind, seen.failed) == ("vidferry-test", "work", "CONSUMER", True)
    assert f"00-{seen.trace}-{seen.id}-01" == span.traceparent
    assert (log_ids(span), recorded_trace(span)) == ({"trace_id": seen.trace, "span_id": seen.id}, seen.trace)
    assert (seen.trace, seen.parent) == (trace_id(PARENT), "00f067aa0ba902b7")
    assert (seen.start, seen.end) == (10**18, 2 * 10**18)
    assert seen.attributes == {"vidferry.attempt": 1, "vidferry.site": "x" * 512, "error.type": "network"}
    assert seen.events == [("stream", {"vidferry.bytes": 7})]
    assert seen.links == [(trace_id(PARENT), "00f067aa0ba902b7")]


def test_what_it_is_told_after_its_end_is_ignored(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url)
    whole = tracer.begin("whole", SpanKind.SERVER, attributes={"vidferry.outcome": "completed"})
    part = whole.begin("part")
    for span in (part, whole):
        span.end()
        span.rename("other")
        span.set({"vidferry.outcome": "lost"})
        span.add_link(PARENT)
        span.add_event("stream", {})
        span.fail("late")
    tracer.close()

    told = [(span.name, span.attributes, span.links, span.events, span.failed) for span in collector.spans]
    assert told == [("whole", {"vidferry.outcome": "completed"}, [], [], False), ("part", {}, [], [], False)]


def test_a_span_has_so_many_events_and_no_more(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url)
    span = tracer.begin("work", SpanKind.SERVER)
    for number in range(MAX_EVENTS + 1):
        span.add_event("stream", {"vidferry.stream": number})
    span.end()
    tracer.close()

    assert len(collector.spans[0].events) == MAX_EVENTS


def test_parts_are_sent_after_the_whole(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url)
    whole = tracer.begin("whole", SpanKind.SERVER)
    part = whole.begin("part")
    part.begin("inner").end()
    part.end()
    open_part = whole.begin("late")
    tracer.begin("other", SpanKind.SERVER).end()
    collector.wait_for_names("", "other")
    assert [span.name for span in collector.spans] == ["other"]

    whole.end()
    open_part.end()
    tracer.close()

    spans = [span for span in collector.spans if span.name != "other"]
    assert tree(spans) == {"": [("whole", [("part", ["inner"]), "late"])]}


def test_a_process_that_ends_amid_a_span_sends_none_of_its_parts(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url)
    whole = tracer.begin("whole", SpanKind.CONSUMER)
    whole.begin("part").end()
    tracer.close()

    assert collector.spans == []


def test_a_span_holds_so_many_parts_and_no_more(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url)
    whole = tracer.begin("whole", SpanKind.CONSUMER)
    for _ in range(MAX_HELD + 1):
        whole.begin("part").end()
    collector.wait_for_names("", "part")
    assert len(collector.spans) == 1
    whole.end()
    tracer.close()

    assert len(collector.spans) == MAX_HELD + 2


def test_what_a_caller_does_not_record_is_carried_on(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url)
    span = tracer.begin("work", SpanKind.CONSUMER, UNRECORDED)
    span.begin("part").end()
    span.end()
    tracer.close()

    assert (span.recorded, span.traceparent, collector.requests) == (False, UNRECORDED, 0)


def test_the_ratio_counts_where_a_trace_begins(collector: OtlpReceiver) -> None:
    tracer = open_tracer(collector.url, ratio=0)
    begun = tracer.begin("begun", SpanKind.SERVER, "nonsense")
    continued = tracer.begin("continued", SpanKind.SERVER, PARENT)
    begun.end()
    continued.end()
    tracer.close()

    assert (begun.recorded, continued.recorded) == (False, True)
    parsed = parse_traceparent(begun.traceparent)
    assert parsed is not None
    assert not parsed[2] & SAMPLED
    assert [span.name for span in collector.spans] == ["continued"]


@pytest.mark.parametrize(("ratio", "decided"), [(0, UNRECORDED), (1, PARENT)])
@pytest.mark.parametrize("asked", [PARENT, UNRECORDED])
def test_the_ratio_counts_whatever_a_stranger_says(
    collector: OtlpReceiver, ratio: float, asked: str, decided: str
) -> None:
    tracer = open_tracer(collector.url, ratio)
    assert tracer.decide(asked) == decided
    assert tracer.decide("nonsense") == ""
    tracer.close()


def test_who_chooses_a_trace_id_does_not_choose_to_be_recorded(collector: OtlpReceiver) -> None:
    lowest = f"00-{1:032x}-{1:016x}-01"  # recorded at any ratio, if the trace's id decided
    tracer = open_tracer(collector.url, ratio=1e-9)
    assert tracer.decide(lowest).endswith("-00")
    tracer.close()


def test_a_collector_that_hangs_holds_up_no_span_and_no_end(
    collector: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    collector.gate.clear()
    tracer = open_tracer(collector.url)
    tracer.begin("first", SpanKind.SERVER).end()
    collector.wait_for_requests(1)
    for _ in range(MAX_WAITING + 10):
        tracer.begin("more", SpanKind.SERVER).end()
    counted = tracer.count_spans()
    tracer.close()

    assert (collector.requests, collector.answers) == (1, 0)
    assert counted == {("exported",): 0, ("failed",): 0, ("dropped",): 11}


def test_a_collector_that_is_away_is_logged_in_one_line() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    done = log_of_program({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"})

    (line,) = done.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["message"]) == ("warning", "spans can't be exported")
    assert entry["error"]


def test_a_secret_for_the_collector_reaches_it_and_no_log(collector: OtlpReceiver) -> None:
    collector.status, collector.reason = 401, f"not {SECRET}"
    headers = f"authorization={quote(SECRET)}"
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": headers}

    (line,) = log_of_program(told).splitlines()

    assert {each["authorization"] for each in collector.headers} == {SECRET}
    assert json.loads(line)["error"].endswith("code: 401, reason: not …")
    assert SECRET not in line


@pytest.mark.parametrize("wrong", [SECRET, f"a=b,{SECRET}", f"={SECRET}"])
def test_a_wrong_header_is_refused_unseen(
    wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", wrong)
    with pytest.raises(SystemExit):
        load_settings(TracingSettings)
    told = capsys.readouterr().err
    assert told.startswith("OTEL_EXPORTER_OTLP_HEADERS: must be name=value")
    assert SECRET not in told


def test_what_opentelemetry_says_of_a_header_reaches_no_log(collector: OtlpReceiver) -> None:
    """It logs a header that it can't read as it stands."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": SECRET}
    collector.status = 400
    log = log_of_program(told)
    assert "spans can't be exported" in log
    assert SECRET not in log


def log_of_program(environment: dict[str, str]) -> str:
    """The log of a program whose spans nobody takes."""
    path = {"PYTHONPATH": "tests"}
    done = subprocess.run(
        [sys.executable, "-c", AWAY], env={**os.environ, **QUICKLY, **path, **environment},
        stderr=subprocess.PIPE, text=True, check=True, timeout=100,
    )  # fmt: skip
    return done.stderr


def test_one_that_is_back_is_logged(collector: OtlpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    collector.status = 400
    tracer = open_tracer(collector.url)
    tracer.begin("work", SpanKind.SERVER).end()
    wait_until(lambda: "spans can't be exported" in caplog.messages)
    collector.status = 200
    tracer.begin("work", SpanKind.SERVER).end()
    wait_until(lambda: "spans are exported again" in caplog.messages)
    tracer.close()
