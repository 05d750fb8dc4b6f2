"""What the services know of spans, and the tracer of programs that record none. OpenTelemetry is in otlp.py alone."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from vidferry_common.contract.trace import parse_traceparent, trace_id

Attributes = Mapping[str, str | int | float | bool]
"""by their names in OpenTelemetry's semantic conventions, or by names that begin with `vidferry.` (docs/traces.md)"""


class SpanKind(Enum):
    """The place of a span in a request, as OpenTelemetry names it."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanOutcome(Enum):
    """What has become of a span that has ended."""

    EXPORTED = "exported"
    FAILED = "failed"
    DROPPED = "dropped"


class Span(Protocol):
    """One operation of a trace. It is sent once it has ended, and never before the span that it is a part of."""

    @property
    def recorded(self) -> bool:
        """Whether anybody will see it."""

    @property
    def traceparent(self) -> str:
        """The W3C trace context for what follows from it."""

    def begin(
        self, name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None, start: int = 0
    ) -> "Span":
        """Begins a part of it. start: when, in ns since 1970; 0: now."""

    def rename(self, name: str) -> None: ...

    def set(self, attributes: Attributes) -> None: ...

    def add_link(self, traceparent: str) -> None:
        """Points to a span of another trace."""

    def add_event(self, name: str, attributes: Attributes) -> None: ...

    def fail(self, error_type: str) -> None:
        """Marks it as failed. error_type: an error code or an exception's name."""

    def end(self, at: int = 0) -> None:
        """Ends it; a second call does nothing. at: when, in ns since 1970; 0: now."""


def recorded_trace(span: Span) -> str:
    """The id of the span's trace, empty if that is not recorded."""
    return trace_id(span.traceparent) if span.recorded else ""


def log_ids(span: Span) -> dict[str, str]:
    """The fields of log entries that belong to the span: its trace, and itself if it is recorded."""
    parts = parse_traceparent(span.traceparent)
    if parts is None:
        return {}
    return {"trace_id": parts[0], "span_id": parts[1]} if span.recorded else {"trace_id": parts[0]}


class Tracer(Protocol):
    """Begins the spans of a program, and sends them."""

    @property
    def enabled(self) -> bool:
        """Whether any span may be recorded."""

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
        """Begins a span. parent and link: traceparents. Without a parent that is one, it begins a trace."""

    def decide(self, traceparent: str) -> str:
        """A stranger's trace context, recorded with the ratio's chance, whatever it says; empty if it is none."""

    def count_spans(self) -> Mapping[tuple[str, ...], float]:
        """How many spans have ended, by SpanOutcome; empty if none is recorded."""

    def close(self) -> None:
        """Sends what is left, within FLUSH_SECONDS."""


class UntracedSpan:
    """A span that is not recorded. It only carries its caller's trace context on."""

    __slots__ = ("traceparent",)
    recorded = False

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def begin(
        self,
        name: str,  # noqa: ARG002 - as of Span; so are those below
        kind: SpanKind = SpanKind.INTERNAL,  # noqa: ARG002
        attributes: Attributes | None = None,  # noqa: ARG002
        start: int = 0,  # noqa: ARG002
    ) -> Span:
        return self

    def rename(self, name: str) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        pass

    def add_link(self, traceparent: str) -> None:
        pass

    def add_event(self, name: str, attributes: Attributes) -> None:
        pass

    def fail(self, error_type: str) -> None:
        pass

    def end(self, at: int = 0) -> None:
        pass


class _NoTracer:
    """The tracer of a program without traces."""

    enabled = False

    def begin(
        self,
        name: str,  # noqa: ARG002 - as of Tracer; so are those below
        kind: SpanKind,  # noqa: ARG002
        parent: str = "",
        attributes: Attributes | None = None,  # noqa: ARG002
        *,
        start: int = 0,  # noqa: ARG002
        link: str = "",  # noqa: ARG002
    ) -> Span:
        return UntracedSpan(parent)

    def decide(self, traceparent: str) -> str:
        return traceparent

    def count_spans(self) -> Mapping[tuple[str, ...], float]:
        return {}

    def close(self) -> None:
        pass


NO_TRACER: Tracer = _NoTracer()
