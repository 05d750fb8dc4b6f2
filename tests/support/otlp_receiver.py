"""A collector: it takes spans by OTLP over HTTP, in protobuf, and keeps them."""

import gzip
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status

SECONDS = 60.0
"""until spans have come: programs send them every five seconds, or as a test says"""
QUICKLY = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
"""ms between batches"""


@dataclass(frozen=True)
class Seen:
    """A span as it came."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False

    @classmethod
    def of(cls, service: str, span: Sent) -> Self:
        return cls(
            service,
            span.name,
            Sent.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            _attributes(span.attributes),
            [(event.name, _attributes(event.attributes)) for event in span.events],
            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            span.status.code == Status.STATUS_CODE_ERROR,
        )


class OtlpReceiver:
    """Listens on a free port of loopback, in a thread of its own. It answers with `status`, once the gate is open."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.requests = self.answers = 0
        self.status, self.reason = 200, ""
        self.gate = threading.Event()
        """closed: requests are not answered"""
        self.gate.set()
        self.headers: list[dict[str, str]] = []
        self._news = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a program is told, so that it sends its spans here, and at once."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, **QUICKLY}

    def wait_for(self, check: Callable[[list[Seen]], bool], trace: str = "") -> list[Seen]:
        """The spans so far, of one trace or all, once check() holds of them."""

        def found() -> list[Seen]:
            return [span for span in self.spans if trace in ("", span.trace)]

        with self._news:
            done = self._news.wait_for(lambda: check(found()), SECONDS)
            assert done, [(span.service, span.name, span.attributes) for span in found()]
            return found()

    def wait_for_names(self, trace: str, *names: str) -> list[Seen]:
        """The spans of a trace, once it has all of these names, each as often as it is given."""
        return self.wait_for(lambda spans: not _missing(spans, names), trace)

    def wait_for_requests(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.requests >= count, SECONDS)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # connections stay open, as those of collectors do

            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join(SECONDS)
        self._server.server_close()

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert (request.path, request.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
        with self._news:
            self.requests += 1
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            self._news.notify_all()
        self.gate.wait()
        self.answers += 1
        if self.status == 200:
            told = ExportTraceServiceRequest.FromString(body)
            with self._news:
                for group in told.resource_spans:
                    service = str(_attributes(group.resource.attributes)["service.name"])
                    self.spans += [Seen.of(service, span) for scope in group.scope_spans for span in scope.spans]
                self._news.notify_all()
        request.send_response(self.status, self.reason or None)
        request.send_header("Content-Length", "0")
        request.end_headers()


def _missing(spans: list[Seen], names: tuple[str, ...]) -> list[str]:
    left = list(names)
    for span in spans:
        if span.name in left:
            left.remove(span.name)
    return left


def _attributes(told: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in told}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


def orphans(spans: list[Seen], outside: str = "") -> list[Seen]:
    """Spans whose parent is not among them, nor the one outside."""
    ids = {span.id for span in spans}
    return [span for span in spans if span.parent not in {"", outside, *ids}]


def tree(spans: list[Seen]) -> dict[str, Any]:
    """The names of spans below those of their parents, by start."""

    def below(parent: str) -> list[Any]:
        found = sorted((span for span in spans if span.parent == parent), key=lambda span: span.start)
        return [(span.name, below(span.id)) if below(span.id) else span.name for span in found]

    roots = [span for span in spans if span.parent not in {each.id for each in spans}]
    assert len({span.parent for span in roots}) == 1, roots
    return {"": below(roots[0].parent)}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    """One that the tracers of the test's own process soon send to."""
    for name, value in QUICKLY.items():
        monkeypatch.setenv(name, value)
    with OtlpReceiver() as receiver:
        yield receiver
