"""The spans of watches: one for each, from its join to its end, in the trace of its job. None for a frame."""

import time
from typing import NamedTuple

from vidferry_common.contract.trace import is_recorded
from vidferry_common.tracing import Attributes, SpanKind, Tracer


class _Watch(NamedTuple):
    """A watch that will be a span. The span is made at its end: ten thousands of open ones would take much memory."""

    traceparent: str
    job_id: str
    began: int
    """ns since 1970"""
    messages_before: int
    """how many messages its topic had delivered, less those that the watcher was sent first"""
    resumed: bool


class WatchTraces:
    """The watches of a gateway that are recorded."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._joining: dict[object, int] = {}
        self._watches: dict[object, _Watch] = {}

    def note_join(self, watcher: object) -> None:
        """Takes note that a watcher waits for its job's record."""
        self._joining[watcher] = time.time_ns()

    def begin(self, watcher: object, job_id: str, traceparent: str, messages_before: int, *, resumed: bool) -> None:
        """Begins a watch if the job's trace is recorded."""
        began = self._joining.pop(watcher, 0) or time.time_ns()
        if is_recorded(traceparent):
            self._watches[watcher] = _Watch(traceparent, job_id, began, messages_before, resumed)

    def end(self, watcher: object, messages: int, outcome: str) -> None:
        """Ends a watch; one that never began is forgotten. messages: how many its topic has delivered."""
        self._joining.pop(watcher, None)
        watch = self._watches.pop(watcher, None)
        if watch is None:
            return
        attributes: Attributes = {
            "vidferry.job.id": watch.job_id,
            "vidferry.messages": messages - watch.messages_before,
            "vidferry.resumed": watch.resumed,
            "vidferry.outcome": outcome,
        }
        self._tracer.begin("watch", SpanKind.SERVER, watch.traceparent, attributes, start=watch.began).end()
