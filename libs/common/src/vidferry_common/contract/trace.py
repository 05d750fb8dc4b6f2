"""W3C trace context: one trace from the POST through the queue to the socket."""

import re
import secrets

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_IN_MESSAGE = re.compile(rb'"traceparent":"(.{55})"')
_ENVELOPE_BYTES = 200
"""of a message, in which its traceparent stands; what follows may be a site's or a caller's text"""
_SAMPLED = 1


def continue_trace(header: str | None) -> str:
    """A traceparent for a new span: in the caller's trace where it sent a valid one, else in a new trace."""
    match = _TRACEPARENT.fullmatch(header or "")
    trace_id, flags = (match[1], match[3]) if match else (secrets.token_hex(16), "00")
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"


def parse_traceparent(text: str) -> tuple[str, str, int] | None:
    """The trace's id, the span's id and the flags; None where it is no traceparent."""
    match = _TRACEPARENT.fullmatch(text)
    return (match[1], match[2], int(match[3], 16)) if match else None


def is_recorded(traceparent: str) -> bool:
    """Whether it is a traceparent that has the sampled flag."""
    parts = parse_traceparent(traceparent)
    return parts is not None and bool(parts[2] & _SAMPLED)


def find_traceparent(message: bytes) -> str:
    """The traceparent in a message's envelope, empty where there is none."""
    found = _IN_MESSAGE.search(message, 0, _ENVELOPE_BYTES)
    return found[1].decode("latin-1") if found else ""


def trace_id(traceparent: str) -> str:
    """The trace's id, empty where there is none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""
