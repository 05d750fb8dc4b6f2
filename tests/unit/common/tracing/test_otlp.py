"""Spans as a collector gets them, and what a collector that fails does."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from support.otlp_receiver import QUICKLY, OtlpReceiver, tree
from support.ports import free_port
from support.product import wait_until
from vidferry_common.contract.trace import parse_traceparent, trace_id
from vidferry_common.tracing import SpanKind, Tracer, TracingSettings, start_tracing
from vidferry_common.tracing.otlp import FLUSH_SECONDS, MAX_HELD

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNRECORDED = PARENT[:-2] + "00"
SAMPLED = 1
AWAY = """
import os, time
from vidferry_common.log import LogSettings, set_up
from vidferry_common.tracing import SpanKind, TracingSettings, start_tracing

set_up(LogSettings(log_level="info"), "test")
tracer = start_tracing(TracingSettings(otlp_endpoint="http://127.0.0.1:" + os.environ["PORT"]), "test")
for _ in range(4):
    tracer.begin("work", SpanKind.SERVER).end()
    time.sleep(0.2)
tracer.close()
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    for name, value in QUICKLY.items():
        monkeypatch.setenv(name, value)
    with OtlpReceiver() as receiver:
        yield receiver


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
    assert (seen.trace, seen.parent) == (trace_id(PARENT), "00f067aa0ba902b7")
    assert (seen.start, seen.end) == (10**18, 2 * 10**18)
    assert seen.attributes == {"vidferry.attempt": 1, "vidferry.site": "x" * 512, "error.type": "network"}
    assert seen.events == [("stream", {"vidferry.bytes": 7})]
    assert seen.links == [(trace_id(PARENT), "00f067aa0ba902b7")]


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


def test_a_collector_that_hangs_holds_up_no_span_and_no_end(collector: OtlpReceiver) -> None:
    collector.gate.clear()
    tracer = open_tracer(collector.url)
    tracer.begin("first", SpanKind.SERVER).end()
    collector.wait_for_requests(1)
    began = time.monotonic()
    for _ in range(5000):
        tracer.begin("more", SpanKind.SERVER).end()
    assert time.monotonic() - began < 30
    began = time.monotonic()
    tracer.close()

    assert FLUSH_SECONDS - 0.5 < time.monotonic() - began < FLUSH_SECONDS + 20


def test_a_collector_that_is_away_is_logged_in_one_line() -> None:
    environment = {**os.environ, **QUICKLY, "OTEL_EXPORTER_OTLP_TIMEOUT": "2", "PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-c", AWAY], env=environment, stderr=subprocess.PIPE, text=True, check=True, timeout=60
    )

    (line,) = done.stderr.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["message"]) == ("warning", "spans can't be exported")
    assert "refused" in entry["error"]


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
