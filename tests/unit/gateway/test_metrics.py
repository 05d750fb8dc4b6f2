"""The latency of messages, from their publisher to each client."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from support.scrape import scrape_registry
from vidferry_common.metrics import Registry
from vidferry_common.metrics.catalogue import Service
from vidferry_common.tracing import NO_TRACER
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import MessageKind, OutgoingMessage
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_gateway.watch_traces import WatchTraces

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 10, 0, 0, 550_000, UTC)


class Watcher:
    """Takes all at once, or holds all."""

    job_id, after = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40", None
    owner: str | None = None

    def __init__(self, hold: Callable[[], None] | None = None) -> None:
        self._hold = hold

    def deliver(self, message: OutgoingMessage, kind: MessageKind) -> None:  # noqa: ARG002 - the hub's signature
        if self._hold:
            self._hold()

    def deliver_now(self, message: OutgoingMessage, kind: MessageKind) -> int:
        self.deliver(message, kind)
        return 0

    def end(self, code: object) -> None:
        pass


def message(seq: int, timestamp: str, traceparent: str = "") -> bytes:
    return (
        f'{{"type":"status","cursor":"0000000a-{seq}","traceparent":"{traceparent}","data":{{"seq":{seq},"status":"processing","stage":"downloading",'
        f'"progress":{seq},"message":"","timestamp":"{timestamp}"}}}}'
    ).encode()


@pytest.mark.parametrize(
    ("text", "late"),
    [
        ("2026-11-23T10:00:00.250Z", 0.3),
        ("2026-11-23T11:00:00.250+01:00", 0.3),
        ("2026-11-23T10:00:00Z", 0.55),
        ("2026-11-23T10:00:09.000Z", None),
        ("", None),
        ("yesterday", None),
        ("2026-13-01T00:00:00.000Z", None),
        (7, None),
        (None, None),
        (["2026"], None),
        ({"a": 1}, None),
        ("0001-01-01T00:00:00", None),
    ],
)
async def test_whatever_a_publisher_writes_as_a_time(
    text: Any, late: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidferry_gateway.metrics.utc_now", lambda: NOW)
    registry = Registry(Service.GATEWAY)
    metrics = GatewayMetrics(registry)
    metrics.note_delivery(str(text).encode(), 1)
    metrics.note_delivery(b"2026-11-23T10:00:00.550Z", 2)
    metrics.observe_latencies()
    found = await scrape_registry(registry)
    assert found.value("vidferry_gateway_message_latency_seconds_count") == (2 if late is None else 3)
    assert math.isclose(found.value("vidferry_gateway_message_latency_seconds_sum"), late or 0, abs_tol=1e-5)


async def test_latency_counts_once_for_each_socket_that_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_gateway.metrics.utc_now", lambda: NOW)
    registry = Registry(Service.GATEWAY)
    metrics = GatewayMetrics(registry)
    hub = Hub(lambda: None, metrics)

    def hold() -> None:
        metrics.messages_held += 1

    for watcher in (Watcher(), Watcher(), Watcher(hold)):
        hub.join(watcher)
    hub.take_commands(10)
    stamp = "2026-11-23T10:00:00.250Z"
    hub.answer_read(message(1, stamp), [])
    metrics.observe_latencies()
    found = await scrape_registry(registry)
    assert found.value("vidferry_gateway_joins_total") == 3
    assert found.value("vidferry_gateway_message_latency_seconds_count") == 0, "what the record held is old"

    for seq, time in enumerate((stamp, stamp, "2026-11-23T10:00:09.000Z", "no time"), 2):
        hub.receive_message(Watcher.job_id.encode(), message(seq, time))
        hub.deliver_pending()
    metrics.observe_latencies()
    metrics.observe_latencies()
    found = await scrape_registry(registry)
    assert found.value("vidferry_gateway_messages_received_total") == 4
    assert found.value("vidferry_gateway_messages_held_total") == 5
    assert found.value("vidferry_gateway_message_latency_seconds_count") == 4
    assert found.value("vidferry_gateway_message_latency_seconds_bucket", le="0.25") == 0
    assert found.value("vidferry_gateway_message_latency_seconds_bucket", le="0.5") == 4
    assert found.value("vidferry_gateway_message_negative_latencies_total") == 2, "a clock that is ahead"
    assert math.isclose(found.value("vidferry_gateway_message_latency_seconds_sum"), 4 * 0.3, abs_tol=1e-5)


@pytest.mark.parametrize(
    ("flags", "traces", "named"),
    [("01", WatchTraces(NO_TRACER), ["4" * 32]), ("00", WatchTraces(NO_TRACER), []), ("01", None, [])],
)
def test_latencies_name_the_traces_that_are_recorded(
    flags: str, traces: WatchTraces | None, named: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidferry_gateway.metrics.utc_now", lambda: NOW)
    metrics = GatewayMetrics(Registry(Service.GATEWAY))
    hub = Hub(lambda: None, metrics, traces=traces)
    hub.join(Watcher())
    hub.take_commands(10)
    stamp, traceparent = "2026-11-23T10:00:00.250Z", f"00-{'4' * 32}-{'2' * 16}-{flags}"
    hub.answer_read(message(1, stamp, traceparent), [])
    assert hub.find_trace(Watcher.job_id) == "4" * 32
    hub.receive_message(Watcher.job_id.encode(), message(2, stamp, traceparent))
    hub.deliver_pending()
    metrics.observe_latencies()
    assert sum(metrics._latency.counts) == 1
    assert [each.trace for each in metrics._latency.exemplars.values()] == named
