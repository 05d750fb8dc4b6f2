"""Somebody who traces requests, and one span of what comes of them."""

import secrets

from support.otlp_receiver import Seen

PARTS = ["extract", "download", "merge", "upload", "sign"]
"""of an attempt"""


class Caller:
    """Somebody who sends requests in a trace of its own."""

    def __init__(self) -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)

    @property
    def headers(self) -> dict[str, str]:
        return self.with_flags("01")

    def with_flags(self, flags: str) -> dict[str, str]:
        return {"traceparent": f"00-{self.trace}-{self.span}-{flags}"}


def named(spans: list[Seen], name: str) -> Seen:
    (found,) = [span for span in spans if span.name == name]
    return found


def without_watches(spans: list[Seen]) -> list[Seen]:
    """Those that tell what was done: tests watch jobs until they end."""
    return [span for span in spans if span.name != "watch"]
