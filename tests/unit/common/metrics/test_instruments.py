"""The instruments, and what the services count with them, without a process."""

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.records import Records
from support.scrape import Scrape
from vidferry_api.app import create_app
from vidferry_api.settings import ApiSettings
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.metrics import Registry, catalogue
from vidferry_common.metrics.catalogue import Service
from vidferry_common.metrics.definitions import OTHER, Definition, Kind, Label
from vidferry_gateway.hub import Hub
from vidferry_gateway.message import MessageKind, OutgoingMessage
from vidferry_gateway.metrics import GatewayMetrics
from vidferry_worker.metrics import HighWaterMark, WorkerMetrics
from vidferry_worker.queue.reaper import LeaseReaper

pytestmark = pytest.mark.anyio

COUNTER = Definition("x_total", Kind.COUNTER, "X.", (Service.API,), (Label("a", ("1", "2")), Label("b")))
NOW = datetime(2026, 11, 23, 10, 0, 0, 550_000, UTC)
HISTOGRAM = Definition("y_seconds", Kind.HISTOGRAM, "Y.", (Service.API,), buckets=(0.1, 1.0))


async def scraped(registry: Registry) -> Scrape:
    text = (await registry.scrape()).decode()
    return Scrape({family.name: family for family in text_string_to_metric_families(text)})


async def test_values_outside_of_a_set_are_one_series() -> None:
    registry = Registry(Service.API)
    counter = registry.add_counter(COUNTER, b=("x",))
    for number in range(100):
        counter.add(str(number), f"x{number}")
    counter.add("1", "x", by=5)
    found = await scraped(registry)
    assert found.value("x_total", a="1", b="x") == 5
    assert found.value("x_total", a="1", b=OTHER) == found.value("x_total", a="2", b=OTHER) == 1
    assert found.value("x_total", a=OTHER, b=OTHER) == 98
    assert len(counter.values) == 4


async def test_a_histogram_counts_up_to_each_bound() -> None:
    registry = Registry(Service.API)
    histogram = registry.add_histogram(HISTOGRAM)
    for value in (0.05, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)
    found = await scraped(registry)
    counts = [found.value("y_seconds_bucket", le=bound) for bound in ("0.1", "1.0", "+Inf")]
    assert counts == [2, 4, 5]
    assert found.value("y_seconds_count") == 5
    assert math.isclose(found.value("y_seconds_sum"), 8.65)


async def test_what_may_be_counted_is_there_before_it_happens(tmp_path: Path) -> None:
    """Else the first of each is none for increase()."""
    registry = Registry(Service.WORKER)
    WorkerMetrics(registry, slots=4)
    found = (await scraped(registry)).labels("vidferry_downloads_finished_total")
    assert {(each["outcome"], each["code"]) for each in found} == {
        *(("failed", code.value) for code in ErrorCode),
        *((outcome, "none") for outcome in ("completed", "reused", "cancelled")),
    }

    told = {"bucket": f"file://{tmp_path}", "signing_key": "k" * 32, "redis_url": "redis://127.0.0.1"}
    registry = Registry(Service.API)
    create_app(ApiSettings.model_validate(told), registry)
    found = (await scraped(registry)).labels("vidferry_http_requests_total")
    posts = {each["code"] for each in found if (each["route"], each["method"]) == ("/api/download", "POST")}
    assert {"202", "422", "500", "503"} <= posts


async def test_a_scrape_waits_for_what_it_needs() -> None:
    registry = Registry(Service.API)
    told: dict[str, float] = {}
    registry.add_reading(catalogue.REDIS_UP, lambda: told.get("up"))
    assert (await scraped(registry)).labels("vidferry_redis_up") == []

    async def look() -> None:
        await asyncio.sleep(0)
        told["up"] = 1

    registry.before_scrape(look)
    assert (await scraped(registry)).value("vidferry_redis_up") == 1


def test_only_a_rise_counts() -> None:
    rise = HighWaterMark()
    assert [rise.raise_to(figure) for figure in (10, 25, 5, 25, 30)] == [10, 15, 0, 0, 5]


async def test_lost_workers_are_counted_by_who_takes_up_their_leases(records: Records) -> None:
    registry = Registry(Service.WORKER)
    reaper = LeaseReaper(records.store, "worker", 60, WorkerMetrics(registry, slots=4))
    job = await records.created()
    for attempt in (1, 2, 3):
        await records.claimed(job, attempt)
        await records.end_lease(job.download_id)
        await reaper._requeue_expired()
    found = await scraped(registry)
    assert found.value("vidferry_worker_deaths_total", outcome="requeued") == 2
    assert found.value("vidferry_worker_deaths_total", outcome="ended") == 1
    assert found.value("vidferry_downloads_finished_total", outcome="failed", code="worker_lost") == 1
    assert found.value("vidferry_download_duration_seconds_count", outcome="failed") == 1
    assert await records.redis.zcard(keys.LEASES) == 0


class Watcher:
    """Takes all at once, or holds all."""

    job_id, after = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40", None

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


def message(seq: int, timestamp: str) -> bytes:
    return (
        f'{{"type":"status","cursor":"0000000a-{seq}","data":{{"seq":{seq},"status":"processing","stage":"downloading",'
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
    found = await scraped(registry)
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
    found = await scraped(registry)
    assert found.value("vidferry_gateway_joins_total") == 3
    assert found.value("vidferry_gateway_message_latency_seconds_count") == 0, "what the record held is old"

    for seq, time in enumerate((stamp, stamp, "2026-11-23T10:00:09.000Z", "no time"), 2):
        hub.receive_message(Watcher.job_id.encode(), message(seq, time))
        hub.deliver_pending()
    metrics.observe_latencies()
    metrics.observe_latencies()
    found = await scraped(registry)
    assert found.value("vidferry_gateway_messages_received_total") == 4
    assert found.value("vidferry_gateway_messages_held_total") == 5
    assert found.value("vidferry_gateway_message_latency_seconds_count") == 4
    assert found.value("vidferry_gateway_message_latency_seconds_bucket", le="0.25") == 0
    assert found.value("vidferry_gateway_message_latency_seconds_bucket", le="0.5") == 4
    assert found.value("vidferry_gateway_message_negative_latencies_total") == 2, "a clock that is ahead"
    assert math.isclose(found.value("vidferry_gateway_message_latency_seconds_sum"), 4 * 0.3, abs_tol=1e-5)
