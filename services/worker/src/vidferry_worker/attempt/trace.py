"""The spans of one attempt: the attempt itself, and what it does one after the other."""

from vidferry_common.contract import stages
from vidferry_common.contract.identity import site_of
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage, Step
from vidferry_common.store import Claim
from vidferry_common.tracing import NO_TRACER, Span, SpanKind, Tracer, attributes, log_ids, recorded_trace

EXTRACT, DOWNLOAD, MERGE, UPLOAD, SIGN = "extract", "download", "merge", "upload", "sign"
_BEGINS = {Stage.DOWNLOADING: DOWNLOAD, Stage.MERGING: MERGE, Stage.UPLOADING: UPLOAD, Stage.RESPONSE: SIGN}
"""by the stage that begins; any other stage ends what was done before it"""


class AttemptTrace:
    """The spans of one attempt. All of them are sent at its end: of an attempt whose worker dies, none is."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._part: Span | None = None
        self._name = ""

    @classmethod
    def begin(cls, tracer: Tracer, claim: Claim) -> "AttemptTrace":
        """Begins it in the trace of the job that asked for the download first."""
        span = tracer.begin("process downloads", SpanKind.CONSUMER, claim.traceparent)
        if span.recorded:
            span.set(
                {
                    **attributes.messaging("process", "downloads"),
                    "vidferry.download.id": claim.download_id,
                    "vidferry.attempt": claim.attempt,
                    "vidferry.queue.wait": round(claim.waited, 3),
                    "vidferry.site": site_of(claim.url),
                }
            )
        return cls(span)

    @property
    def recorded(self) -> bool:
        return self._span.recorded

    @property
    def recorded_id(self) -> str:
        """The trace's id, empty if it is not recorded."""
        return recorded_trace(self._span)

    @property
    def log_fields(self) -> dict[str, str]:
        """The fields that all entries of the attempt have."""
        return log_ids(self._span)

    def add_link(self, traceparent: str) -> None:
        self._span.add_link(traceparent)

    def begin_part(self, name: str) -> None:
        """Begins what the attempt does from now on; a name that is known already changes nothing."""
        if name != self._name:
            self._end_part()
            self._name, self._part = name, self._span.begin(name)

    def enter_step(self, step: Step) -> None:
        """Takes note of a step that watchers are told."""
        name = SIGN if step is stages.UPLOADED else _BEGINS.get(step.stage)
        if name:
            self.begin_part(name)
        elif step.stage is not Stage.STARTED:
            self._end_part()

    def note_stream(self, index: int, size: int) -> None:
        """Takes note that all of a stream has arrived. size: bytes."""
        if self._part is not None:
            self._part.add_event("stream", {"vidferry.stream": index, "vidferry.bytes": size})

    def end(self, outcome: str, error: str = "") -> None:
        """Ends it. A second call does nothing. error: its code."""
        if error and self._part is not None:
            self._part.fail(error)
        self._end_part()
        self._span.set({"vidferry.outcome": outcome})
        if error:
            self._span.fail(error)
        self._span.end()

    def end_with(self, update: Update) -> None:
        """Ends it with the last update of the download."""
        if update.result is not None:
            self._span.set({"vidferry.bytes": update.result.size})
        self.end(update.outcome, update.error.code if update.error else "")

    def _end_part(self) -> None:
        if self._part is not None:
            self._part.end()
        self._part, self._name = None, ""


def untraced() -> AttemptTrace:
    """The trace of an attempt that nobody traces."""
    return AttemptTrace(NO_TRACER.begin("", SpanKind.INTERNAL))
