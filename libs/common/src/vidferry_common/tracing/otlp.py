"""Records spans and sends them by OTLP over HTTP: the one module that knows OpenTelemetry.

What a span is told is kept as it is, and becomes a span of OpenTelemetry's at its end: those that the SDK's tracer
begins take a lock and check each word. Spans are sent by a thread of OpenTelemetry's. Where the collector is slow or
away, spans are dropped, and nothing waits for it.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanKind as SdkKind

from vidferry_common.contract.trace import parse_traceparent
from vidferry_common.tracing.settings import TracingSettings
from vidferry_common.tracing.spans import Attributes, Span, SpanKind, SpanOutcome, UntracedSpan

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 3.0
"""that a program takes at its end to send what is left"""
MAX_ATTRIBUTE = 512
"""characters of an attribute's value"""
MAX_EVENTS = 128
"""of a span"""
MAX_HELD = 512
"""ended parts of a span that wait for its own end; further ones go ahead of it"""
MAX_WAITING = 2048
"""ended spans that wait until they have been sent; further ones are dropped"""
MAX_BATCH = 512
"""spans of one request"""
_KINDS = {kind: SdkKind[kind.name] for kind in SpanKind}
_SCOPE = InstrumentationScope("vidferry")
_RECORDED, _UNRECORDED = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID, TraceFlags.RANDOM_TRACE_ID
"""the flags of a trace that begins here"""
_SUCCEEDED, _FAILED = Status(), Status(StatusCode.ERROR)


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
        exporter = _LoggedExporter(OTLPSpanExporter(f"{settings.otlp_endpoint}/v1/traces"), reasons, self._counts)
        self._outlet = _Outlet(_BoundedProcessor(exporter, self._counts), resource)

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
        if around is None:
            trace_id, flags = _new_id(128), _RECORDED if self._is_drawn() else _UNRECORDED
        else:
            trace_id, flags = around.trace_id, around.trace_flags
        if not flags & TraceFlags.SAMPLED:
            return UntracedSpan(parent if around else _format(_new_context(trace_id, flags)))
        span = _RecordedSpan(self._outlet, name, kind, _new_context(trace_id, flags), around, start)
        if attributes:
            span.set(attributes)
        span.add_link(link)
        return span

    def _is_drawn(self) -> bool:
        # By lot: a caller who chooses the trace's id could foresee what is decided by that.
        return random.random() < self._ratio  # noqa: S311 - guards no secret

    def decide(self, traceparent: str) -> str:
        around = _parse(traceparent)
        if around is None:
            return ""
        flags = TraceFlags(TraceFlags.SAMPLED if self._is_drawn() else TraceFlags.DEFAULT)
        return _format(SpanContext(around.trace_id, around.span_id, is_remote=True, trace_flags=flags))

    def count_spans(self) -> Mapping[tuple[str, ...], float]:
        return {(outcome.value,): float(count) for outcome, count in self._counts.ended.items()}

    def close(self) -> None:
        # In a thread, since OpenTelemetry would wait for half a minute.
        closing = threading.Thread(target=self._outlet.processor.shutdown, name="tracing-close", daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS)


class _Outlet:
    """Where ended spans go."""

    def __init__(self, processor: SpanProcessor, resource: Resource) -> None:
        self.processor, self.resource = processor, resource


class _RecordedSpan:
    """A span that is recorded.

    It leaves with its parent, if that is of this program: if a program dies, no span is left without the one above it.
    What it is told after its end is ignored.
    """

    __slots__ = (
        "_attributes", "_context", "_end", "_events", "_kind", "_links", "_name", "_outlet", "_parent",
        "_parent_context", "_start", "_status", "held", "sent", "traceparent",
    )  # fmt: skip
    recorded = True

    def __init__(
        self,
        outlet: _Outlet,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        around: SpanContext | None,
        start: int = 0,
        parent: "_RecordedSpan | None" = None,
    ) -> None:
        self._outlet, self._name, self._kind, self._parent = outlet, name, kind, parent
        self._context, self._parent_context = context, around
        self._attributes: dict[str, str | int | float | bool] = {}
        self._events: list[Event] = []
        self._links: list[Link] = []
        self._status = _SUCCEEDED
        self.held: list[_RecordedSpan] = []
        """ended parts that wait for its own end"""
        self._start, self._end, self.sent = start or time.time_ns(), 0, False
        self.traceparent = _format(context)

    def begin(
        self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None, start: int = 0
    ) -> Span:
        context = _new_context(self._context.trace_id, self._context.trace_flags)
        span = _RecordedSpan(self._outlet, name, kind, context, self._context, start, self)
        if attributes:
            span.set(attributes)
        return span

    def rename(self, name: str) -> None:
        if not self._end:
            self._name = name

    def set(self, attributes: Attributes) -> None:
        if self._end:
            return
        for name, value in attributes.items():
            self._attributes[name] = value[:MAX_ATTRIBUTE] if isinstance(value, str) else value

    def add_link(self, traceparent: str) -> None:
        if not self._end and (linked := _parse(traceparent)):
            self._links.append(Link(linked))

    def add_event(self, name: str, attributes: Attributes) -> None:
        if not self._end and len(self._events) < MAX_EVENTS:
            self._events.append(Event(name, dict(attributes), time.time_ns()))

    def fail(self, error_type: str) -> None:
        self.set({"error.type": error_type})
        if not self._end:
            self._status = _FAILED

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
        self._outlet.processor.on_end(
            ReadableSpan(
                self._name, self._context, self._parent_context, self._outlet.resource, self._attributes, self._events,
                self._links, _KINDS[self._kind], None, self._status, self._start, self._end, _SCOPE,
            )
        )  # fmt: skip
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


def _new_id(bits: int) -> int:
    return random.getrandbits(bits) or 1  # 0 is none


def _new_context(trace_id: int, flags: int) -> SpanContext:
    """The context of a new span."""
    return SpanContext(trace_id, _new_id(64), is_remote=False, trace_flags=TraceFlags(flags))


def _parse(traceparent: str) -> SpanContext | None:
    parts = parse_traceparent(traceparent)
    if parts is None:
        return None
    trace_id, span_id, flags = parts
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(flags))


def _format(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
