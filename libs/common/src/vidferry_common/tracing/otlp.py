"""Records spans and sends them by OTLP over HTTP: the one module that knows OpenTelemetry.

Spans are sent by a thread of OpenTelemetry's. Where the collector is slow or away, spans are dropped, and nothing waits
for it.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from vidferry_common.contract.trace import parse_traceparent
from vidferry_common.tracing.settings import TracingSettings
from vidferry_common.tracing.spans import Attributes, Span, SpanKind, SpanOutcome, UntracedSpan

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 3.0
"""that a program takes at its end to send what is left"""
MAX_ATTRIBUTE = 512
"""characters of an attribute's value"""
MAX_HELD = 512
"""ended parts of a span that wait for its own end; further ones go ahead of it"""
MAX_WAITING = 2048
"""ended spans that wait until they have been sent; further ones are dropped"""
MAX_BATCH = 512
"""spans of one request"""
_KINDS = {kind: trace.SpanKind[kind.name] for kind in SpanKind}


class OtlpTracer:
    """Begins spans, and sends those that are recorded. A trace that begins here is recorded with the ratio's chance."""

    enabled = True

    def __init__(self, settings: TracingSettings, service: str) -> None:
        reasons = _Reasons(settings.header_values())
        self._counts = _Counts()
        self._ratio = settings.trace_ratio
        resource = Resource.create(
            {
                "service.namespace": "vidferry",
                "service.name": f"vidferry-{service}",
                "service.version": version("vidferry-common"),
                "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
            }
        )
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
            resource=resource,
            span_limits=SpanLimits(max_span_attribute_length=MAX_ATTRIBUTE),
            shutdown_on_exit=False,
        )
        exporter = _LoggedExporter(OTLPSpanExporter(f"{settings.otlp_endpoint}/v1/traces"), reasons, self._counts)
        self._provider.add_span_processor(_BoundedProcessor(exporter, self._counts))
        self._tracer = self._provider.get_tracer("vidferry")

    def begin(
        self,
        name: str,
        kind: SpanKind,
        parent: str = "",
        attributes: Attributes | None = None,
        *,
        start: int = 0,
        link: str = "",
    ) -> Span:
        around = _parse(parent)
        if around is not None and not around.trace_flags.sampled:
            return UntracedSpan(parent)
        context = Context() if around is None else trace.set_span_in_context(trace.NonRecordingSpan(around), Context())
        linked = _parse(link)
        span = self._tracer.start_span(
            name, context, _KINDS[kind], attributes, [trace.Link(linked)] if linked else (), start or None
        )
        if not span.is_recording():
            return UntracedSpan(parent if around else _format(span.get_span_context()))
        return _RecordedSpan(self._tracer, span)

    def decide(self, traceparent: str) -> str:
        around = _parse(traceparent)
        if around is None:
            return ""
        # By lot: a caller who chooses the trace's id could foresee what is decided by that.
        flags = trace.TraceFlags.SAMPLED if random.random() < self._ratio else 0  # noqa: S311 - guards no secret
        decided = trace.SpanContext(
            around.trace_id, around.span_id, is_remote=True, trace_flags=trace.TraceFlags(flags)
        )
        return _format(decided)

    def count_spans(self) -> Mapping[tuple[str, ...], float]:
        return {(outcome.value,): float(count) for outcome, count in self._counts.ended.items()}

    def close(self) -> None:
        # In a thread, since OpenTelemetry would wait for half a minute.
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-close", daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS)


class _RecordedSpan:
    """A span that is recorded.

    It leaves with its parent, if that is of this program: if a program dies, no span is left without the one above it.
    """

    __slots__ = ("_end", "_parent", "_span", "_tracer", "held", "sent", "traceparent")
    recorded = True

    def __init__(self, tracer: trace.Tracer, span: trace.Span, parent: "_RecordedSpan | None" = None) -> None:
        self._tracer, self._span, self._parent = tracer, span, parent
        self.held: list[_RecordedSpan] = []
        """ended parts that wait for its own end"""
        self._end, self.sent = 0, False
        self.traceparent = _format(span.get_span_context())

    def begin(
        self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None, start: int = 0
    ) -> Span:
        context = trace.set_span_in_context(self._span, Context())
        span = self._tracer.start_span(name, context, _KINDS[kind], attributes, start_time=start or None)
        return _RecordedSpan(self._tracer, span, self)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def add_link(self, traceparent: str) -> None:
        if linked := _parse(traceparent):
            self._span.add_link(linked)

    def add_event(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, attributes)

    def fail(self, error_type: str) -> None:
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self, at: int = 0) -> None:
        if self._end:
            return
        self._end = at or time.time_ns()
        if self._parent is None or self._parent.sent or len(self._parent.held) >= MAX_HELD:
            self.send()
        else:
            self._parent.held.append(self)

    def send(self) -> None:
        """Hands it over to be sent, and then the ended parts of it."""
        self.sent = True
        self._span.end(self._end)
        for part in self.held:
            part.send()
        self.held.clear()


class _Counts:
    """What has become of spans. The program's thread and the one that sends tell it."""

    def __init__(self) -> None:
        self.ended = dict.fromkeys(SpanOutcome, 0)
        self._waiting, self._lock = 0, threading.Lock()

    def admit(self) -> bool:
        """Whether one more may wait to be sent."""
        with self._lock:
            is_full = self._waiting >= MAX_WAITING
            if is_full:
                self.ended[SpanOutcome.DROPPED] += 1
            else:
                self._waiting += 1
        return not is_full

    def settle(self, count: int, outcome: SpanOutcome) -> None:
        """Counts spans that no longer wait."""
        with self._lock:
            self._waiting -= count
            self.ended[outcome] += count


class _BoundedProcessor(SpanProcessor):
    """Hands ended spans to the thread that sends them, as long as few enough wait for it."""

    def __init__(self, exporter: SpanExporter, counts: _Counts) -> None:
        self._batches = BatchSpanProcessor(exporter, max_queue_size=MAX_WAITING, max_export_batch_size=MAX_BATCH)
        self._counts = counts

    def on_end(self, span: ReadableSpan) -> None:
        if self._counts.admit():
            self._batches.on_end(span)

    def shutdown(self) -> None:
        self._batches.shutdown()  # type: ignore[no-untyped-call]


class _LoggedExporter(SpanExporter):
    """Sends batches, counts them, and logs once when that begins to fail, and when it works again."""

    def __init__(self, exporter: OTLPSpanExporter, reasons: "_Reasons", counts: _Counts) -> None:
        self._exporter, self._reasons, self._counts, self._fails = exporter, reasons, counts, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._reasons.first = ""
        result = self._exporter.export(spans)
        fails = result is not SpanExportResult.SUCCESS
        self._counts.settle(len(spans), SpanOutcome.FAILED if fails else SpanOutcome.EXPORTED)
        if fails and not self._fails:
            logger.warning("spans can't be exported", extra={"error": self._reasons.first})
        elif self._fails and not fails:
            logger.info("spans are exported again")
        self._fails = fails
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Reasons(logging.Handler):
    """Takes what OpenTelemetry logs: a line or a traceback for each batch, and a header as it stands if it is wrong.

    The first thing that it logs of a batch tells why that failed. Nothing else of it reaches the log.
    """

    first = ""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = secrets
        library = logging.getLogger("opentelemetry")
        library.propagate = False
        library.handlers[:] = [self]

    def emit(self, record: logging.LogRecord) -> None:
        text = self.first or record.getMessage()
        for secret in self._secrets:
            text = text.replace(secret, "…")
        self.first = text[:MAX_ATTRIBUTE]


def _parse(traceparent: str) -> trace.SpanContext | None:
    parts = parse_traceparent(traceparent)
    if parts is None:
        return None
    trace_id, span_id, flags = parts
    return trace.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(flags))


def _format(context: trace.SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
